/** Every answer the page keeps: its key and its fetcher together. */

import { queryOptions } from "@tanstack/react-query";

import { MAX_ROWS } from "../leaderboard/rows";
import type { Topic } from "../live/refresh";
import { appendText, NO_LOG, type Log } from "../logs/lines";
import { get, getText, post } from "./request";
import { whoAmI } from "./session";

/** Trials of a list; a longer list is cut and says so by its cursor. */
const MAX_RUNNING = 1000;
export const MAX_QUEUED = 100;
/** A list is oldest first: only the longest has the newest. */
const MAX_FAILED = 1000;
/** Points of a learning curve: more than the panel has pixels. */
const CURVE_POINTS = 500;

/** The header that says where the last line of a log stands. */
const LOG_CURSOR = "log-cursor";

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

  failed: (dataset: string) =>
    queryOptions({
      queryKey: ["failed", dataset],
      queryFn: ({ signal }) =>
        get("/api/v1/trials", { query: { dataset, state: "failed", limit: MAX_FAILED }, signal }),
    }),

  trial: (trial: string) =>
    queryOptions({
      queryKey: ["trial", trial],
      queryFn: ({ signal }) => get("/api/v1/trials/{id}", { path: { id: trial }, signal }),
    }),

  /** The last log lines, with `words` those that hold them. Asked again, it reads on after those it has. */
  logs: (trial: string, words: string) =>
    queryOptions({
      queryKey: ["logs", trial, words],
      queryFn: async ({ client, queryKey, signal }) => {
        let log = client.getQueryData<Log>(queryKey) ?? NO_LOG;
        for (;;) {
          const { text, headers } = await getText("/api/v1/trials/{id}/logs", {
            path: { id: trial },
            query: { q: words || null, after: log.cursor },
            signal,
          });
          const isFirst = log.cursor === null;
          log = appendText(log, text, headers.get(LOG_CURSOR));
          // The first answer has the last lines; of those after a cursor there may be more than one answer holds.
          if (isFirst || text === "") return log;
        }
      },
    }),

  series: (trial: string, metric: CurveMetric) =>
    queryOptions({
      queryKey: ["series", trial, metric],
      queryFn: ({ signal }) =>
        get("/api/v1/trials/{id}/series", { path: { id: trial }, query: { metric, points: CURVE_POINTS }, signal }),
    }),
};

/** The starts of the keys of what is known of one trial. */
export function trialKeys(trial: string): readonly (readonly string[])[] {
  return [["series", trial], ["trial", trial], ["logs", trial]];
}

/** The start of the keys that a topic covers. */
export function keyOf(topic: Topic): readonly string[] {
  return [topic];
}

export async function cancelTrial(id: string): Promise<void> {
  await post("/api/v1/trials/{id}/cancel", {}, { path: { id } });
}
