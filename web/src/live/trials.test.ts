import { expect, test } from "vitest";

import type { LiveEvent, TrialState } from "../api/types";
import { sampleProgress, sampleTrial } from "../testing/samples";
import { applyEvents, applyList, applyQueued, NO_TRIALS, parseEventId, runningOn, type LiveTrials, type NumberedEvent } from "./trials";

function moved(id: string | null, trial: string, state: TrialState, dataset = "cars"): NumberedEvent {
  return { id, event: { kind: "trial", trial, dataset, state } };
}

function progressed(trial: string, step: number): NumberedEvent {
  return { id: null, event: { kind: "progress", trial, progress: sampleProgress({ step }) } };
}

function check(state: LiveTrials, expected: Record<string, number | null>) {
  const found = runningOn(state, "cars").map(({ id, progress }) => [id, progress?.step ?? null]);
  expect(Object.fromEntries(found)).toEqual(expected);
}

test("a trial appears, moves and leaves", () => {
  let state = applyEvents(NO_TRIALS, [moved("5-1", "a", "running"), progressed("a", 3), progressed("a", 9)]);
  check(state, { a: 9 });
  state = applyEvents(state, [moved("5-2", "a", "completed")]);
  check(state, {});
});

test("events sent again after a reconnect change nothing", () => {
  const events = [moved("5-1", "a", "running"), moved("5-2", "a", "completed"), moved("6-1", "b", "running")];
  const state = applyEvents(NO_TRIALS, events);
  check(applyEvents(state, events), { b: null });
  expect(applyEvents(state, events).clock).toBe(state.clock);
});

test("an older event that comes late does not undo a newer one", () => {
  const state = applyEvents(NO_TRIALS, [moved("9-4", "a", "completed"), moved("9-3", "a", "running")]);
  check(state, {});
});

test("event ids compare as numbers, part by part", () => {
  const state = applyEvents(NO_TRIALS, [moved("9-9", "a", "running"), moved("10-1", "a", "completed")]);
  check(state, {});
  expect(parseEventId("812-45")).toEqual([812n, 45n]);
  expect(parseEventId("18446744073709551615-1")).toEqual([18446744073709551615n, 1n]);
  expect(parseEventId("not an id")).toBeNull();
});

test("progress that arrives after the end does not bring a trial back", () => {
  const state = applyEvents(NO_TRIALS, [moved("5-1", "a", "running"), moved("5-2", "a", "failed"), progressed("a", 50)]);
  check(state, {});
});

test("progress may come before the event that names the dataset", () => {
  let state = applyEvents(NO_TRIALS, [progressed("a", 4)]);
  check(state, {});
  state = applyEvents(state, [moved("5-1", "a", "running")]);
  check(state, { a: 4 });
});

test("a trial resumed from a checkpoint goes back to its own first word", () => {
  const state = applyEvents(NO_TRIALS, [
    moved("5-1", "a", "running"),
    progressed("a", 80),
    moved("5-2", "a", "queued"),
    moved("5-3", "a", "running"),
  ]);
  check(state, { a: null });
  check(applyEvents(state, [progressed("a", 51)]), { a: 51 });
});

test("a list names what events only numbered", () => {
  let state = applyEvents(NO_TRIALS, [moved("5-1", "a", "running"), progressed("a", 7)]);
  state = applyList(state, [sampleTrial({ id: "a", label: "mish", progress: sampleProgress({ step: 2 }) })], 0);
  expect(runningOn(state, "cars")[0]).toMatchObject({ label: "mish", progress: { step: 7 } });
});

test("a trial known from the queue has its name from the first moment, and its progress", () => {
  let state = applyQueued(NO_TRIALS, [sampleTrial({ id: "a", state: "queued", label: "mish", n_attempts: 1 })]);
  check(state, {});
  state = applyList(state, [], state.clock);
  state = applyEvents(state, [progressed("a", 3), moved("5-1", "a", "running")]);
  expect(runningOn(state, "cars")[0]).toMatchObject({ label: "mish", nAttempts: 2, progress: { step: 3 } });
});

test("a late list of the queue takes nothing from a trial that runs", () => {
  const state = applyEvents(NO_TRIALS, [moved("5-1", "a", "running"), progressed("a", 7)]);
  check(applyQueued(state, [sampleTrial({ id: "a", state: "queued" })]), { a: 7 });
});

test("a list asked for before a trial ended does not bring it back", () => {
  const before = applyEvents(NO_TRIALS, [moved("5-1", "a", "running")]);
  const ended = applyEvents(before, [moved("5-2", "a", "completed")]);
  check(applyList(ended, [sampleTrial({ id: "a" })], before.clock), {});
});

test("a list asked for after the last event is the whole truth", () => {
  const state = applyEvents(NO_TRIALS, [moved("5-1", "a", "running"), progressed("a", 7)]);
  check(applyList(state, [sampleTrial({ id: "b", progress: sampleProgress({ step: 1 }) })], state.clock), { b: 1 });
});

test("only the dataset on show, oldest first", () => {
  const state = applyEvents(NO_TRIALS, [moved("5-1", "b", "running"), moved("5-2", "a", "running"), moved("5-3", "c", "running", "birds")]);
  expect(runningOn(state, "cars").map(({ id }) => id)).toEqual(["a", "b"]);
});

test("months of stopped trials are not kept", () => {
  const events = Array.from({ length: 1000 }, (_, i) => moved(`${i}-1`, `t${i}`, "completed"));
  expect(applyEvents(NO_TRIALS, events).entries.size).toBeLessThanOrEqual(200);
});

test("events of other kinds only move the clock", () => {
  const event: LiveEvent = { kind: "dataset", name: "cars" };
  expect(applyEvents(NO_TRIALS, [{ id: "5-1", event }])).toMatchObject({ clock: 1, lastId: [5n, 1n] });
});
