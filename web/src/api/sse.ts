/**
 * Reads a `text/event-stream` (HTML Living Standard, section 9.2.6) from chunks of text.
 * Our own rather than `EventSource` because that hides the status of a refused stream and the
 * keep-alive comments, by which alone a dead connection can be told from a quiet one.
 */

export interface SseMessage {
  /** Null where this message names none: it has no place to resume from. */
  id: string | null;
  event: string;
  data: string;
}

export class SseParser {
  #rest = "";
  #id: string | null = null;
  #event = "";
  #data: string[] = [];

  /** The messages that `chunk` completes. */
  feed(chunk: string): SseMessage[] {
    const text = this.#rest + chunk;
    const messages: SseMessage[] = [];
    let start = 0;
    for (;;) {
      const end = text.slice(start).search(/[\r\n]/);
      if (end < 0) break;
      const at = start + end;
      // A CR at the very end may be half of a CRLF.
      if (text[at] === "\r" && at + 1 === text.length) break;
      const next = text[at] === "\r" && text[at + 1] === "\n" ? at + 2 : at + 1;
      const message = this.#line(text.slice(start, at));
      if (message) messages.push(message);
      start = next;
    }
    this.#rest = text.slice(start);
    return messages;
  }

  #line(line: string): SseMessage | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch(): SseMessage | null {
    const message = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#id = null;
    this.#event = "";
    this.#data = [];
    return isEmpty ? null : message;
  }
}
