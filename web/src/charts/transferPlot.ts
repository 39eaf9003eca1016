/** The two arms of a transfer study over their budgets, laid out for a small SVG. Pure. */

import type { TransferArm, TransferStudy } from "../api/types";
import { axisOf, layoutInterval, position, type Axis } from "./axis";

export interface PlotPoint {
  /** Percent of the width. */
  x: number;
  /** Percent of the height, from the top. */
  y: number;
  top: number;
  bottom: number;
  arm: TransferArm;
}

export interface TransferPlot {
  axis: Axis;
  budgets: { epochs: number; x: number }[];
  pretrained: PlotPoint[];
  random: PlotPoint[];
}

/** Budgets double, so they are spaced by their logarithm. */
export function transferPlot(study: TransferStudy): TransferPlot {
  const arms = [...study.pretrained, ...study.random];
  const axis = axisOf(arms.flatMap((arm) => [shown(study, arm).low, shown(study, arm).high]));
  const epochs = [...new Set(arms.map((arm) => arm.epochs))].sort((a, b) => a - b);
  const first = Math.log2(epochs[0] ?? 1);
  const span = Math.log2(epochs.at(-1) ?? 1) - first;
  const x = (n: number) => (span === 0 ? 50 : 6 + ((Math.log2(n) - first) / span) * 88);
  const place = (arm: TransferArm): PlotPoint => {
    const { dot, left, width } = layoutInterval(axis, shown(study, arm));
    return { x: x(arm.epochs), y: 100 - dot, top: 100 - left - width, bottom: 100 - left, arm };
  };
  const inOrder = (list: readonly TransferArm[]) => [...list].sort((a, b) => a.epochs - b.epochs).map(place);
  return {
    axis,
    budgets: epochs.map((n) => ({ epochs: n, x: x(n) })),
    pretrained: inOrder(study.pretrained),
    random: inOrder(study.random),
  };
}

/** The estimate a study compares by. */
export function shown(study: TransferStudy, arm: TransferArm) {
  return study.metric === "test_top1" && arm.test_top1 ? arm.test_top1 : arm.val_top1;
}

/** Percent of the height, from the top. */
export function heightOf(axis: Axis, value: number): number {
  return 100 - position(axis, value);
}
