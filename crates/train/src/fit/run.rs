//! The training loop.
//!
//! Everything random derives from (seed, step), so a run resumed at any step ends with the weights
//! of one that was never interrupted. Inside a step the host does not wait for the device: losses are
//! summed there and read every few steps.

mod gradient;
mod saving;
mod scoring;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use cultivar_spec::TrialSpec;
use cultivar_spec::trainer::{JobResult, TrainJob};
use tch::Device;

use super::epoch_loss::EpochLoss;
use super::inputs::{self, Inputs};
use super::pass::Look;
use super::report::Reporter;
use super::session::Session;
use super::validation::{Best, Validation};
use crate::checkpoint::CheckpointError;
use crate::control::Stopped;
use crate::data::sampler::Sampler;
use crate::device;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::models::Model;
use crate::optim::{self, Optim, OptimError};
use crate::params::Flat;
use crate::phases::{Stage, stage_at};
use crate::precision::{self, Format, Scaler};
use crate::rng::StepRng;
use crate::schedule::{lr_factor, momentum};
use crate::weights::WeightsError;

/// Steps between two looks at the loss on a device that works beside the host.
const LOOK_EVERY: u64 = 16;
/// Trains to the end of the spec.
///
/// # Errors
/// See [`TrainError`]; an order to stop is one.
pub(super) fn train(
    session: &Session<'_>,
    job: &TrainJob,
    reporter: &mut Reporter<'_>,
) -> Result<JobResult, TrainError> {
    let weights_file = job.weights.as_deref();
    let mut run = Run::new(session, weights_file, reporter)?;
    if let Some(path) = &job.resume {
        match run.resume(path, job.resume_spec) {
            Ok(seconds) => {
                tracing::info!("goes on after step {} of {}", run.step, run.n_steps);
                reporter.resumed(run.step, seconds);
            }
            Err(CheckpointError::File(error @ WeightsError::Read(..))) => return Err(error.into()),
            Err(error) => {
                tracing::warn!("{}: {error}; training starts over", path.display());
                run = Run::new(session, weights_file, reporter)?;
            }
        }
    }
    if let Some(micro_batch) = run.fewer_at_once() {
        reporter.takes_at_once(micro_batch);
    }
    reporter.plan(
        session.spec.fit.epochs,
        run.epochs_done,
        run.step,
        run.n_steps,
    );
    let first_step = run.step;
    while run.epochs_done < session.spec.fit.epochs {
        match run.epoch(reporter) {
            Err(TrainError::Stopped(Stopped(why)))
                if why.checkpoints() && run.step > first_step =>
            {
                run.checkpoint(reporter)?;
                return Err(Stopped(why).into());
            }
            done => done?,
        }
    }
    run.finish(reporter)
}

/// The format of the job's passes, with the device set up for it.
pub(super) fn computes_in(
    session: &Session<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Format, TrainError> {
    let fit = &session.spec.fit;
    let format = Format::of(fit.precision, session.device)?;
    precision::set_up(format, fit.deterministic, session.device)?;
    reporter.computes_in(format);
    Ok(format)
}

/// What is about to be trained: all that the log has until the first epoch is done.
fn announce(session: &Session<'_>, format: Format) {
    let spec = session.spec;
    tracing::info!(
        "{} on {}, {}: {} images of {} classes to train on, {} to validate, epochs: {}",
        spec.backbone.name,
        device::describe(session.device).name,
        format.name(),
        session.train.len(),
        session.manifest.classes.len(),
        session.val.len(),
        spec.fit.epochs
    );
}

struct Run<'a> {
    session: &'a Session<'a>,
    model: Model,
    inputs: Inputs,
    optim: Optim,
    sampler: Sampler,
    format: Format,
    /// Images that a pass takes at once: what the spec says, or less where that had no room.
    micro_batch: u32,
    /// Of f16 only.
    scaler: Option<Scaler>,
    ema: Option<Ema>,
    steps_per_epoch: u64,
    n_steps: u64,
    /// How the current epoch is trained.
    stage: Stage,
    /// Steps done.
    step: u64,
    /// Epochs done, validation included.
    epochs_done: u32,
    /// Of the current epoch or, between two, of the last.
    loss: EpochLoss,
    /// The last validation, if no step came after it.
    validation: Option<Validation>,
    /// Under `select: best`.
    best: Option<Best>,
    last_checkpoint: Instant,
}

impl<'a> Run<'a> {
    fn new(
        session: &'a Session<'a>,
        weights_file: Option<&Path>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Self, TrainError> {
        let spec = session.spec;
        let format = computes_in(session, reporter)?;
        announce(session, format);
        let (mut model, inputs) = inputs::prepare(session, weights_file, reporter)?;
        model.params.flatten();
        let head_lr_mult = spec.adaptation.head_lr_mult();
        let optim = optim::build(&spec.optimizer, &model.params, head_lr_mult)?;
        let stage = stage_at(spec, 0);
        let batch_size = spec.fit.batch_size as usize;
        let sampler = Sampler::new(
            &spec.data.sampler,
            &session.labelled_train(),
            batch_size,
            inputs.min_batch(),
        )?;
        let steps_per_epoch = sampler.n_batches() as u64;
        let ema = average(spec, &model, steps_per_epoch);
        Ok(Self {
            session,
            model,
            inputs,
            optim,
            sampler,
            format,
            micro_batch: gradient::asked_at_once(spec),
            scaler: (format == Format::F16).then(Scaler::default),
            ema,
            steps_per_epoch,
            n_steps: steps_per_epoch * u64::from(spec.fit.epochs),
            stage,
            step: 0,
            epochs_done: 0,
            loss: EpochLoss::default(),
            validation: None,
            best: None,
            last_checkpoint: Instant::now(),
        })
    }

    /// Trains to the end of the current epoch, validates and tells.
    fn epoch(&mut self, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        let fit = &self.session.spec.fit;
        let epoch = u64::from(self.epochs_done);
        let first_batch = (self.step - epoch * self.steps_per_epoch) as usize;
        if first_batch == 0 {
            self.loss = EpochLoss::default();
        }
        self.enter(stage_at(self.session.spec, epoch as u32))?;
        reporter.phase("training");
        let began = Instant::now();
        let mut n_images = 0;
        let batches = self.sampler.epoch(fit.seed, epoch);
        for batch in &batches[first_batch..] {
            reporter.obey()?;
            self.train_on(batch, reporter)?;
            n_images += batch.len();
            let images_per_s = n_images as f64 / began.elapsed().as_secs_f64();
            reporter.stepped(self.step, batch.len(), images_per_s);
            if self.looks_at_loss() {
                reporter.loss(self.read_loss()?);
            }
        }
        self.read_loss()?;
        let images_per_s = n_images as f64 / began.elapsed().as_secs_f64();

        let mut values = BTreeMap::from([
            ("train_loss".to_owned(), self.loss.mean()),
            ("lr".to_owned(), self.lr_at(self.step - 1)),
        ]);
        // A run that goes on from the end of an epoch has only its validation left.
        if n_images > 0 {
            values.insert("images_per_s".to_owned(), images_per_s);
        }
        values.extend(self.validate(reporter)?);
        self.epochs_done += 1;
        self.keep_the_best(&values);
        reporter.epoch_done(self.epochs_done, &values);
        if self.epochs_done < fit.epochs && self.checkpoint_is_due() {
            self.checkpoint(reporter)?;
        }
        Ok(())
    }

    /// Trains by another stage from here on. Where another part of the network is trained, it starts
    /// from the weights that would be shipped, with a fresh optimizer and a fresh average; what was
    /// best before is forgotten.
    fn enter(&mut self, stage: Stage) -> Result<(), OptimError> {
        if stage.trained != self.stage.trained {
            let spec = self.session.spec;
            let shipped = self.weights(spec.fit.eval_weights());
            shipped.put_into(flat(&self.model));
            self.model
                .train_only(stage.trained, spec.adaptation.freeze_bn());
            self.model.params.flatten();
            let head_lr_mult = spec.adaptation.head_lr_mult();
            self.optim = optim::build(&spec.optimizer, &self.model.params, head_lr_mult)?;
            self.ema = average(spec, &self.model, self.steps_per_epoch);
            self.best = None;
            // Another part of the network needs other room, and may take statistics where this one took none.
            self.micro_batch = gradient::asked_at_once(spec);
        }
        self.stage = stage;
        Ok(())
    }

    fn train_on(&mut self, images: &[i64], reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        let spec = self.session.spec;
        let rng = StepRng {
            seed: spec.fit.seed,
            step: self.step,
        };
        let batch = self.inputs.batch(self.session, &self.stage, images, &rng);
        let loss = self.gradient(&batch, &rng, Look::First, reporter)?;
        if self.optim.is_sharpness_aware() {
            self.optim.climb();
            let _ = self.gradient(&batch, &rng, Look::Second, reporter)?;
        }
        let grads = &flat(&self.model).grads;
        if self
            .scaler
            .as_mut()
            .is_none_or(|scaler| scaler.admits(grads))
        {
            let (step, n_steps) = self.scheduled(self.step);
            let momentum = momentum(&spec.schedule, step, n_steps);
            self.optim.step(self.lr_at(self.step), momentum);
        } else {
            self.optim.skip();
        }
        if let Some(ema) = &mut self.ema {
            let flat = flat(&self.model);
            let values = self.optim.slow_values().unwrap_or(&flat.values);
            ema.update(values, &flat.buffers);
        }
        self.loss.add(&loss);
        self.step += 1;
        self.validation = None;
        Ok(())
    }

    /// The backbone's learning rate at a step.
    fn lr_at(&self, step: u64) -> f64 {
        let spec = self.session.spec;
        let (step, n_steps) = self.scheduled(step);
        spec.optimizer.lr() * self.stage.lr_mult * lr_factor(&spec.schedule, step, n_steps)
    }

    /// Where the schedule stands at a step of the current stage, and how long it is.
    fn scheduled(&self, step: u64) -> (u64, u64) {
        let at = |epoch: u32| u64::from(epoch) * self.steps_per_epoch;
        let range = &self.stage.schedule;
        (step - at(range.start), at(range.end) - at(range.start))
    }

    fn looks_at_loss(&self) -> bool {
        // The CPU works in step with the host: looking costs nothing.
        self.session.device == Device::Cpu || self.step.is_multiple_of(LOOK_EVERY)
    }

    /// The mean training loss of this epoch so far, or of the steps since the last look.
    fn read_loss(&mut self) -> Result<f64, TrainError> {
        let loss = self.loss.read();
        self.finite("training loss", loss)
    }

    fn finite(&self, what: &'static str, value: f64) -> Result<f64, TrainError> {
        if value.is_finite() {
            return Ok(value);
        }
        Err(TrainError::Diverged {
            what,
            value,
            step: self.step,
        })
    }
}

/// The moving average that a spec asks for, starting at the weights as they are.
fn average(spec: &TrialSpec, model: &Model, steps_per_epoch: u64) -> Option<Ema> {
    spec.fit.ema.map(|ema| {
        let half_life_steps = ema.half_life_epochs * steps_per_epoch as f64;
        Ema::new(flat(model), half_life_steps)
    })
}

fn flat(model: &Model) -> &Flat {
    model.params.flat().expect("a run flattens its parameters")
}
