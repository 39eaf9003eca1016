//! The training loop.
//!
//! Everything random derives from (seed, step), so a run resumed at any step ends with the weights
//! of one that was never interrupted. Inside a step the host does not wait for the device: losses are
//! summed there and read every few steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cultivar_spec::manifest::Split;
use cultivar_spec::trainer::{EvaluateJob, JobResult, TrainJob};
use cultivar_spec::trial::MetricLoss;
use cultivar_spec::{Outcome, model_file};
use tch::{Device, Tensor};

use super::epoch_loss::EpochLoss;
use super::inputs::{self, Inputs};
use super::report::Reporter;
use super::session::{self, Session};
use crate::checkpoint::{self, CheckpointError, Position};
use crate::control::Stopped;
use crate::data::sampler::Sampler;
use crate::error::TrainError;
use crate::loss::{self, Mixed};
use crate::models::Model;
use crate::neighbours::{knn_top1, recall_at_1};
use crate::optim::{self, Optim, OptimError};
use crate::params::LoadPolicy;
use crate::phases::{Stage, stage_at};
use crate::predict::{self, Scores};
use crate::rng::StepRng;
use crate::schedule::{lr_factor, momentum};
use crate::weights::{self, WeightsError};

/// Steps between two looks at the loss on a device that works beside the host.
const LOOK_EVERY: u64 = 16;
/// Head-only epochs are shorter than this, and do not each get a checkpoint.
const HEAD_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

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
    if let Some(path) = &job.resume
        && let Err(error) = run.resume(path)
    {
        if let CheckpointError::File(error @ WeightsError::Read(..)) = error {
            return Err(error.into());
        }
        tracing::warn!("{}: {error}; training starts over", path.display());
        run = Run::new(session, weights_file, reporter)?;
    }
    reporter.plan(
        session.spec.fit.epochs,
        run.epochs_done(),
        run.step,
        run.n_steps,
    );
    let first_step = run.step;
    while run.step < run.n_steps {
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

/// Predicts a split with the model of a finished trial.
///
/// # Errors
/// See [`TrainError`].
pub(super) fn evaluate(
    session: &Session<'_>,
    job: &EvaluateJob,
    reporter: &mut Reporter<'_>,
) -> Result<JobResult, TrainError> {
    let split = session::indices(&session.manifest, job.split);
    if split.is_empty() {
        return Err(TrainError::EmptySplit(job.split.name()));
    }
    let mut model = inputs::fresh_model(session)?;
    inputs::load(&mut model, &job.model, LoadPolicy::Exact)?;
    // The saved model is whole, so that of a head-only trial is run on pixels too.
    let inputs = Inputs::Images {
        pixels: session.pixels(reporter)?,
        augment: session.spec.augment(),
    };
    reporter.phase("validating");
    let logits = inputs.predict(session, &model, &split, &mut |done, total| {
        reporter.pulse(done, total)
    })?;
    let scores = Scores::of(&logits, &predict::labels_of(&session.manifest, &split));
    let path = predictions_path(&session.files.work_dir, job.split);
    predict::write(&path, &session.manifest, job.split, &split, &logits)?;
    Ok(JobResult {
        metrics: scores.named(job.split),
        predictions: Some(path),
        ..reporter.result(Outcome::Completed)
    })
}

fn predictions_path(work_dir: &Path, split: Split) -> PathBuf {
    work_dir.join(format!("predictions-{}.safetensors", split.name()))
}

struct Run<'a> {
    session: &'a Session<'a>,
    model: Model,
    inputs: Inputs,
    optim: Box<dyn Optim>,
    sampler: Sampler,
    steps_per_epoch: u64,
    n_steps: u64,
    /// How the current epoch is trained.
    stage: Stage,
    /// Steps done.
    step: u64,
    /// Of the current epoch or, between two, of the last.
    loss: EpochLoss,
    /// The last validation, if no step came after it.
    validation: Option<(Tensor, Scores)>,
    /// The same of the scores of embeddings.
    neighbours: Option<BTreeMap<String, f64>>,
    last_checkpoint: Instant,
}

impl<'a> Run<'a> {
    fn new(
        session: &'a Session<'a>,
        weights_file: Option<&Path>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Self, TrainError> {
        let spec = session.spec;
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
        Ok(Self {
            session,
            model,
            inputs,
            optim,
            sampler,
            steps_per_epoch,
            n_steps: steps_per_epoch * u64::from(spec.fit.epochs),
            stage,
            step: 0,
            loss: EpochLoss::default(),
            validation: None,
            neighbours: None,
            last_checkpoint: Instant::now(),
        })
    }

    fn resume(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let spec = self.session.spec;
        // The optimizer's state is of the stage of the last step done.
        let n_steps = checkpoint::position(path, spec)?.step;
        let epoch = n_steps.saturating_sub(1) / self.steps_per_epoch;
        self.enter(stage_at(spec, epoch as u32))?;
        let position = checkpoint::read(path, spec, &mut self.model, &mut *self.optim)?;
        self.step = position.step;
        self.loss = EpochLoss::resumed(position.loss_sum, position.n_losses);
        Ok(())
    }

    fn epochs_done(&self) -> u32 {
        (self.step / self.steps_per_epoch) as u32
    }

    /// Trains to the end of the current epoch, validates and tells.
    fn epoch(&mut self, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        let fit = &self.session.spec.fit;
        let epoch = self.step / self.steps_per_epoch;
        let first_batch = (self.step % self.steps_per_epoch) as usize;
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
            self.train_on(batch);
            if self.looks_at_loss() {
                reporter.loss(self.read_loss()?);
            }
            n_images += batch.len();
            let images_per_s = n_images as f64 / began.elapsed().as_secs_f64();
            reporter.stepped(self.step, batch.len(), images_per_s);
        }
        self.read_loss()?;
        let images_per_s = n_images as f64 / began.elapsed().as_secs_f64();

        let mut values = BTreeMap::from([
            ("train_loss".to_owned(), self.loss.mean()),
            ("lr".to_owned(), self.lr_at(self.step - 1)),
            ("images_per_s".to_owned(), images_per_s),
        ]);
        if let Some(scores) = self.validate(reporter)? {
            values.extend(scores.named(Split::Val));
            values.extend(self.neighbours(reporter)?);
        }
        reporter.epoch_done(self.epochs_done(), &values);
        if self.step < self.n_steps && self.checkpoint_is_due() {
            self.checkpoint(reporter)?;
        }
        Ok(())
    }

    /// Trains by another stage from here on. Where another part of the network is trained, it starts
    /// from the weights that would be evaluated, with a fresh optimizer.
    fn enter(&mut self, stage: Stage) -> Result<(), OptimError> {
        if stage.trained != self.stage.trained {
            let spec = self.session.spec;
            self.optim.swap_in_eval();
            self.model
                .train_only(stage.trained, spec.adaptation.freeze_bn());
            self.model.params.flatten();
            let head_lr_mult = spec.adaptation.head_lr_mult();
            self.optim = optim::build(&spec.optimizer, &self.model.params, head_lr_mult)?;
        }
        self.stage = stage;
        Ok(())
    }

    fn train_on(&mut self, images: &[i64]) {
        let spec = self.session.spec;
        let rng = StepRng {
            seed: spec.fit.seed,
            step: self.step,
        };
        let batch = self.inputs.batch(self.session, &self.stage, images, &rng);
        let outputs = self.inputs.outputs(&self.model, &batch.x, &spec.loss, &rng);
        let mixed = batch.mixed.as_ref().map(|mixed| Mixed {
            labels: &mixed.labels,
            lambda: mixed.lambda,
        });
        let loss = loss::total(&spec.loss, &outputs, &batch.labels, mixed);
        self.model.params.zero_grad();
        loss.backward();
        let (step, n_steps) = self.scheduled(self.step);
        let momentum = momentum(&spec.schedule, step, n_steps);
        self.optim.step(self.lr_at(self.step), momentum);
        self.loss.add(&loss);
        self.step += 1;
        self.validation = None;
        self.neighbours = None;
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

    /// Scores on validation of the weights that would be shipped; none for a refit, which has no validation
    /// images.
    fn validate(&mut self, reporter: &mut Reporter<'_>) -> Result<Option<Scores>, TrainError> {
        let session = self.session;
        if session.val.is_empty() {
            return Ok(None);
        }
        if self.validation.is_none() {
            reporter.phase("validating");
            self.optim.swap_in_eval();
            let logits =
                self.inputs
                    .predict(session, &self.model, &session.val, &mut |done, total| {
                        reporter.pulse(done, total)
                    });
            self.optim.swap_out_eval();
            let logits = logits?;
            let labels = predict::labels_of(&session.manifest, &session.val);
            let scores = Scores::of(&logits, &labels);
            self.finite("validation loss", scores.loss)?;
            self.validation = Some((logits, scores));
        }
        Ok(self.validation.as_ref().map(|(_, scores)| *scores))
    }

    /// What the embeddings of the weights that would be shipped say, where a metric loss is on.
    fn neighbours(
        &mut self,
        reporter: &mut Reporter<'_>,
    ) -> Result<BTreeMap<String, f64>, TrainError> {
        let session = self.session;
        if *session.spec.loss.metric() == (MetricLoss::None {}) {
            return Ok(BTreeMap::new());
        }
        if let Some(known) = &self.neighbours {
            return Ok(known.clone());
        }
        self.optim.swap_in_eval();
        let mut embed = |indices: &[i64]| {
            self.inputs
                .embed(session, &self.model, indices, &mut |done, total| {
                    reporter.pulse(done, total)
                })
        };
        let embedded = embed(&session.val).and_then(|val| Ok((val, embed(&session.train)?)));
        self.optim.swap_out_eval();
        let (val, train) = embedded?;
        let labels = session.labels(&session.val);
        let knn = knn_top1(
            &val,
            &labels,
            &train,
            &session.labels(&session.train),
            session.manifest.classes.len() as i64,
        );
        let scores = BTreeMap::from([
            ("val_recall_at_1".to_owned(), recall_at_1(&val, &labels)),
            ("val_knn_top1".to_owned(), knn),
        ]);
        self.neighbours = Some(scores.clone());
        Ok(scores)
    }

    fn checkpoint_is_due(&self) -> bool {
        match self.inputs {
            Inputs::Images { .. } => true,
            Inputs::Features(_) => self.last_checkpoint.elapsed() >= HEAD_CHECKPOINT_INTERVAL,
        }
    }

    fn checkpoint(&mut self, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        self.read_loss()?;
        let path = checkpoint::path(&self.session.files.work_dir, self.step);
        let position = Position {
            step: self.step,
            loss_sum: self.loss.sum(),
            n_losses: self.loss.len(),
        };
        let spec = self.session.spec;
        checkpoint::write(&path, spec, &self.model, &*self.optim, position)?;
        self.last_checkpoint = Instant::now();
        reporter.checkpoint(path);
        Ok(())
    }

    /// Writes the model and the validation predictions.
    fn finish(mut self, reporter: &mut Reporter<'_>) -> Result<JobResult, TrainError> {
        let session = self.session;
        let scores = self.validate(reporter)?;
        let neighbours = match scores {
            Some(_) => self.neighbours(reporter)?,
            None => BTreeMap::new(),
        };
        let mut result = reporter.result(Outcome::Completed);
        result.metrics.insert("train_loss".into(), self.loss.mean());
        if let (Some(scores), Some((logits, _))) = (scores, &self.validation) {
            result.metrics.extend(scores.named(Split::Val));
            result.metrics.extend(neighbours);
            let path = predictions_path(&session.files.work_dir, Split::Val);
            predict::write(&path, &session.manifest, Split::Val, &session.val, logits)?;
            result.predictions = Some(path);
        }
        let path = session.files.work_dir.join("model.safetensors");
        let metadata = model_file::metadata(session.spec, &session.manifest.classes);
        self.optim.swap_in_eval();
        weights::write(
            &path,
            &self.model.params.named(),
            &metadata.into_iter().collect(),
        )?;
        result.model = Some(path);
        result.cost = reporter.result(Outcome::Completed).cost;
        Ok(result)
    }
}
