import { expect, test } from "vitest";

import type { SweepView } from "../api/types";
import { sampleBoard, sampleRow, sampleTrial } from "../testing/samples";
import { countTrials } from "./counts";

function sweep(counts: Record<string, number>, dataset = "cars"): SweepView {
  const queueing = { priority: 0, weight: 1, parallel: null, start_after: null, deadline: null, needs: { device: null, labels: [], memory_bytes: null } };
  return { id: "s", name: "s", dataset, created_at: "", n_trials: 0, n_planned: 0, searching: false, counts, finished: false, queueing };
}

test("sweeps of the dataset are summed, others are not", () => {
  const sweeps = [sweep({ queued: 5, completed: 2, failed: 1 }), sweep({ completed: 3, cancelled: 4, pruned: 1 }), sweep({ failed: 9 }, "birds")];
  expect(countTrials("cars", sweeps, { trials: [] }, 2, sampleBoard())).toEqual({ queued: 0, running: 2, completed: 5, failed: 1, stopped: 5 });
});

test("a whole list of queued trials is exact, a cut one is completed from the sweeps", () => {
  const trials = [sampleTrial({ state: "queued" }), sampleTrial({ state: "queued", sweep: null })];
  const sweeps = [sweep({ queued: 150 })];
  expect(countTrials("cars", sweeps, { trials }, 0, undefined).queued).toBe(2);
  expect(countTrials("cars", sweeps, { trials, next_cursor: "x" }, 0, undefined).queued).toBe(151);
});

test("single trials count once they are ranked", () => {
  const board = sampleBoard({ rows: [sampleRow({ trials: ["a", "b"] })] });
  expect(countTrials("cars", [], undefined, 0, board).completed).toBe(2);
});
