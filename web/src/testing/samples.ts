/** Small valid pieces of the wire for tests; each test says only what it is about. */

import type { Leaderboard, LeaderboardRow, Progress, SotaEntry, TrialView } from "../api/types";

export function sampleRow(over: Partial<LeaderboardRow> = {}): LeaderboardRow {
  return {
    rank: 1,
    config_id: "a".repeat(64),
    label: "adamw lr=0.003",
    backbone: "efficientnet_lite0",
    weights: "pretrained",
    adaptation: "head_only",
    activation: "native",
    optimizer: "adamw",
    schedule: "one_cycle",
    mix: "none",
    lr: 0.003,
    smoothing: 0,
    epochs: 20,
    resolution: 96,
    trials: ["t1"],
    val_top1: { mean: 0.4, low: 0.37, high: 0.43, n: 3 },
    test_top1: null,
    vs_top: null,
    train_seconds: 15,
    selected: false,
    ...over,
  };
}

export function sampleSota(over: Partial<SotaEntry> = {}): SotaEntry {
  return {
    dataset: "cars",
    method: "method",
    backbone: "",
    resolution: null,
    value: 0.9,
    std: null,
    metric: "top1",
    extra_data: "",
    selection: "last",
    year: null,
    source: "",
    confidence: "read",
    ...over,
  };
}

export function sampleBoard(over: Partial<Leaderboard> = {}): Leaderboard {
  return { dataset: "cars", version: null, metric: "val_top1", rows: [], sota: [], n_test_accesses: 0, notes: [], ...over };
}

export function sampleProgress(over: Partial<Progress> = {}): Progress {
  return { phase: "training", epoch: 0, n_epochs: 2, step: 10, n_steps: 100, ...over };
}

export function sampleTrial(over: Partial<TrialView> = {}): TrialView {
  return {
    id: "t1",
    sweep: "s1",
    config_id: "a".repeat(64),
    state: "running",
    label: "adamw lr=0.003",
    dataset: "cars",
    seed: 0,
    created_at: "2026-11-01T08:00:00Z",
    n_attempts: 1,
    metrics: {},
    ...over,
  };
}
