/** The three benefits of transfer in figures and words. What is zero, negative or unknown is said so. */

import type { Asymptote, Estimate, Slope } from "../api/types";
import { decimal, NOTHING, plural, points, pointsRange } from "../format";

export interface Benefit {
  name: string;
  value: string;
  detail: string;
  explanation: string;
  isKnown: boolean;
}

export function startBenefit(start: Estimate | null): Benefit {
  return {
    name: "Start",
    explanation: "A converged linear head on the frozen backbone: pretrained minus random weights",
    ...(start ? differenceIn(start) : missing("no head-only runs of both arms")),
  };
}

export function slopeBenefit(slope: Slope | null): Benefit {
  const about = {
    name: "Slope",
    explanation: "Epochs of the random arm's best over the epochs at which pretrained reaches it",
  };
  if (!slope) return { ...about, ...missing("no matched budgets") };
  if (!slope.reached) {
    return { ...about, value: `< ${times(slope.ratio)}`, detail: "pretrained never reached the random arm’s best", isKnown: true };
  }
  const bound = slope.at_least ? "≥ " : "";
  return {
    ...about,
    value: `${bound}${times(slope.ratio)} fewer epochs`,
    detail: `95%: ${times(slope.low)} to ${times(slope.high)}${slope.at_least ? "; already at the smallest budget" : ""}`,
    isKnown: true,
  };
}

export function asymptoteBenefit(asymptote: Asymptote | null): Benefit {
  if (!asymptote) {
    return { name: "Asymptote", explanation: "Difference at the longest budget", ...missing("no budget that both arms ran") };
  }
  const at = plural(asymptote.epochs, "epoch");
  return {
    name: asymptote.converged ? `Asymptote (${at})` : `Difference at ${at}`,
    explanation: asymptote.converged
      ? "Doubling the budget added less than one point in both arms"
      : "Still rising: doubling the budget added a point or more, or was not run, so this is no asymptote",
    ...differenceIn(asymptote.difference),
  };
}

function differenceIn(estimate: Estimate) {
  return {
    value: `${points(estimate.mean)} points`,
    detail: `95%: ${pointsRange(estimate.low, estimate.high)}, n = ${estimate.n}`,
    isKnown: true,
  };
}

function missing(why: string) {
  return { value: NOTHING, detail: why, isKnown: false };
}

function times(ratio: number): string {
  return `${decimal(ratio, ratio < 10 && !Number.isInteger(ratio) ? 1 : 0)}×`;
}
