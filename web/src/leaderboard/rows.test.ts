import { expect, test } from "vitest";

import { sampleBoard, sampleRow, sampleSota } from "../testing/samples";
import { axisValues, filterLines, mergeLines, pageOf, type Line } from "./rows";

function at(mean: number, config_id: string) {
  return sampleRow({ config_id, val_top1: { mean, low: mean - 0.02, high: mean + 0.02, n: 2 } });
}

const names = (lines: readonly Line[]) => lines.map((line) => (line.kind === "config" ? line.row.config_id : line.entry.method));

test("published results stand between our rows by value", () => {
  const board = sampleBoard({
    rows: [at(0.9, "a"), at(0.8, "b")],
    sota: [sampleSota({ method: "low", value: 0.7 }), sampleSota({ method: "mid", value: 0.85 }), sampleSota({ method: "high", value: 0.95 })],
  });
  expect(names(mergeLines(board, true))).toEqual(["high", "a", "mid", "b", "low"]);
  expect(names(mergeLines(board, false))).toEqual(["a", "b"]);
});

test("a result of another metric comes last and is marked", () => {
  const board = sampleBoard({
    rows: [at(0.9, "a")],
    sota: [sampleSota({ method: "per class", value: 0.99, metric: "mean_per_class" }), sampleSota({ method: "low", value: 0.5 })],
  });
  const lines = mergeLines(board, true);
  expect(names(lines)).toEqual(["a", "low", "per class"]);
  expect(lines.map((line) => line.kind === "published" && line.isComparable)).toEqual([false, true, false]);
});

test("our order is the server's, also where a row has no estimate", () => {
  const board = sampleBoard({ rows: [at(0.9, "a"), sampleRow({ config_id: "b", val_top1: null })], sota: [sampleSota({ value: 0.1 })] });
  expect(names(mergeLines(board, true))).toEqual(["a", "method", "b"]);
});

test("a board ranked by test places published results by test", () => {
  const row = sampleRow({ config_id: "a", val_top1: { mean: 0.9, low: 0.9, high: 0.9, n: 1 }, test_top1: { mean: 0.6, low: 0.6, high: 0.6, n: 1 } });
  const board = sampleBoard({ metric: "test_top1", rows: [row], sota: [sampleSota({ method: "mid", value: 0.7 })] });
  expect(names(mergeLines(board, true))).toEqual(["mid", "a"]);
});

test("keys are unique", () => {
  const board = sampleBoard({ rows: [at(0.9, "a")], sota: [sampleSota(), sampleSota()] });
  const keys = mergeLines(board, true).map((line) => line.key);
  expect(new Set(keys).size).toBe(keys.length);
});

test("a filter wants every word, in any piece of a row", () => {
  const board = sampleBoard({
    rows: [sampleRow({ config_id: "a", optimizer: "sgd", lr: 0.05 }), sampleRow({ config_id: "b", optimizer: "ranger", weights: "random" })],
    sota: [sampleSota({ method: "TResNet", year: 2021 })],
  });
  const lines = mergeLines(board, true);
  expect(names(filterLines(lines, "Ranger random"))).toEqual(["b"]);
  expect(names(filterLines(lines, "sgd 0.05"))).toEqual(["a"]);
  expect(names(filterLines(lines, "published 2021"))).toEqual(["TResNet"]);
  expect(filterLines(lines, "  ")).toHaveLength(3);
});

test("pages cover all lines once, and a page that is gone is the last one", () => {
  const lines = mergeLines(sampleBoard({ rows: Array.from({ length: 101 }, (_, i) => at(0.5, String(i))) }), true);
  const all = [0, 1, 2].flatMap((idx) => pageOf(lines, idx).lines);
  expect(all).toEqual(lines);
  expect(pageOf(lines, 99)).toMatchObject({ idx: 2, nPages: 3 });
  expect(pageOf([], 0)).toEqual({ lines: [], idx: 0, nPages: 1 });
});

test("the axis holds intervals and published deviations", () => {
  const board = sampleBoard({ rows: [at(0.9, "a")], sota: [sampleSota({ value: 0.95, std: 0.01 })] });
  const values = axisValues(mergeLines(board, true));
  expect(Math.min(...values)).toBeCloseTo(0.88);
  expect(Math.max(...values)).toBeCloseTo(0.96);
});
