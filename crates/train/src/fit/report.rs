//! What a job says of itself while it runs.

use std::time::{Duration, Instant};

use cultivar_spec::trainer::{FromTrainer, StopWhy};
use cultivar_spec::wire::{MetricPoint, Progress};

use crate::Control;

/// Progress is told at most this often.
const INTERVAL: Duration = Duration::from_millis(500);
/// Weight of the newest value in the smoothed loss.
const SMOOTHING: f64 = 0.3;

/// Sends a job's events and hears its orders.
pub(super) struct Reporter<'a> {
    tag: String,
    control: &'a Control,
    events: &'a mut dyn FnMut(FromTrainer),
    progress: Progress,
    last_told: Option<Instant>,
    /// When training began, and at which step.
    began: Option<(Instant, u64)>,
}

impl<'a> Reporter<'a> {
    pub fn new(tag: &str, control: &'a Control, events: &'a mut dyn FnMut(FromTrainer)) -> Self {
        let progress = Progress {
            phase: "decoding".into(),
            epoch: 0,
            n_epochs: 0,
            step: 0,
            n_steps: 0,
            train_loss: None,
            val_top1: None,
            images_per_s: None,
            eta_s: None,
        };
        Self {
            tag: tag.to_owned(),
            control,
            events,
            progress,
            last_told: None,
            began: None,
        }
    }

    /// The last step done.
    pub fn step(&self) -> u64 {
        self.progress.step
    }

    /// What the job was told to do, if it should stop.
    pub fn order(&self) -> Option<StopWhy> {
        self.control.order(&self.tag)
    }

    /// Enters a phase; told at once.
    pub fn phase(&mut self, phase: &str) {
        if self.progress.phase != phase || self.last_told.is_none() {
            self.progress.phase = phase.to_owned();
            self.tell();
        }
    }

    /// Progress within a phase that has no steps of its own.
    pub fn alive(&mut self) {
        self.tell_if_due();
    }

    /// Training begins at `step` of `n_steps`.
    pub fn begin(&mut self, n_epochs: u32, step: u64, n_steps: u64) {
        self.progress.n_epochs = n_epochs;
        self.progress.n_steps = n_steps;
        self.progress.step = step;
        self.began = Some((Instant::now(), step));
    }

    /// A step is done.
    pub fn stepped(&mut self, step: u64, epoch: u32, images_per_step: u64) {
        self.progress.step = step;
        self.progress.epoch = epoch;
        if let Some((began, first)) = self.began {
            let done = step.saturating_sub(first);
            let seconds = began.elapsed().as_secs_f64();
            if done > 0 && seconds > 0.0 {
                self.progress.images_per_s = Some((done * images_per_step) as f64 / seconds);
                self.progress.eta_s =
                    Some(seconds / done as f64 * (self.progress.n_steps - step) as f64);
            }
        }
        self.tell_if_due();
    }

    /// A fresh mean of the training loss.
    pub fn loss(&mut self, loss: f64) {
        let smoothed = self
            .progress
            .train_loss
            .map_or(loss, |old| old + SMOOTHING * (loss - old));
        self.progress.train_loss = smoothed.is_finite().then_some(smoothed);
    }

    /// Throughput so far.
    pub fn images_per_s(&self) -> Option<f64> {
        self.progress.images_per_s
    }

    /// Values to store; the validation accuracy shows in the progress too.
    pub fn metrics(&mut self, points: Vec<MetricPoint>) {
        if let Some(point) = points.iter().find(|point| point.metric == "val_top1") {
            self.progress.val_top1 = Some(point.value);
        }
        (self.events)(FromTrainer::Metrics {
            tag: self.tag.clone(),
            points,
        });
    }

    /// A checkpoint is in place.
    pub fn checkpoint(&mut self, path: std::path::PathBuf, epoch: u32, step: u64) {
        (self.events)(FromTrainer::Checkpoint {
            tag: self.tag.clone(),
            path,
            epoch,
            step,
        });
    }

    fn tell_if_due(&mut self) {
        if self.last_told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.last_told = Some(Instant::now());
        (self.events)(FromTrainer::Progress {
            tag: self.tag.clone(),
            progress: self.progress.clone(),
        });
    }
}
