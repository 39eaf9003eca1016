import { expect, test } from "vitest";

import { sampleRow } from "../testing/samples";
import { facetsOf, sharedFacets, shortName, varyingFacets } from "./facets";

const texts = (row: ReturnType<typeof sampleRow>) => facetsOf(row).map(({ text }) => text);

test("a row reads as short pieces", () => {
  expect(texts(sampleRow({ mix: "cutmix", smoothing: 0.1, adaptation: "full", weights: `artifact:${"ab".repeat(32)}` }))).toEqual([
    "efficientnet_lite0",
    "artifact abababab",
    "full",
    "native",
    "adamw 3e-3",
    "one cycle",
    "cutmix",
    "smoothing 0.1",
    "20 ep",
    "96 px",
  ]);
});

test("only what differs varies, the rest is shared", () => {
  const rows = [sampleRow(), sampleRow({ lr: 0.001 }), sampleRow({ activation: "mish" })];
  const varying = varyingFacets(rows);
  expect([...varying].sort()).toEqual(["activation", "optimizer"]);
  expect(sharedFacets(rows, varying).map(({ key }) => key)).not.toContain("optimizer");
  expect(sharedFacets(rows, varying)).toHaveLength(8);
  expect(shortName(rows[1]!, varying)).toBe("native · adamw 1e-3");
});

test("a single row says everything itself", () => {
  expect(varyingFacets([sampleRow()]).size).toBe(10);
  expect(varyingFacets([]).size).toBe(0);
});
