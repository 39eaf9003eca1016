/** A stream of events that comes back: after a lost connection it resumes where it was. */

import { ApiError, errorOf } from "./request";
import { SseParser, type SseMessage } from "./sse";

export type StreamState =
  | { status: "connecting" }
  | { status: "live" }
  /** Waiting to try again. */
  | { status: "waiting"; attempt: number; retryAt: number };

export interface StreamHandlers {
  onMessages(messages: SseMessage[]): void;
  /** The stream is open: what was asked for before may have missed something since. */
  onOpen(): void;
  onState(state: StreamState): void;
  /** The session is gone; the stream has ended for good. */
  onUnauthorized(): void;
}

/** The server sends a comment every 15 s; three missed ones and the line is dead. */
export const SILENCE_LIMIT_MS = 45_000;
const LONGEST_WAIT_MS = 15_000;

/** How long to wait before attempt number `attempt` (from 1): 0.5 s, 1 s, 2 s ... 15 s. */
export function waitBefore(attempt: number): number {
  return Math.min(500 * 2 ** (attempt - 1), LONGEST_WAIT_MS);
}

/** Follows `url` until `signal` aborts. */
export async function followStream(url: string, handlers: StreamHandlers, signal: AbortSignal): Promise<void> {
  let lastId: string | null = null;
  let attempt = 0;
  while (!signal.aborted) {
    handlers.onState({ status: "connecting" });
    try {
      const response = await open(url, lastId, signal);
      handlers.onState({ status: "live" });
      handlers.onOpen();
      attempt = 0;
      await read(response, (messages) => {
        lastId = messages.findLast(({ id }) => id !== null)?.id ?? lastId;
        handlers.onMessages(messages);
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.isUnauthorized) return handlers.onUnauthorized();
      // A position the server no longer understands would be refused for ever.
      if (error instanceof ApiError && error.status === 400) lastId = null;
    }
    attempt += 1;
    const wait = waitBefore(attempt);
    handlers.onState({ status: "waiting", attempt, retryAt: Date.now() + wait });
    await pause(wait, signal);
  }
}

async function open(url: string, lastId: string | null, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (lastId !== null) headers["last-event-id"] = lastId;
  const response = await fetch(url, { headers, signal, cache: "no-store", credentials: "same-origin" });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** Reads to the end; ends by itself after `SILENCE_LIMIT_MS` without a byte. */
async function read(response: Response, onMessages: (messages: SseMessage[]) => void): Promise<void> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new SseParser();
  try {
    for (;;) {
      const chunk = await withLimit(reader.read(), SILENCE_LIMIT_MS);
      if (chunk === null || chunk.done) return;
      const messages = parser.feed(chunk.value);
      if (messages.length > 0) onMessages(messages);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

async function withLimit<T>(promise: Promise<T>, limit: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limit);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits, but no longer than until the machine says it is online again or the tab is looked at. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      globalThis.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    globalThis.addEventListener?.("online", done);
  });
}
