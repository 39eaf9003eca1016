import { expect, test } from "vitest";

import { SseParser, type SseMessage } from "./sse";

function check(chunks: string[], expected: SseMessage[]) {
  const parser = new SseParser();
  expect(chunks.flatMap((chunk) => parser.feed(chunk))).toEqual(expected);
}

const hello = { id: "7-1", event: "trial", data: '{"a":1}' };

test("a message in one piece", () => check(['id: 7-1\nevent: trial\ndata: {"a":1}\n\n'], [hello]));

test("a message cut anywhere", () => {
  const text = 'id: 7-1\r\nevent: trial\r\ndata: {"a":1}\r\n\r\n';
  for (let cut = 1; cut < text.length; cut++) check([text.slice(0, cut), `${text.slice(cut)}:\n`], [hello]);
});

test("keep-alive comments are no messages", () => check([":\n\n", ": still here\n\n"], []));

test("an id holds for its own message only", () => {
  check(["id: 7-1\ndata: x\n\nevent: progress\ndata: y\n\n"], [
    { id: "7-1", event: "message", data: "x" },
    { id: null, event: "progress", data: "y" },
  ]);
});

test("several data lines are joined, one space after the colon is dropped", () => {
  check(["data: a\ndata:b\ndata:  c\n\n"], [{ id: null, event: "message", data: "a\nb\n c" }]);
});

test("what the end of the stream cuts off is no message", () => check(["data: half\n"], []));
