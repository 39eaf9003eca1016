/** Holds the running trials outside React, so that only the panel that shows them redraws. */

import type { TrialView } from "../api/types";
import { applyEvents, applyList, applyQueued, NO_TRIALS, type LiveTrials, type NumberedEvent } from "./trials";

export interface LiveStore {
  get(): LiveTrials;
  subscribe(listener: () => void): () => void;
  takeEvents(events: readonly NumberedEvent[]): void;
  takeList(trials: readonly TrialView[], askedAt: number): void;
  takeQueued(trials: readonly TrialView[]): void;
}

export function createLiveStore(): LiveStore {
  let state = NO_TRIALS;
  const listeners = new Set<() => void>();
  const set = (next: LiveTrials) => {
    state = next;
    for (const listener of listeners) listener();
  };
  return {
    get: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    takeEvents: (events) => set(applyEvents(state, events)),
    takeList: (trials, askedAt) => set(applyList(state, trials, askedAt)),
    takeQueued: (trials) => set(applyQueued(state, trials)),
  };
}
