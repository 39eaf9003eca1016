import { expect, test } from "vitest";

import type { Series } from "../api/types";
import { curveChart, valuesAt, type Curve } from "./curves";

function curve(key: string, points: [number, number | "NaN" | "Infinity"][]): Curve {
  const series: Series = { metric: "val_top1", points: points.map(([epoch, value]) => ({ step: epoch * 10, epoch, value })) };
  return { key, label: key, color: 0, series };
}

test("curves with different epochs share one ascending axis", () => {
  const chart = curveChart([curve("a", [[1, 0.1], [2, 0.2]]), curve("b", [[0.5, 0.3], [2, 0.4]])]);
  expect(chart.data).toEqual([
    [0.5, 1, 2],
    [null, 0.1, 0.2],
    [0.3, null, 0.4],
  ]);
  expect(chart.last).toEqual([0.2, 0.4]);
  expect(chart.nPoints).toBe(4);
});

test("values that are not finite leave a gap and make no epoch", () => {
  const chart = curveChart([curve("a", [[1, 0.1], [2, "NaN"], [3, "Infinity"]])]);
  expect(chart.data).toEqual([[1], [0.1]]);
  expect(chart.last).toEqual([0.1]);
});

test("a curve that has not arrived, or is empty, is an empty column", () => {
  const chart = curveChart([{ key: "a", label: "a", color: 0, series: undefined }, curve("b", [])]);
  expect(chart).toEqual({ data: [[], [], []], last: [null, null], nPoints: 0 });
});

test("a repeated epoch keeps the later word", () => {
  expect(curveChart([curve("a", [[1, 0.1], [1, 0.2]])]).last).toEqual([0.2]);
});

test("the pointer reads each curve's latest value so far", () => {
  const chart = curveChart([curve("a", [[1, 0.1], [3, 0.3]]), curve("b", [[2, 0.5]])]);
  expect(valuesAt(chart, 0)).toEqual([0.1, null]);
  expect(valuesAt(chart, 1)).toEqual([0.1, 0.5]);
});
