/** Every answer the page keeps: its key and its fetcher together. */

import { queryOptions } from "@tanstack/react-query";

import { MAX_ROWS } from "../leaderboard/rows";
import type { Topic } from "../live/refresh";
import { get, post } from "./request";
import { whoAmI } from "./session";

/** Trials of a list; a longer list is cut and says so by its cursor. */
const MAX_RUNNING = 1000;
export const MAX_QUEUED = 100;
/** Points of a learning curve: more than the panel has pixels. */
const CURVE_POINTS = 500;

export type CurveMetric = "val_top1" | "train_loss";

export const queries = {
  session: () =>
    queryOptions({ queryKey: ["session"], queryFn: ({ signal }) => whoAmI(signal), staleTime: Infinity }),

  datasets: () =>
    queryOptions({ queryKey: ["datasets"], queryFn: ({ signal }) => get("/api/v1/datasets", { signal }) }),

  sweeps: () => queryOptions({ queryKey: ["sweeps"], queryFn: ({ signal }) => get("/api/v1/sweeps", { signal }) }),

  leaderboard: (dataset: string) =>
    queryOptions({
      queryKey: ["leaderboard", dataset],
      queryFn: ({ signal }) => get("/api/v1/leaderboard", { query: { dataset, limit: MAX_ROWS }, signal }),
    }),

  transfer: (dataset: string) =>
    queryOptions({
      queryKey: ["transfer", dataset],
      queryFn: ({ signal }) => get("/api/v1/transfer", { query: { dataset }, signal }),
    }),

  queued: (dataset: string) =>
    queryOptions({
      queryKey: ["queued", dataset],
      queryFn: ({ signal }) =>
        get("/api/v1/trials", { query: { dataset, state: "queued", limit: MAX_QUEUED }, signal }),
    }),

  /** `clock` is read when the question goes out: the answer is no newer than that. */
  running: (dataset: string, clock: () => number) =>
    queryOptions({
      queryKey: ["running", dataset],
      queryFn: async ({ signal }) => {
        const askedAt = clock();
        const page = await get("/api/v1/trials", {
          query: { dataset, state: "running", limit: MAX_RUNNING },
          signal,
        });
        return { askedAt, trials: page.trials };
      },
    }),

  series: (trial: string, metric: CurveMetric) =>
    queryOptions({
      queryKey: [...seriesKey(trial), metric],
      queryFn: ({ signal }) =>
        get("/api/v1/trials/{id}/series", { path: { id: trial }, query: { metric, points: CURVE_POINTS }, signal }),
    }),
};

/** The start of the keys of a trial's curves. */
export function seriesKey(trial: string): readonly string[] {
  return ["series", trial];
}

/** The start of the keys that a topic covers. */
export function keyOf(topic: Topic): readonly string[] {
  return [topic];
}

export async function cancelTrial(id: string): Promise<void> {
  await post("/api/v1/trials/{id}/cancel", {}, { path: { id } });
}
