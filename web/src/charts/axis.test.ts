import { expect, test } from "vitest";

import { axisOf, layoutInterval, position } from "./axis";

test("an axis ends on whole ticks outside the values", () => {
  const axis = axisOf([0.181, 0.49]);
  expect(axis).toEqual({ low: 0.1, high: 0.5, ticks: [0.1, 0.2, 0.3, 0.4, 0.5] });
});

test("it does not move while values stay between its ends", () => {
  expect(axisOf([0.15, 0.45])).toEqual(axisOf([0.11, 0.499]));
});

test("close values get fine ticks without binary tails", () => {
  const { ticks } = axisOf([0.9431, 0.9479]);
  expect(ticks).toEqual([0.942, 0.944, 0.946, 0.948]);
});

test.each([
  ["none", []],
  ["one", [0.5]],
  ["zero", [0]],
  ["one hundred percent", [1]],
  ["not finite", [Number.NaN, Infinity]],
])("an axis over %s value still has a width", (_, values) => {
  const { low, high, ticks } = axisOf(values);
  expect(high).toBeGreaterThan(low);
  expect(ticks.length).toBeGreaterThan(1);
});

test("an interval is laid out in percent of the width", () => {
  const axis = axisOf([0, 0.4]);
  const layout = layoutInterval(axis, { mean: 0.2, low: 0.1, high: 0.3 });
  expect(layout.dot).toBeCloseTo(50);
  expect(layout.left).toBeCloseTo(25);
  expect(layout.width).toBeCloseTo(50);
});

test("what lies outside is drawn at the edge", () => {
  const axis = axisOf([0.2, 0.4]);
  expect(position(axis, 0.1)).toBe(0);
  expect(position(axis, 0.9)).toBe(100);
  expect(layoutInterval(axis, { mean: 0.1, low: 0.05, high: 0.15 }).width).toBe(0);
});
