import { expect, test } from "vitest";

import { appendText, blocksOf, isCut, MAX_LINES, NO_LOG } from "./lines";

function read(...texts: string[]) {
  return texts.reduce((log, text, idx) => appendText(log, text, `1.${idx}`), NO_LOG);
}

function check(texts: string[], expected: Record<string, string[]>) {
  const blocks = blocksOf(read(...texts).lines).map(({ attempt, lines }) => [attempt, lines.map(({ text }) => text)]);
  expect(Object.fromEntries(blocks)).toEqual(expected);
}

test("lines are told apart by attempt, and an attempt that goes on stays one", () => {
  check([""], {});
  check(["--- attempt 1\none\n"], { 1: ["one"] });
  check(["--- attempt 1\none\n", "", "--- attempt 1\ntwo\n"], { 1: ["one", "two"] });
  check(["--- attempt 1\none\n", "--- attempt 1\ntwo\n--- attempt 2\nthree\n"], { 1: ["one", "two"], 2: ["three"] });
});

test("what the trainer wrote stays as it is", () => {
  check(["--- attempt 2\n\n  indented\n--- attempt 1\n"], { 2: ["", "  indented", "--- attempt 1"] });
});

test("an answer without lines changes nothing", () => {
  const log = read("--- attempt 1\none\n");
  expect(appendText(log, "", log.cursor)).toBe(log);
  expect(appendText(NO_LOG, "", null)).toBe(NO_LOG);
});

test("the last lines are kept, under the numbers they had", () => {
  const text = `--- attempt 1\n${"line\n".repeat(MAX_LINES)}`;
  const log = read(text);
  expect(isCut(log)).toBe(false);
  const more = appendText(log, "--- attempt 1\nlast\n", "1.9");
  expect(more).toMatchObject({ cursor: "1.9", lines: { length: MAX_LINES } });
  expect(more.lines[0]).toBe(log.lines[1]);
  expect(more.lines.at(-1)).toEqual({ no: MAX_LINES + 1, attempt: 1, text: "last" });
  expect(isCut(more)).toBe(true);
});
