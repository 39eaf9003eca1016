import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { appendText, MAX_LINES, NO_LOG } from "../logs/lines";
import { isAtEnd, LogView } from "./LogView";

function markup(text: string, over: Partial<Parameters<typeof LogView>[0]> = {}): string {
  const log = appendText(NO_LOG, text, "1.1");
  return renderToStaticMarkup(<LogView trial="t1" name="mish" state="running" log={log} words="" isSearching={false} hasAttempts={false} {...over} />);
}

function check(html: string, has: string[], hasNot: string[] = []) {
  for (const text of has) expect(html).toContain(text);
  for (const text of hasNot) expect(html).not.toContain(text);
}

test("lines are shown as they are, in a box with a name", () => {
  const html = markup("--- attempt 1\nepoch 1 of 2: val_top1 0.4531\n  <b>\n");
  check(html, ['role="log"', 'aria-label="Log lines of mish"', "epoch 1 of 2: val_top1 0.4531", "  &lt;b&gt;", "2 lines"], ["Attempt"]);
});

test("attempts are named where there are several", () => {
  check(markup("--- attempt 1\none\n--- attempt 2\ntwo\n"), ["Attempt 1", "Attempt 2"]);
  check(markup("--- attempt 2\ntwo\n", { hasAttempts: true }), ["Attempt 2"]);
});

test("what is missing is said", () => {
  check(markup(""), ["No log lines yet."], ['role="log"']);
  check(markup("", { state: null }), ["No log lines yet."]);
  check(markup("", { state: "queued" }), ["waits for a worker"]);
  check(markup("", { state: "failed" }), ["ended without one"]);
  check(markup("", { words: "NaN" }), ["No line holds “NaN”.", "0 lines found"]);
});

test("lines from before a search are not passed off as found", () => {
  check(markup("--- attempt 1\none\n", { words: "NaN", isSearching: true }), ['aria-busy="true"', "searching…"], ["found"]);
  check(markup("", { words: "NaN", isSearching: true }), ["Searching…"], ["No line"]);
});

test("a log that is not whole says so", () => {
  const text = `--- attempt 1\n${"line\n".repeat(MAX_LINES + 1)}`;
  check(markup(text), ["only the last 2,000 lines; a search reads all"]);
  check(markup(text, { words: "line" }), ["only the last 2,000 lines", "2,000 lines found"], ["a search reads all"]);
});

test("no inline style leaves the page's policy", () => {
  expect(markup("--- attempt 1\none\n")).not.toContain("style=");
});

test.each([
  [{ scrollTop: 700, scrollHeight: 1000, clientHeight: 300 }, true],
  [{ scrollTop: 699.5, scrollHeight: 1000, clientHeight: 300 }, true],
  [{ scrollTop: 650, scrollHeight: 1000, clientHeight: 300 }, false],
  [{ scrollTop: 0, scrollHeight: 200, clientHeight: 200 }, true],
])("%o is at the end: %s", (box, expected) => {
  expect(isAtEnd(box)).toBe(expected);
});
