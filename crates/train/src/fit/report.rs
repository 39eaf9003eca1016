//! What a job says of itself while it runs, and what it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cultivar_spec::Outcome;
use cultivar_spec::trainer::{Cost, FromTrainer, JobResult, LoadedWeights};
use cultivar_spec::wire::{MetricPoint, Progress};
use tch::Device;

use crate::control::{Control, Stopped};
use crate::device;
use crate::precision::Format;

/// Progress is told at most this often.
const INTERVAL: Duration = Duration::from_millis(500);
/// Weight of the newest value in the smoothed loss.
const SMOOTHING: f64 = 0.1;

/// Sends a job's events, hears its orders and keeps its accounts.
pub(super) struct Reporter<'a> {
    tag: String,
    device: Device,
    control: &'a Control,
    events: &'a mut dyn FnMut(FromTrainer),
    progress: Progress,
    /// When the job began, and its current phase.
    began: Instant,
    phase_began: Instant,
    last_told: Instant,
    /// Training images seen in this attempt.
    n_images: u64,
    /// What training had taken in earlier attempts, up to where this one goes on from.
    seconds_before: f64,
    /// When training began, and at which step.
    training_began: Option<(Instant, u64)>,
    weights: Option<LoadedWeights>,
    /// Step of the newest checkpoint.
    last_checkpoint: Option<u64>,
    /// What the passes compute in.
    format: Format,
    /// Images taken at once, where they are fewer than the spec asks for.
    micro_batch: Option<u32>,
}

impl<'a> Reporter<'a> {
    pub fn new(
        tag: &str,
        device: Device,
        control: &'a Control,
        events: &'a mut dyn FnMut(FromTrainer),
    ) -> Self {
        let now = Instant::now();
        Self {
            tag: tag.to_owned(),
            device,
            control,
            events,
            progress: Progress {
                phase: String::new(),
                epoch: 0,
                n_epochs: 0,
                step: 0,
                n_steps: 0,
                train_loss: None,
                val_top1: None,
                images_per_s: None,
                eta_s: None,
            },
            began: now,
            phase_began: now,
            last_told: now,
            n_images: 0,
            seconds_before: 0.0,
            training_began: None,
            weights: None,
            last_checkpoint: None,
            format: Format::F32,
            micro_batch: None,
        }
    }

    /// What the model took from its weights file, for the result.
    pub fn loaded(&mut self, weights: LoadedWeights) {
        self.weights = Some(weights);
    }

    /// What the passes compute in, for the accounts.
    pub fn computes_in(&mut self, format: Format) {
        self.format = format;
    }

    /// Fewer images than the spec asks for are taken at once, for the accounts.
    pub fn takes_at_once(&mut self, micro_batch: u32) {
        self.micro_batch = Some(micro_batch);
    }

    /// The job goes on from the checkpoint after a step, to which training had taken so many seconds.
    pub fn resumed(&mut self, step: u64, seconds: f64) {
        self.last_checkpoint = Some(step);
        self.seconds_before = seconds;
    }

    /// Wall-clock seconds of the training so far, over all attempts.
    pub fn total_seconds(&self) -> f64 {
        self.seconds_before + self.began.elapsed().as_secs_f64()
    }

    /// Step of the newest checkpoint, this attempt's or the one it went on from.
    pub fn last_checkpoint(&self) -> Option<u64> {
        self.last_checkpoint
    }

    /// # Errors
    /// The job was told to stop.
    pub fn obey(&self) -> Result<(), Stopped> {
        match self.control.order(&self.tag) {
            Some(why) => Err(Stopped(why)),
            None => Ok(()),
        }
    }

    /// Enters a phase; told at once.
    pub fn phase(&mut self, phase: &str) {
        if self.progress.phase != phase {
            self.progress.phase = phase.to_owned();
            self.phase_began = Instant::now();
            self.tell();
        }
    }

    /// Work without steps of its own: `done` of `total` images of this phase.
    ///
    /// # Errors
    /// The job was told to stop.
    pub fn pulse(&mut self, done: usize, total: usize) -> Result<(), Stopped> {
        if self.training_began.is_none() && done > 0 {
            let seconds = self.phase_began.elapsed().as_secs_f64();
            let rate = done as f64 / seconds.max(f64::MIN_POSITIVE);
            self.progress.images_per_s = Some(rate);
            self.progress.eta_s = Some(total.saturating_sub(done) as f64 / rate);
        }
        self.tell_if_due();
        self.obey()
    }

    /// The length of the run, and where it starts.
    pub fn plan(&mut self, n_epochs: u32, epoch: u32, step: u64, n_steps: u64) {
        self.progress.n_epochs = n_epochs;
        self.progress.n_steps = n_steps;
        self.progress.epoch = epoch;
        self.progress.step = step;
        self.progress.images_per_s = None;
        self.progress.eta_s = None;
        self.training_began = Some((Instant::now(), step));
    }

    /// A step over `n_images` is done, at `images_per_s` on average over this epoch.
    pub fn stepped(&mut self, step: u64, n_images: usize, images_per_s: f64) {
        self.n_images += n_images as u64;
        self.progress.step = step;
        self.progress.images_per_s = Some(images_per_s);
        if let Some((began, first_step)) = self.training_began {
            // Validation is in the average too, as it is in what is left.
            let per_step = began.elapsed().as_secs_f64() / (step - first_step).max(1) as f64;
            self.progress.eta_s = Some(per_step * (self.progress.n_steps - step) as f64);
        }
        self.tell_if_due();
    }

    /// A fresh training loss.
    pub fn loss(&mut self, loss: f64) {
        let smoothed = self
            .progress
            .train_loss
            .map_or(loss, |old| old + SMOOTHING * (loss - old));
        self.progress.train_loss = Some(smoothed);
    }

    /// An epoch is done: its values, by metric name.
    pub fn epoch_done(&mut self, epoch: u32, values: &BTreeMap<String, f64>) {
        self.progress.epoch = epoch;
        if let Some(&top1) = values.get("val_top1") {
            self.progress.val_top1 = Some(top1);
        }
        let points = values
            .iter()
            .map(|(metric, &value)| MetricPoint {
                metric: metric.clone(),
                step: self.progress.step,
                epoch: epoch.into(),
                value,
            })
            .collect();
        let words: Vec<_> = values
            .iter()
            .map(|(metric, value)| format!("{metric} {value:.4}"))
            .collect();
        tracing::info!(
            "epoch {epoch} of {}: {}",
            self.progress.n_epochs,
            words.join(", ")
        );
        let tag = self.tag.clone();
        (self.events)(FromTrainer::Metrics { tag, points });
        self.tell_if_due();
    }

    /// A checkpoint is in place.
    pub fn checkpoint(&mut self, path: PathBuf) {
        self.last_checkpoint = Some(self.progress.step);
        (self.events)(FromTrainer::Checkpoint {
            tag: self.tag.clone(),
            path,
            epoch: self.progress.epoch,
            step: self.progress.step,
        });
    }

    /// The job's result as far as the accounts know it.
    pub fn result(&self, outcome: Outcome) -> JobResult {
        JobResult {
            outcome,
            error: None,
            step: self.progress.step,
            metrics: BTreeMap::new(),
            model: None,
            predictions: None,
            cost: Cost {
                images: self.n_images,
                seconds: self.began.elapsed().as_secs_f64(),
                seconds_before: self.seconds_before,
                n_params: 0,
                latency_ms: None,
                device: device::describe(self.device).name,
                precision: self.format.name().into(),
                code_version: env!("CARGO_PKG_VERSION").into(),
                weights: self.weights.clone(),
                micro_batch: self.micro_batch,
            },
        }
    }

    fn tell_if_due(&mut self) {
        if self.last_told.elapsed() >= INTERVAL {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.last_told = Instant::now();
        (self.events)(FromTrainer::Progress {
            tag: self.tag.clone(),
            progress: self.progress.clone(),
        });
    }
}
