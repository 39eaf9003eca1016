/** What a configuration consists of, as short readable pieces. */

import type { LeaderboardRow } from "../api/types";
import { learningRate, words } from "../format";

export interface Facet {
  key: "backbone" | "weights" | "mode" | "activation" | "optimizer" | "schedule" | "mix" | "smoothing" | "epochs" | "resolution";
  text: string;
  title: string;
}

export function facetsOf(row: LeaderboardRow): Facet[] {
  return [
    { key: "backbone", text: row.backbone, title: "Backbone" },
    { key: "weights", text: weightsText(row.weights), title: `Initial weights: ${row.weights}` },
    { key: "mode", text: modeText(row.adaptation), title: "What is trained" },
    { key: "activation", text: words(row.activation), title: "Activation" },
    { key: "optimizer", text: `${row.optimizer} ${learningRate(row.lr)}`, title: "Optimizer and peak learning rate" },
    { key: "schedule", text: words(row.schedule), title: "Learning-rate schedule" },
    { key: "mix", text: row.mix === "none" ? "no mix" : words(row.mix), title: "Mixing of images" },
    { key: "smoothing", text: `ls ${Number(row.smoothing.toPrecision(3))}`, title: "Label smoothing" },
    { key: "epochs", text: `${row.epochs} ep`, title: "Epochs" },
    { key: "resolution", text: `${row.resolution} px`, title: "Training resolution" },
  ];
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

function weightsText(weights: string): string {
  const [kind, id] = weights.split(":");
  return id ? `${kind} ${id.slice(0, 8)}` : weights;
}

function modeText(adaptation: string): string {
  if (adaptation === "full") return "full fine-tune";
  return adaptation === "head_only" ? "head only" : words(adaptation);
}
