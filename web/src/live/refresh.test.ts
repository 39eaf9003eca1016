import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { LiveEvent } from "../api/types";
import { sampleProgress, sampleSota } from "../testing/samples";
import { Refresher, staleAfter, type Topic } from "./refresh";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each<[LiveEvent, Topic[]]>([
  [{ kind: "trial", trial: "a", dataset: "cars", state: "completed" }, ["leaderboard", "transfer", "queued", "sweeps"]],
  [{ kind: "trial", trial: "a", dataset: "cars", state: "running" }, ["running", "queued", "sweeps"]],
  [{ kind: "trial", trial: "a", dataset: "cars", state: "failed" }, ["failed", "queued", "sweeps"]],
  [{ kind: "trial", trial: "a", dataset: "cars", state: "queued" }, ["failed", "queued", "sweeps"]],
  [{ kind: "trial", trial: "a", dataset: "cars", state: "cancelled" }, ["queued", "sweeps"]],
  [{ kind: "trial", trial: "a", dataset: "birds", state: "completed" }, ["sweeps"]],
  [{ kind: "progress", trial: "a", progress: sampleProgress() }, []],
  [{ kind: "evaluation", trial: "a", dataset: "cars" }, ["leaderboard", "transfer"]],
  [{ kind: "evaluation", trial: "a", dataset: "birds" }, []],
  [{ kind: "dataset", name: "birds" }, ["datasets"]],
  [{ kind: "sota", entry: sampleSota() }, ["leaderboard"]],
])("%o makes %s stale", (event, topics) => {
  expect(staleAfter(event, "cars")).toEqual(topics);
});

test("an unknown event of a newer server is none", () => {
  expect(staleAfter({ kind: "worker" } as unknown as LiveEvent, "cars")).toEqual([]);
});

test("the first refresh is at once, a burst after it becomes one more", () => {
  const asked: Topic[][] = [];
  const refresher = new Refresher((topics) => asked.push(topics), 1000);
  refresher.add(["leaderboard"]);
  for (let i = 0; i < 50; i++) refresher.add(["leaderboard", "sweeps"]);
  expect(asked).toEqual([["leaderboard"]]);
  vi.advanceTimersByTime(1000);
  expect(asked).toEqual([["leaderboard"], ["leaderboard", "sweeps"]]);
  vi.advanceTimersByTime(5000);
  expect(asked).toHaveLength(2);
});

test("a stopped refresher asks no more", () => {
  const asked: Topic[][] = [];
  const refresher = new Refresher((topics) => asked.push(topics), 1000);
  refresher.add(["sweeps"]);
  refresher.add(["sweeps"]);
  refresher.stop();
  vi.advanceTimersByTime(5000);
  expect(asked).toHaveLength(1);
});
