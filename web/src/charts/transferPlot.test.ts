import { expect, test } from "vitest";

import type { TransferArm, TransferStudy } from "../api/types";
import { transferPlot } from "./transferPlot";

function arm(epochs: number, mean: number): TransferArm {
  const val_top1 = { mean, low: mean - 0.02, high: mean + 0.02, n: 2 };
  return { config_id: `${epochs}${mean}`, epochs, lr: 0.001, lrs_tried: [0.001], trials: [], val_top1 };
}

function study(pretrained: TransferArm[], random: TransferArm[], metric = "val_top1"): TransferStudy {
  return { backbone: "b", label: "l", metric, pretrained, random };
}

test("budgets that double are evenly spaced, whatever their order", () => {
  const plot = transferPlot(study([arm(4, 0.5), arm(1, 0.3), arm(2, 0.4)], [arm(1, 0.1)]));
  expect(plot.budgets.map(({ epochs }) => epochs)).toEqual([1, 2, 4]);
  const [a, b, c] = plot.budgets.map(({ x }) => x);
  expect(b! - a!).toBeCloseTo(c! - b!);
  expect(plot.pretrained.map((point) => point.arm.epochs)).toEqual([1, 2, 4]);
});

test("higher accuracy is nearer the top", () => {
  const plot = transferPlot(study([arm(1, 0.5)], [arm(1, 0.1)]));
  expect(plot.pretrained[0]!.y).toBeLessThan(plot.random[0]!.y);
  expect(plot.pretrained[0]!.x).toBe(50);
});

test("a study on test plots test", () => {
  const tested = { ...arm(1, 0.5), test_top1: { mean: 0.3, low: 0.25, high: 0.35, n: 2 } };
  const byTest = transferPlot(study([tested], [arm(1, 0.1)], "test_top1"));
  const byVal = transferPlot(study([tested], [arm(1, 0.1)]));
  expect(byTest.axis.high).toBeLessThan(byVal.axis.high);
});
