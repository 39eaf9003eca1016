/**
 * The trials that run right now, folded from two sources that race each other: lists asked for
 * over HTTP, and the event stream. Pure; the store in `store.ts` holds it.
 */

import type { LiveEvent, Progress, TrialView } from "../api/types";

export interface LiveTrial {
  id: string;
  /** Null until a list names it. */
  label: string | null;
  dataset: string | null;
  seed: number | null;
  nAttempts: number;
  progress: Progress | null;
}

interface Entry extends LiveTrial {
  status: "queued" | "running" | "stopped";
  /** Count of events taken when this entry last changed. */
  changedAt: number;
}

export interface LiveTrials {
  /** Position in the stream of the last event taken. */
  lastId: EventId | null;
  /** Events taken so far: the clock that orders lists against events. */
  clock: number;
  /** Keeps those that stopped, so that a late list cannot bring them back, and the queued ones for their names. */
  entries: ReadonlyMap<string, Entry>;
}

export interface NumberedEvent {
  id: string | null;
  event: LiveEvent;
}

/** An event's place in the stream, most significant part first. */
export type EventId = readonly bigint[];

export const NO_TRIALS: LiveTrials = { lastId: null, clock: 0, entries: new Map() };

/** Stopped trials kept to fend off late lists. */
const MAX_STOPPED = 200;

/** Takes events in the order they came; replayed and late ones are dropped. */
export function applyEvents(state: LiveTrials, events: readonly NumberedEvent[]): LiveTrials {
  let { lastId, clock } = state;
  const entries = new Map(state.entries);
  for (const { id, event } of events) {
    const eventId = id === null ? null : parseEventId(id);
    if (eventId !== null && lastId !== null && !isAfter(eventId, lastId)) continue;
    lastId = eventId ?? lastId;
    clock += 1;
    if (event.kind === "trial") {
      const old = entries.get(event.trial);
      const status = event.state === "running" ? "running" : "stopped";
      // A new attempt starts from its own first word.
      const progress = status === "running" && old?.status === "running" ? old.progress : null;
      entries.set(event.trial, { ...(old ?? unknown(event.trial)), dataset: event.dataset, status, progress, changedAt: clock });
    } else if (event.kind === "progress") {
      const old = entries.get(event.trial);
      // What a trial said before it stopped may arrive after.
      if (old?.status === "stopped") continue;
      entries.set(event.trial, { ...(old ?? unknown(event.trial)), status: "running", progress: event.progress, changedAt: clock });
    }
  }
  forgetStopped(entries);
  return { lastId, clock, entries };
}

/**
 * Takes a list of the running trials, asked for when the clock stood at `askedAt`. What events said
 * since then is newer than the list.
 */
export function applyList(state: LiveTrials, trials: readonly TrialView[], askedAt: number): LiveTrials {
  const entries = new Map<string, Entry>();
  for (const [id, entry] of state.entries) {
    if (entry.changedAt > askedAt || entry.status === "queued") entries.set(id, entry);
  }
  for (const trial of trials) {
    const known = entries.get(trial.id);
    const newer = known && known.changedAt > askedAt ? known : null;
    entries.set(trial.id, {
      ...named(trial),
      nAttempts: trial.n_attempts,
      status: newer ? newer.status : "running",
      progress: newer ? newer.progress : (trial.progress ?? null),
      changedAt: newer ? newer.changedAt : askedAt,
    });
  }
  return { ...state, entries };
}

/** Takes a list of queued trials: once one runs, its name is known before any list says so. */
export function applyQueued(state: LiveTrials, trials: readonly TrialView[]): LiveTrials {
  const entries = new Map(state.entries);
  for (const trial of trials) {
    const known = entries.get(trial.id);
    if (known?.label != null) continue;
    // Its next attempt is one more than those behind it.
    const nAttempts = trial.n_attempts + 1;
    entries.set(trial.id, { ...(known ?? { ...unknown(trial.id), status: "queued" }), ...named(trial), nAttempts });
  }
  forgetStopped(entries);
  return { ...state, entries };
}

/** What runs on a dataset, oldest first (ids are time ordered), so that rows keep their places. */
export function runningOn(state: LiveTrials, dataset: string): LiveTrial[] {
  return [...state.entries.values()]
    .filter((entry) => entry.status === "running" && entry.dataset === dataset)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** "812-45" -> [812n, 45n]; null for an id that is not made of numbers. */
export function parseEventId(id: string): EventId | null {
  return /^\d+([^\d]\d+)*$/.test(id) ? id.split(/\D/).map(BigInt) : null;
}

function isAfter(a: EventId, b: EventId): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i] ?? 0n;
    const right = b[i] ?? 0n;
    if (left !== right) return left > right;
  }
  return false;
}

function unknown(id: string): Entry {
  return { id, label: null, dataset: null, seed: null, nAttempts: 1, progress: null, status: "stopped", changedAt: 0 };
}

function named({ id, label, dataset, seed }: TrialView) {
  return { id, label, dataset, seed };
}

function forgetStopped(entries: Map<string, Entry>): void {
  const stopped = [...entries.values()].filter((entry) => entry.status === "stopped");
  if (stopped.length <= MAX_STOPPED) return;
  stopped.sort((a, b) => a.changedAt - b.changedAt);
  for (const entry of stopped.slice(0, stopped.length - MAX_STOPPED)) entries.delete(entry.id);
}
