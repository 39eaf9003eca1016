/** Which answers an event makes stale, and how often they may be asked for again. */

import type { LiveEvent } from "../api/types";

export const ALL_TOPICS = [
  "datasets",
  "failed",
  "leaderboard",
  "logs",
  "queued",
  "running",
  "series",
  "sweeps",
  "transfer",
  "trial",
] as const;

export type Topic = (typeof ALL_TOPICS)[number];

/** What to ask for again after `event`, for a page that shows `dataset`. */
export function staleAfter(event: LiveEvent, dataset: string): Topic[] {
  switch (event.kind) {
    case "trial":
      if (event.dataset !== dataset) return ["sweeps"];
      if (event.state === "completed") return ["leaderboard", "transfer", "queued", "sweeps"];
      if (event.state === "running") return ["running", "queued", "sweeps"];
      // One that failed is queued again where somebody asks for it.
      return event.state === "failed" || event.state === "queued" ? ["failed", "queued", "sweeps"] : ["queued", "sweeps"];
    case "evaluation":
      return event.dataset === dataset ? ["leaderboard", "transfer"] : [];
    case "sweep":
      return ["sweeps", "queued"];
    case "dataset":
      return ["datasets"];
    case "sota":
      return event.entry.dataset === dataset ? ["leaderboard"] : [];
    // Progress is on the page already; a kind this page does not know says nothing to it.
    default:
      return [];
  }
}

/** Gathers topics and hands them on at once, then no more often than every `interval` ms. */
export class Refresher {
  #waiting = new Set<Topic>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly refresh: (topics: Topic[]) => void,
    private readonly interval = 1000,
  ) {}

  add(topics: readonly Topic[]): void {
    for (const topic of topics) this.#waiting.add(topic);
    if (this.#timer === null) this.#flush();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting.clear();
  }

  #flush(): void {
    this.#timer = null;
    if (this.#waiting.size === 0) return;
    const topics = [...this.#waiting];
    this.#waiting.clear();
    this.#timer = setTimeout(() => this.#flush(), this.interval);
    this.refresh(topics);
  }
}
