import { QueryClient } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";

import type { Log } from "../logs/lines";
import { queries } from "./queries";

afterEach(() => vi.unstubAllGlobals());

/** Answers requests in turn with a text and its cursor. Notes their queries. */
function serve(...answers: [text: string, cursor: string | null][]) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url.replace("/api/v1/trials/t1/logs", ""));
    const [text, cursor] = answers[asked.length - 1]!;
    return new Response(text, { headers: cursor === null ? {} : { "log-cursor": cursor } });
  });
  return asked;
}

/** Asks for a log `n` times, as the page does while its trial runs. */
async function look(n: number, words = ""): Promise<Log> {
  const client = new QueryClient();
  const query = { ...queries.logs("t1", words), staleTime: 0, retry: false };
  for (let i = 1; i < n; i++) await client.fetchQuery(query);
  return client.fetchQuery(query);
}

const textOf = ({ lines }: Log) => lines.map(({ text }) => text).join(" ");

test("the first look at a log gets its end", async () => {
  const asked = serve(["--- attempt 1\none\ntwo\n", "1.2"]);
  expect(textOf(await look(1))).toBe("one two");
  expect(asked).toEqual([""]);
});

test("later looks go on after the last line, to the end", async () => {
  const asked = serve(["--- attempt 1\none\n", "1.1"], ["--- attempt 1\ntwo\n", "1.2"], ["--- attempt 2\nthree\n", "2.1"], ["", "2.1"]);
  expect(textOf(await look(2))).toBe("one two three");
  expect(asked).toEqual(["", "?after=1.1", "?after=1.2", "?after=2.1"]);
});

test("a log without lines is asked for from its start again", async () => {
  const asked = serve(["", null], ["--- attempt 1\none\n", "1.1"]);
  expect(textOf(await look(2))).toBe("one");
  expect(asked).toEqual(["", ""]);
});

test("a search is the server's", async () => {
  const asked = serve(["--- attempt 1\nepoch 1\n", "1.7"], ["", "1.7"]);
  expect(textOf(await look(2, "epoch 1"))).toBe("epoch 1");
  expect(asked).toEqual(["?q=epoch+1", "?q=epoch+1&after=1.7"]);
});
