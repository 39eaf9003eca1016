import { expect, test } from "vitest";

import * as format from "./format";

test.each<[(value: number | null) => string, number | null, string]>([
  [format.percent, 0.5231, "52.3"],
  [format.percent, 1, "100.0"],
  [format.percent, null, "–"],
  [format.percent, Number.NaN, "–"],
  [format.points, -0.0214, "−2.1"],
  [format.points, 0.155, "+15.5"],
  [format.points, 0.0001, "0.0"],
  [format.points, -0.0001, "0.0"],
  [format.pValue, 0.0004, "p < 0.001"],
  [format.pValue, 0.0123, "p = 0.012"],
  [format.pValue, 0.312, "p = 0.31"],
  [format.pValue, 1, "p = 1.00"],
  [format.count, 4040, "4,040"],
  [format.decimal, -0.0001, "0.000"],
  [format.decimal, 2.30258, "2.303"],
  [format.learningRate, 0.0003, "3e-4"],
  [format.learningRate, 0.05, "0.05"],
  [format.learningRate, 0.00316227766, "3.16e-3"],
  [format.learningRate, 1, "1"],
  [format.duration, 4.25, "4.3 s"],
  [format.duration, 59.7, "1 min 00 s"],
  [format.duration, 65, "1 min 05 s"],
  [format.duration, 3900, "1 h 05 min"],
  [format.duration, 90_000, "1 d 1 h"],
  [format.duration, -1, "–"],
  [format.shortDuration, 5.26, "5.3 s"],
  [format.shortDuration, 128, "2.1 min"],
  [format.shortDuration, 7200, "2.0 h"],
  [format.eta, 4, "< 10 s"],
  [format.eta, 83, "1 min 25 s"],
  [format.eta, 1500, "25 min"],
  [format.rate, 5283.4, "5,283"],
  [format.rate, 17.94, "17.9"],
])("%o(%s) reads %s", (formatter, value, expected) => {
  expect(formatter(value)).toBe(expected);
});

test("a minute is never sixty seconds", () => {
  expect(format.duration(59.99)).toBe("1 min 00 s");
  expect(format.duration(3599.9)).toBe("1 h 00 min");
});

test("ranges carry signs where they are differences", () => {
  expect(format.pointsRange(-0.039, 0.004)).toBe("−3.9 to +0.4");
  expect(format.percentRange(0.498, 0.547)).toBe("49.8\u2009–\u200954.7");
});
