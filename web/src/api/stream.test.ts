import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { followStream, SILENCE_LIMIT_MS, waitBefore, type StreamHandlers } from "./stream";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Answers requests in turn; the last answer repeats. Notes the Last-Event-ID of each. */
function serve(...answers: ((signal: AbortSignal) => Response)[]) {
  const resumedFrom: (string | undefined)[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    resumedFrom.push((init.headers as Record<string, string>)["last-event-id"]);
    return answers[Math.min(resumedFrom.length, answers.length) - 1]!(init.signal!);
  });
  return resumedFrom;
}

const streamOf = (text: string) => () => new Response(text);
/** Open and quiet until the caller gives up, as `fetch` does it. */
const silence = (signal: AbortSignal) =>
  new Response(new ReadableStream({ start: (body) => signal.addEventListener("abort", () => body.error(signal.reason)) }));
const refusal = (status: number) => () => new Response(JSON.stringify({ error: "no", code: "x" }), { status });

async function follow(until: (log: string[]) => boolean) {
  const log: string[] = [];
  const handlers: StreamHandlers = {
    onMessages: (messages) => log.push(...messages.map(({ data }) => `got ${data}`)),
    onOpen: () => log.push("open"),
    onState: (state) => log.push(state.status),
    onUnauthorized: () => log.push("unauthorized"),
  };
  const ending = new AbortController();
  const end = followStream("/api/v1/events", handlers, ending.signal).then(() => log.push("ended"));
  for (let i = 0; i < 500 && !until(log); i++) await vi.advanceTimersByTimeAsync(200);
  ending.abort();
  await vi.advanceTimersByTimeAsync(0);
  await end;
  return log;
}

test("a cut stream says so, waits, and resumes after the last numbered message", async () => {
  const resumedFrom = serve(streamOf("id: 7-1\ndata: a\n\ndata: b\n\n"), streamOf("id: 7-2\ndata: c\n\n"), silence);
  const log = await follow((log) => log.filter((word) => word === "open").length === 3);
  expect(log.slice(0, 9)).toEqual(["connecting", "live", "open", "got a", "got b", "waiting", "connecting", "live", "open"]);
  expect(resumedFrom).toEqual([undefined, "7-1", "7-2"]);
});

test("a server that is away is asked again until it is back", async () => {
  let nCalls = 0;
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    nCalls += 1;
    if (nCalls < 4) throw new TypeError("connection refused");
    return silence(init.signal!);
  });
  const log = await follow((log) => log.includes("live"));
  expect(log.filter((word) => word === "waiting")).toHaveLength(3);
});

test("a stream without a session ends", async () => {
  serve(refusal(401));
  const log = await follow((log) => log.includes("ended"));
  expect(log).toEqual(["connecting", "unauthorized", "ended"]);
});

test("a position the server refuses is given up", async () => {
  const resumedFrom = serve(streamOf("id: 7-1\ndata: a\n\n"), refusal(400), silence);
  await follow(() => resumedFrom.length === 3);
  expect(resumedFrom).toEqual([undefined, "7-1", undefined]);
});

test("a line that went silent is dead", async () => {
  const resumedFrom = serve(silence);
  await follow(() => resumedFrom.length === 2);
  expect(resumedFrom).toHaveLength(2);
  expect(SILENCE_LIMIT_MS).toBeGreaterThan(2 * 15_000);
});

test("waits grow to a bound", () => {
  expect([1, 2, 3, 10, 100].map(waitBefore)).toEqual([500, 1000, 2000, 15_000, 15_000]);
});
