import { expect, test } from "vitest";

import { asymptoteBenefit, slopeBenefit, startBenefit } from "./benefits";

const difference = { mean: 0.271, low: 0.24, high: 0.302, n: 2 };

test("a difference has its sign, its interval and its seeds", () => {
  expect(startBenefit(difference)).toMatchObject({ value: "+27.1 points", detail: "95%: +24.0 to +30.2, n = 2" });
});

test("zero and negative are printed as they are", () => {
  expect(startBenefit({ mean: -0.012, low: -0.03, high: 0.006, n: 3 }).value).toBe("−1.2 points");
  expect(startBenefit({ mean: 0, low: -0.01, high: 0.01, n: 3 }).value).toBe("0.0 points");
});

test("an asymptote is called one only where the curves have flattened", () => {
  expect(asymptoteBenefit({ epochs: 8, difference, converged: true }).name).toBe("Asymptote (8 epochs)");
  expect(asymptoteBenefit({ epochs: 2, difference, converged: false }).name).toBe("Difference at 2 epochs");
});

test("a bound on the slope is said as one", () => {
  const slope = { ratio: 4, low: 2, high: 8, at_least: false, reached: true };
  expect(slopeBenefit(slope).value).toBe("4× fewer epochs");
  expect(slopeBenefit({ ...slope, at_least: true }).value).toBe("≥ 4× fewer epochs");
  expect(slopeBenefit({ ...slope, ratio: 0.5, reached: false }).value).toBe("< 0.5×");
});

test("what is missing says what would supply it", () => {
  for (const benefit of [startBenefit(null), slopeBenefit(null), asymptoteBenefit(null)]) {
    expect(benefit.isKnown).toBe(false);
    expect(benefit.detail).not.toBe("");
  }
});
