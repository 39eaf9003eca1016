/** From an answer of the API to the lines of the table: merging, filtering, paging. Pure. */

import type { Estimate, Leaderboard, LeaderboardRow, SotaEntry } from "../api/types";
import { facetsOf } from "./facets";

export type Line =
  | { kind: "config"; key: string; row: LeaderboardRow }
  | { kind: "published"; key: string; entry: SotaEntry; isComparable: boolean };

export const PAGE_SIZE = 50;

/** Rows asked for: as many as the page still sorts and filters at once. */
export const MAX_ROWS = 1000;

/** The number a row is ranked by. */
export function rankedEstimate(row: LeaderboardRow, metric: string): Estimate | null {
  return (metric === "test_top1" ? row.test_top1 : row.val_top1) ?? null;
}

/**
 * Our rows in the server's order, published results of the same metric between them by value; those
 * of another metric follow at the end, since they compare with nothing here.
 */
export function mergeLines(board: Leaderboard, showPublished: boolean): Line[] {
  const configs: Line[] = board.rows.map((row) => ({ kind: "config", key: row.config_id, row }));
  if (!showPublished) return configs;
  const published = board.sota.map((entry, idx) => ({ entry, key: `sota-${idx}-${entry.method}` }));
  const comparable = published
    .filter(({ entry }) => entry.metric === "top1")
    .sort((a, b) => b.entry.value - a.entry.value);
  const others = published
    .filter(({ entry }) => entry.metric !== "top1")
    .sort((a, b) => b.entry.value - a.entry.value);

  const lines: Line[] = [];
  let next = 0;
  for (const line of configs) {
    const value = line.kind === "config" ? (rankedEstimate(line.row, board.metric)?.mean ?? -Infinity) : -Infinity;
    for (; next < comparable.length && comparable[next]!.entry.value >= value; next++) {
      lines.push({ kind: "published", isComparable: true, ...comparable[next]! });
    }
    lines.push(line);
  }
  for (const rest of comparable.slice(next)) lines.push({ kind: "published", isComparable: true, ...rest });
  for (const rest of others) lines.push({ kind: "published", isComparable: false, ...rest });
  return lines;
}

/** Lines in which every word of `text` occurs. */
export function filterLines(lines: readonly Line[], text: string): Line[] {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (terms.length === 0) return [...lines];
  return lines.filter((line) => {
    const haystack = searchText(line);
    return terms.every((term) => haystack.includes(term));
  });
}

function searchText(line: Line): string {
  if (line.kind === "config") {
    const facets = facetsOf(line.row).map((facet) => facet.text);
    return [line.row.label, line.row.config_id, ...facets].join(" ").toLowerCase();
  }
  const { method, backbone, extra_data, year, source } = line.entry;
  return ["published", method, backbone, extra_data, year, source].join(" ").toLowerCase();
}

export interface Page {
  lines: Line[];
  /** From 0; the last one where the asked-for page is no longer there. */
  idx: number;
  nPages: number;
}

export function pageOf(lines: readonly Line[], pageIdx: number, size = PAGE_SIZE): Page {
  const nPages = Math.max(1, Math.ceil(lines.length / size));
  const idx = Math.min(Math.max(pageIdx, 0), nPages - 1);
  return { lines: lines.slice(idx * size, (idx + 1) * size), idx, nPages };
}

/** Everything that must fit on the common axis. */
export function axisValues(lines: readonly Line[]): number[] {
  return lines.flatMap((line) => {
    if (line.kind === "published") {
      const { value, std } = line.entry;
      return std == null ? [value] : [value - std, value + std];
    }
    return [line.row.val_top1, line.row.test_top1].flatMap((e) => (e ? [e.low, e.mean, e.high] : []));
  });
}
