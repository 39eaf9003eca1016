// A made-up sweep that trains in fast motion, for looking at the page without a server.
// Nothing here is a measurement.

import { EventEmitter } from "node:events";

/** A small seeded generator (mulberry32), so that every start shows the same world. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const hex = (random, n) => Array.from({ length: n }, () => Math.floor(random() * 16).toString(16)).join("");

const BASE = {
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
};
const FULL = { ...BASE, adaptation: "full", epochs: 2, lr: 0.001 };

/** The configurations of the made-up sweep: [what they are, hidden accuracy, seeds]. */
function configurations() {
  const heads = [];
  for (const [optimizer, lrs] of Object.entries({ adamw: [0.001, 0.003], sgd: [0.05, 0.2], ranger: [0.003] })) {
    for (const lr of lrs) {
      for (const schedule of ["one_cycle", "cosine"]) {
        for (const smoothing of [0, 0.1]) {
          const accuracy = 0.345 + (optimizer === "sgd" ? -0.02 : 0.01) + smoothing * 0.08 + (schedule === "one_cycle" ? 0.004 : 0) + lr * 0.05;
          heads.push([{ ...BASE, optimizer, lr, schedule, smoothing }, accuracy, 3]);
        }
      }
    }
  }
  return [
    [FULL, 0.452, 2],
    [{ ...FULL, weights: "random", lr: 0.003 }, 0.181, 2],
    [{ ...FULL, activation: "mish" }, 0.437, 1],
    [{ ...FULL, optimizer: "sgd", lr: 0.05 }, 0.441, 1],
    [{ ...FULL, optimizer: "ranger" }, 0.446, 1],
    [{ ...FULL, mix: "cutmix" }, 0.412, 1],
    ...heads,
  ];
}

export class World extends EventEmitter {
  constructor({ speed = 1, slots = 2, nExtra = 0, seed = 7 } = {}) {
    super();
    this.random = generator(seed);
    this.speed = speed;
    this.slots = slots;
    this.trials = new Map();
    this.configs = new Map();
    this.series = new Map();
    this.nTestAccesses = 0;
    this.nIds = 0;
    this.sweep = { id: this.#id(), name: "open-emoji in miniature", created_at: now() };
    for (const [config, accuracy, nSeeds] of configurations()) this.#add(config, accuracy, nSeeds, this.sweep.id);
    if (nExtra > 0) this.#addFinished(nExtra);
  }

  start() {
    this.timer = setInterval(() => this.#tick(), 250);
  }

  stop() {
    clearInterval(this.timer);
  }

  cancel(id) {
    const trial = this.trials.get(id);
    if (trial && (trial.state === "running" || trial.state === "queued")) this.#move(trial, "cancelled");
    return trial;
  }

  list(state) {
    return [...this.trials.values()].filter((trial) => !state || trial.state === state);
  }

  #id() {
    this.nIds += 1;
    const time = (1760000000000 + this.nIds).toString(16).padStart(12, "0");
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(this.random, 3)}-8${hex(this.random, 3)}-${hex(this.random, 12)}`;
  }

  #add(config, accuracy, nSeeds, sweep) {
    const config_id = hex(this.random, 64);
    const ids = [];
    for (let seed = 0; seed < nSeeds; seed++) {
      const id = this.#id();
      const label = labelOf(config);
      this.trials.set(id, {
        id, sweep, config_id, state: "queued", label, dataset: "open-emoji", seed,
        created_at: now(), started_at: null, finished_at: null, n_attempts: 0, progress: null, metrics: {}, error: null,
      });
      this.series.set(id, { val_top1: [], train_loss: [] });
      ids.push(id);
    }
    this.configs.set(config_id, { ...config, config_id, accuracy, trials: ids, seconds: config.adaptation === "full" ? 64 : 5.3 });
  }

  /** A leaderboard as long as a busy lab's. */
  #addFinished(n) {
    for (let i = 0; i < n; i++) {
      const lr = Number((10 ** (-4 + this.random() * 2.5)).toPrecision(2));
      const optimizer = ["adamw", "sgd", "ranger"][Math.floor(this.random() * 3)];
      this.#add({ ...BASE, lr, optimizer, smoothing: Math.round(this.random() * 3) / 10, epochs: 5 + (i % 6) * 5 }, 0.2 + this.random() * 0.18, 1 + (i % 3), null);
    }
    for (const trial of this.trials.values()) {
      if (trial.sweep !== null) continue;
      this.#finish(trial, true);
    }
  }

  #tick() {
    const running = this.list("running");
    for (const trial of running) this.#advance(trial);
    const queued = this.list("queued");
    for (const trial of queued.slice(0, Math.max(0, this.slots - running.length))) {
      trial.n_attempts += 1;
      trial.started_at = now();
      this.#move(trial, "running");
    }
  }

  #advance(trial) {
    const config = this.configs.get(trial.config_id);
    const stepsPerEpoch = 51;
    const n_steps = stepsPerEpoch * config.epochs;
    const perTick = (config.adaptation === "full" ? 3 : 45) * this.speed;
    const before = trial.progress?.step ?? 0;
    const step = Math.min(n_steps, before + Math.ceil(perTick));
    const target = this.#target(trial, config);
    const { val_top1, train_loss } = this.series.get(trial.id);
    const loss = (s) => 4.04 * Math.exp((-2.2 * s) / n_steps) + 0.5 * (1 - target) + this.random() * 0.12;
    train_loss.push({ step, epoch: step / stepsPerEpoch, value: loss(step) });
    for (let epoch = Math.floor(before / stepsPerEpoch) + 1; epoch <= Math.floor(step / stepsPerEpoch); epoch++) {
      val_top1.push({ step: epoch * stepsPerEpoch, epoch, value: target * (1 - 0.62 * Math.exp((-3.6 * epoch) / config.epochs)) });
    }
    const per_s = config.adaptation === "full" ? 148 + this.random() * 8 : 5200 + this.random() * 300;
    trial.progress = {
      phase: before === 0 && config.adaptation === "head_only" ? "features" : step >= n_steps ? "validating" : "training",
      epoch: Math.floor(step / stepsPerEpoch),
      n_epochs: config.epochs,
      step,
      n_steps,
      train_loss: train_loss.at(-1).value,
      val_top1: val_top1.at(-1)?.value ?? null,
      images_per_s: per_s,
      eta_s: ((n_steps - step) * 64) / per_s,
    };
    if (before >= n_steps) this.#finish(trial, false);
    else this.emit("event", { kind: "progress", trial: trial.id, sweep: trial.sweep, progress: trial.progress });
  }

  #target(trial, config) {
    const random = generator(Number.parseInt(trial.id.slice(-6), 16));
    return config.accuracy + (random() - 0.5) * 0.018;
  }

  #finish(trial, isQuiet) {
    const config = this.configs.get(trial.config_id);
    const top1 = this.#target(trial, config);
    trial.metrics = { val_top1: top1 };
    // The matched arms are the declared protocol study: their test split is opened.
    if (config.adaptation === "full" && config.activation === "native" && config.mix === "none" && config.trials.length === 2) {
      trial.metrics.test_top1 = top1 - 0.008;
      this.nTestAccesses += 1;
    }
    trial.finished_at = now();
    if (isQuiet) trial.state = "completed";
    else this.#move(trial, "completed");
  }

  #move(trial, state) {
    trial.state = state;
    if (state !== "running") trial.progress = null;
    this.emit("event", { kind: "trial", trial: trial.id, sweep: trial.sweep, dataset: trial.dataset, state });
  }
}

function labelOf(config) {
  const parts = [config.adaptation, config.optimizer, `lr=${config.lr}`, config.schedule];
  if (config.weights === "random") parts.unshift("random");
  if (config.activation !== "native") parts.push(config.activation);
  if (config.mix !== "none") parts.push(config.mix);
  if (config.smoothing > 0) parts.push(`smoothing=${config.smoothing}`);
  return parts.join(" ");
}

function now() {
  return new Date().toISOString();
}
