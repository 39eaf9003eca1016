/** Keeps a page live: follows the event stream and asks again for what events made stale. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { keyOf, queries, trialKeys } from "../api/queries";
import type { SseMessage } from "../api/sse";
import { followStream, type StreamState } from "../api/stream";
import type { LiveEvent } from "../api/types";
import { ALL_TOPICS, Refresher, staleAfter } from "./refresh";
import { createLiveStore, type LiveStore } from "./store";
import { runningOn, type LiveTrial, type NumberedEvent } from "./trials";

export interface Live {
  store: LiveStore;
  stream: StreamState;
}

/** Events are handed on in batches this often: faster than the eye minds, slower than a fleet reports. */
const BATCH_MS = 100;

export function useLive(dataset: string | null): Live {
  const client = useQueryClient();
  const [store] = useState(createLiveStore);
  const [stream, setStream] = useState<StreamState>({ status: "connecting" });
  const current = useRef(dataset);
  useEffect(() => {
    current.current = dataset;
  }, [dataset]);

  useEffect(() => {
    const refresher = new Refresher((topics) => {
      for (const topic of topics) void client.invalidateQueries({ queryKey: keyOf(topic) });
    });
    let waiting: NumberedEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | null = null;
    const flush = () => {
      timer = null;
      const batch = waiting;
      waiting = [];
      store.takeEvents(batch);
      refresher.add(batch.flatMap(({ event }) => staleAfter(event, current.current ?? "")));
      for (const { event } of batch) {
        // A curve or a log that was read while its trial ran lacks its end; an evaluation writes into the log, too.
        if (event.kind !== "trial" && event.kind !== "evaluation") continue;
        for (const queryKey of trialKeys(event.trial)) void client.invalidateQueries({ queryKey });
      }
    };
    const ending = new AbortController();
    void followStream(
      "/api/v1/events",
      {
        onMessages(messages) {
          waiting.push(...messages.flatMap(parse));
          timer ??= setTimeout(flush, BATCH_MS);
        },
        onOpen: () => refresher.add(ALL_TOPICS),
        onState: setStream,
        onUnauthorized: () => client.setQueryData(queries.session().queryKey, null),
      },
      ending.signal,
    );
    return () => {
      ending.abort();
      refresher.stop();
      if (timer !== null) clearTimeout(timer);
    };
  }, [client, store]);

  return { store, stream };
}

/** The trials running on a dataset, oldest first. */
export function useRunning(store: LiveStore, dataset: string): LiveTrial[] {
  const list = useQuery(queries.running(dataset, () => store.get().clock));
  useEffect(() => {
    if (list.data) store.takeList(list.data.trials, list.data.askedAt);
  }, [store, list.data]);
  const queued = useQuery(queries.queued(dataset));
  useEffect(() => {
    if (queued.data) store.takeQueued(queued.data.trials);
  }, [store, queued.data]);
  const state = useSyncExternalStore(store.subscribe, store.get);
  return useMemo(() => runningOn(state, dataset), [state, dataset]);
}

/** How many run, for those who need not redraw with every step. */
export function useRunningCount(store: LiveStore, dataset: string): number {
  return useSyncExternalStore(store.subscribe, () => runningOn(store.get(), dataset).length);
}

export interface RunningName {
  id: string;
  label: string;
  /** Null until a list names it. */
  seed: number | null;
}

/** Ids and names of the running trials; the same array until one of these changes, whatever progress comes. */
export function useRunningNames(store: LiveStore, dataset: string): RunningName[] {
  const json = useSyncExternalStore(store.subscribe, () =>
    JSON.stringify(runningOn(store.get(), dataset).map(({ id, label, seed }): RunningName => ({ id, label: label ?? "running trial", seed }))),
  );
  return useMemo(() => JSON.parse(json) as RunningName[], [json]);
}

/** An event this page is too old to know is no event to it. */
function parse(message: SseMessage): NumberedEvent[] {
  try {
    return [{ id: message.id, event: JSON.parse(message.data) as LiveEvent }];
  } catch {
    return [];
  }
}
