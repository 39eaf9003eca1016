import { expect, test } from "vitest";

import { sampleRow } from "../testing/samples";
import { colorsOf, defaultSlots, MAX_SELECTED, toggleSlot, type Slots } from "./selection";

test("the top rows are drawn until somebody chooses", () => {
  const rows = ["a", "b", "c", "d"].map((config_id) => sampleRow({ config_id }));
  expect(defaultSlots(rows)).toEqual(["a", "b", "c"]);
});

test("a row keeps its colour while others come and go", () => {
  let slots: Slots = ["a", "b", "c"];
  slots = toggleSlot(slots, "a");
  expect(colorsOf(slots)).toEqual(new Map([["b", 1], ["c", 2]]));
  slots = toggleSlot(slots, "d");
  expect(colorsOf(slots).get("d")).toBe(0);
  expect(colorsOf(slots).get("c")).toBe(2);
});

test("no more than the palette tells apart", () => {
  let slots: Slots = [];
  for (let i = 0; i < 20; i++) slots = toggleSlot(slots, String(i));
  expect(colorsOf(slots).size).toBe(MAX_SELECTED);
});
