/** What a configuration consists of, as short readable pieces. */

import type { LeaderboardRow } from "../api/types";
import { learningRate, words } from "../format";

export interface Facet {
  key: "backbone" | "weights" | "mode" | "activation" | "optimizer" | "schedule" | "mix" | "smoothing" | "epochs" | "resolution";
  text: string;
  title: string;
  /** The value that means "nothing special": said quietly. */
  isPlain: boolean;
}

export function facetsOf(row: LeaderboardRow): Facet[] {
  return [
    facet("backbone", row.backbone, "Backbone"),
    facet("weights", weightsText(row.weights), `Initial weights: ${row.weights}`),
    facet("mode", row.adaptation === "head_only" ? "head" : words(row.adaptation), modeTitle(row.adaptation)),
    facet("activation", words(row.activation), "Activation", row.activation === "native"),
    facet("optimizer", `${row.optimizer} ${learningRate(row.lr)}`, "Optimizer and peak learning rate"),
    facet("schedule", words(row.schedule), "Learning-rate schedule"),
    facet("mix", row.mix === "none" ? "no mix" : words(row.mix), "Mixing of images", row.mix === "none"),
    facet("smoothing", smoothingText(row.smoothing), "Label smoothing", row.smoothing === 0),
    facet("epochs", `${row.epochs} ep`, "Epochs"),
    facet("resolution", `${row.resolution} px`, "Training resolution"),
  ];
}

/** What all `rows` have in common, to be said once above them. */
export function sharedFacets(rows: readonly LeaderboardRow[], varying: ReadonlySet<Facet["key"]>): Facet[] {
  const first = rows[0];
  return first ? facetsOf(first).filter(({ key }) => !varying.has(key)) : [];
}

/** The facets in which `rows` differ; of a single row, all. */
export function varyingFacets(rows: readonly LeaderboardRow[]): Set<Facet["key"]> {
  const seen = new Map<Facet["key"], string>();
  const varying = new Set<Facet["key"]>();
  for (const row of rows) {
    for (const { key, text } of facetsOf(row)) {
      const first = seen.get(key);
      if (first === undefined) seen.set(key, text);
      else if (first !== text) varying.add(key);
    }
  }
  return rows.length < 2 ? new Set(seen.keys()) : varying;
}

/** One line for a legend: what varies, nothing else. */
export function shortName(row: LeaderboardRow, varying: ReadonlySet<Facet["key"]>): string {
  const parts = facetsOf(row).filter((facet) => varying.has(facet.key));
  return (parts.length > 0 ? parts : facetsOf(row)).map((facet) => facet.text).join(" · ");
}

function facet(key: Facet["key"], text: string, title: string, isPlain = false): Facet {
  return { key, text, title, isPlain };
}

function modeTitle(adaptation: string): string {
  if (adaptation === "head_only") return "Only a linear head is trained, on frozen features";
  return adaptation === "full" ? "Every parameter is trained" : "What is trained";
}

function smoothingText(smoothing: number): string {
  return smoothing === 0 ? "no smoothing" : `smoothing ${Number(smoothing.toPrecision(3))}`;
}

function weightsText(weights: string): string {
  const [kind, id] = weights.split(":");
  return id ? `${kind} ${id.slice(0, 8)}` : weights;
}

