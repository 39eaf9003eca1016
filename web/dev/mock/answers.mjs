// What the API would answer about a mock world. The statistics are stand-ins with the right shape.

const N_VAL = 806;
const N_TEST = 1100;

export function session() {
  return { scope: "admin", server_version: "0.1.0-mock", protocol_version: 1 };
}

export function datasets({ isEmpty = false } = {}) {
  if (isEmpty) return [];
  const common = { sources: [], created_at: "2026-11-01T08:00:00Z" };
  return [
    { name: "open-emoji", title: "Open emoji (mock)", version: "3f".repeat(32), n_classes: 57, n_train: 3234, n_val: 806, n_test: 1100, n_groups: 1365, n_bytes: 41e6, ...common },
    { name: "stanford-cars", title: "Stanford Cars (mock)", version: "a1".repeat(32), n_classes: 196, n_train: 6515, n_val: 1629, n_test: 8041, n_groups: 16185, n_bytes: 1.9e9, ...common },
  ];
}

/** As much of a trial as the page reads. */
export function trial(view) {
  const outcomes = { queued: [], running: [null], completed: ["completed"], cancelled: ["cancelled"], failed: ["crashed"] };
  const attempts = (outcomes[view.state] ?? []).map((outcome) => ({ epoch: 1, outcome }));
  return { trial: view, spec: {}, attempts, evaluations: [], cost: null, model: null, predictions: null };
}

function estimate(values, nImages) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const spread = n > 1 ? values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1) / n : 0;
  const half = 1.96 * Math.sqrt((mean * (1 - mean)) / nImages + spread);
  return { mean, low: Math.max(0, mean - half), high: Math.min(1, mean + half), n };
}

export function leaderboard(world, dataset) {
  if (dataset !== "open-emoji") {
    return { dataset, version: null, metric: "val_top1", rows: [], sota: cars(), n_test_accesses: 0, notes: [] };
  }
  const rows = [];
  for (const { trials, accuracy: _, seconds, ...config } of world.configs.values()) {
    const done = trials.map((id) => world.trials.get(id)).filter((trial) => trial.state === "completed");
    if (done.length === 0) continue;
    const tests = done.flatMap((trial) => (trial.metrics.test_top1 === undefined ? [] : [trial.metrics.test_top1]));
    rows.push({
      ...config,
      label: done[0].label,
      trials: done.map((trial) => trial.id),
      val_top1: estimate(done.map((trial) => trial.metrics.val_top1), N_VAL),
      test_top1: tests.length > 0 ? estimate(tests, N_TEST) : null,
      train_seconds: seconds * done.length,
      selected: false,
    });
  }
  rows.sort((a, b) => b.val_top1.mean - a.val_top1.mean);
  rows.forEach((row, idx) => {
    row.rank = idx + 1;
    row.selected = idx === 0 && rows.length > 1;
    row.vs_top = idx === 0 ? null : comparison(row.val_top1, rows[0].val_top1, rows.length);
  });
  return {
    dataset,
    version: "3f".repeat(32),
    metric: "val_top1",
    rows,
    sota: [],
    n_test_accesses: world.nTestAccesses,
    notes: ["mock data: made up to look at the page, measured by nobody"],
  };
}

function comparison(estimate, top, nRows) {
  const difference = estimate.mean - top.mean;
  const half = 1.96 * 0.012;
  const z = Math.abs(difference) / 0.012;
  return { difference, low: difference - half, high: difference + half, p_holm: Math.min(1, Math.exp(-0.717 * z - 0.416 * z * z) * (nRows - 1)) };
}

/** Made-up stand-ins for the registry of published results. */
function cars() {
  const common = { dataset: "stanford-cars", metric: "top1", extra_data: "ImageNet-1k", source: "mock" };
  return [
    { ...common, method: "Mock method A with a name that goes on for a while", backbone: "TResNet-L", resolution: 368, value: 0.97, std: null, selection: "best_on_test", year: 2023, confidence: "secondary" },
    { ...common, method: "Mock method B", backbone: "EfficientNet-B7", resolution: 456, value: 0.948, std: 0.0009, selection: "last", year: 2020, confidence: "read" },
    { ...common, method: "Mock method C", backbone: "ResNet-50", resolution: 448, value: 0.943, std: null, selection: "unknown", year: null, extra_data: "none", confidence: "read" },
    { ...common, method: "Mock method D", backbone: "ViT-B/16", resolution: null, value: 0.931, std: null, metric: "mean_per_class", selection: "last", year: 2021, confidence: "read" },
  ];
}

export function sweeps(world) {
  const counts = {};
  const mine = world.list().filter((trial) => trial.sweep === world.sweep.id);
  for (const trial of mine) counts[trial.state] = (counts[trial.state] ?? 0) + 1;
  const finished = mine.every((trial) => !["queued", "running", "paused"].includes(trial.state));
  return [
    { ...world.sweep, dataset: "open-emoji", cancelled_at: null, n_trials: mine.length, counts, finished },
    {
      id: "0199c0de-0000-7000-8000-000000000001", name: "smoke test", dataset: "open-emoji", created_at: "2026-11-01T08:05:00Z",
      cancelled_at: "2026-11-01T08:09:00Z", n_trials: 12, counts: { completed: 7, failed: 1, cancelled: 4 }, finished: true,
    },
  ];
}

export function transfer(world, dataset) {
  const board = leaderboard(world, dataset);
  const arm = (weights) => board.rows.filter((row) => row.adaptation === "full" && row.weights === weights && row.optimizer === "adamw" && row.activation === "native" && row.mix === "none");
  const [pretrained, random] = [arm("pretrained"), arm("random")];
  if (pretrained.length === 0 || random.length === 0) {
    return { dataset, studies: [], notes: ["no pair of finished arms that differ only in their weights"] };
  }
  const armAt = (row, epochs, factor) => ({
    config_id: `${row.config_id.slice(0, 60)}${epochs}`, epochs, lr: row.lr, lrs_tried: [0.001, 0.003], trials: row.trials,
    val_top1: { ...row.val_top1, mean: row.val_top1.mean * factor, low: row.val_top1.low * factor, high: row.val_top1.high * factor },
    test_top1: null,
  });
  const difference = pretrained[0].val_top1.mean - random[0].val_top1.mean;
  const study = {
    backbone: "efficientnet_lite0",
    label: "full, native, adamw one_cycle, 96 px",
    metric: "val_top1",
    pretrained: [armAt(pretrained[0], 1, 0.78), armAt(pretrained[0], 2, 1)],
    random: [armAt(random[0], 1, 0.55), armAt(random[0], 2, 1)],
    start: null,
    slope: { ratio: 2, low: 2, high: 2, at_least: true, reached: true },
    asymptote: { epochs: 2, difference: { mean: difference, low: difference - 0.034, high: difference + 0.034, n: 2 }, converged: false },
  };
  return { dataset, studies: [study], notes: ["two budgets are too few to tell a slope from its bound"] };
}
