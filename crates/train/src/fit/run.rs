//! The training loop.
//!
//! Everything random derives from (seed, step), so a run resumed at any step ends with the weights
//! of one that was never interrupted. Inside a step the host never waits for the device: the loss
//! is summed there and read every few steps.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use cultivar_spec::manifest::Split;
use cultivar_spec::trainer::{Cost, EvaluateJob, JobResult, StopWhy, TrainJob};
use cultivar_spec::trial::Adaptation;
use cultivar_spec::wire::MetricPoint;
use cultivar_spec::{Outcome, canonical_json};
use tch::{Kind, Tensor};

use super::inputs::{self, Inputs};
use super::report::Reporter;
use super::session::Session;
use crate::data::epoch_order;
use crate::loss::training_loss;
use crate::models::{Mode, Model};
use crate::optim::{Optim, StepInput};
use crate::predict;
use crate::schedule::{lr_factor, momentum};
use crate::{TrainError, checkpoint, weights};

/// Steps between two looks at the loss.
const LOOK_EVERY: u64 = 10;
/// Epochs shorter than this do not each get a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

pub(super) fn train(
    session: Session<'_>,
    job: &TrainJob,
    reporter: &mut Reporter<'_>,
) -> Result<JobResult, TrainError> {
    let started = Instant::now();
    let (mut model, inputs) = inputs::prepare(&session, job.weights.as_deref(), reporter)?;
    let head_lr_mult = match session.spec.adaptation {
        Adaptation::Full { head_lr_mult } => head_lr_mult,
        Adaptation::HeadOnly {} => 1.0,
    };
    model.params.flatten();
    let mut optim = Optim::build(&session.spec.optimizer, model.params.flat(), head_lr_mult);
    let first_step = match &job.resume {
        Some(path) => checkpoint::read(path, &mut model, &mut optim)?,
        None => 0,
    };
    let plan = Plan::of(&session, &inputs);
    let mut run = Run {
        session,
        inputs,
        model,
        optim,
        plan,
        step: first_step,
        last_checkpoint: None,
        epoch_loss: EpochLoss::default(),
    };
    let stopped = run.epochs(&job.files.work_dir, reporter)?;

    let cost = Cost {
        images: (run.step - first_step) * run.plan.batch_size as u64,
        seconds: started.elapsed().as_secs_f64(),
        device: if run.session.device.is_cuda() {
            "cuda".into()
        } else {
            "cpu".into()
        },
        precision: "f32".into(),
        code_version: env!("CARGO_PKG_VERSION").into(),
    };
    let mut result = JobResult {
        outcome: stopped.map_or(Outcome::Completed, StopWhy::outcome),
        error: None,
        step: run.step,
        metrics: BTreeMap::new(),
        model: None,
        predictions: None,
        cost,
    };
    if stopped.is_none() {
        run.finish(&job.files.work_dir, reporter, &mut result)?;
    }
    Ok(result)
}

pub(super) fn evaluate(
    session: Session<'_>,
    job: &EvaluateJob,
    reporter: &mut Reporter<'_>,
) -> Result<JobResult, TrainError> {
    let started = Instant::now();
    let model = inputs::build(&session, Some(&job.model))?;
    let indices: Vec<i64> = session
        .manifest
        .indices(job.split)
        .into_iter()
        .map(|idx| idx as i64)
        .collect();
    if indices.is_empty() {
        return Err(TrainError::EmptySplit(job.split.name()));
    }
    reporter.phase("validating");
    // The saved model is whole, so a head-only trial is evaluated from pixels too.
    let inputs = Inputs::Images(session.spec.augment());
    let logits = inputs.predict(&session, &model, &indices, reporter);
    let labels = predict::labels_of(&session.manifest, &indices);
    let path = job
        .files
        .work_dir
        .join(format!("{}-predictions.safetensors", job.split.name()));
    predict::write(&path, &session.manifest, job.split, &indices, &logits)?;
    Ok(JobResult {
        outcome: Outcome::Completed,
        error: None,
        step: 0,
        metrics: predict::scores(job.split, &logits, &labels),
        model: None,
        predictions: Some(path),
        cost: Cost {
            images: indices.len() as u64,
            seconds: started.elapsed().as_secs_f64(),
            device: if session.device.is_cuda() {
                "cuda".into()
            } else {
                "cpu".into()
            },
            precision: "f32".into(),
            code_version: env!("CARGO_PKG_VERSION").into(),
        },
    })
}

/// The run's length, in numbers.
#[derive(Clone, Copy, Debug)]
struct Plan {
    n_epochs: u32,
    batch_size: usize,
    steps_per_epoch: u64,
    n_steps: u64,
}

impl Plan {
    fn of(session: &Session<'_>, inputs: &Inputs) -> Self {
        let fit = &session.spec.fit;
        let batch_size = fit.batch_size as usize;
        let n_train = session.train.len();
        let mut steps_per_epoch = n_train.div_ceil(batch_size);
        // BatchNorm has no statistics of a single image: such a last batch is left out.
        if matches!(inputs, Inputs::Images(_)) && n_train % batch_size == 1 && steps_per_epoch > 1 {
            steps_per_epoch -= 1;
        }
        let steps_per_epoch = steps_per_epoch as u64;
        Self {
            n_epochs: fit.epochs,
            batch_size,
            steps_per_epoch,
            n_steps: steps_per_epoch * u64::from(fit.epochs),
        }
    }
}

/// The training loss of an epoch, summed on the device.
#[derive(Default)]
struct EpochLoss {
    unread: Option<Tensor>,
    n_unread: u64,
    sum: f64,
    n: u64,
}

impl EpochLoss {
    fn add(&mut self, loss: Tensor) {
        let loss = loss.detach();
        self.unread = Some(match self.unread.take() {
            Some(sum) => sum + loss,
            None => loss,
        });
        self.n_unread += 1;
    }

    /// The mean since the last look: waits for the device.
    fn look(&mut self) -> Option<f64> {
        let sum = self.unread.take()?.double_value(&[]);
        let mean = sum / self.n_unread as f64;
        self.sum += sum;
        self.n += self.n_unread;
        self.n_unread = 0;
        Some(mean)
    }

    fn mean(&self) -> f64 {
        self.sum / self.n.max(1) as f64
    }
}

struct Run<'a> {
    session: Session<'a>,
    inputs: Inputs,
    model: Model,
    optim: Optim,
    plan: Plan,
    /// Steps done.
    step: u64,
    last_checkpoint: Option<(u64, Instant)>,
    epoch_loss: EpochLoss,
}

impl Run<'_> {
    /// Trains to the end, or until told to stop.
    fn epochs(
        &mut self,
        work_dir: &Path,
        reporter: &mut Reporter<'_>,
    ) -> Result<Option<StopWhy>, TrainError> {
        let plan = self.plan;
        reporter.begin(plan.n_epochs, self.step, plan.n_steps);
        while self.step < plan.n_steps {
            let epoch = self.step / plan.steps_per_epoch;
            let order = epoch_order(&self.session.train, self.session.spec.fit.seed, epoch);
            let batches = order
                .chunks(plan.batch_size)
                .take(plan.steps_per_epoch as usize);
            let first_batch = (self.step % plan.steps_per_epoch) as usize;
            self.epoch_loss = EpochLoss::default();
            reporter.phase("training");
            for batch in batches.skip(first_batch) {
                if let Some(why) = reporter.order() {
                    if why == StopWhy::Preempt {
                        self.checkpoint(work_dir, reporter)?;
                    }
                    return Ok(Some(why));
                }
                self.one_step(batch);
                reporter.stepped(
                    self.step,
                    (self.step / plan.steps_per_epoch) as u32,
                    plan.batch_size as u64,
                );
                if self.step % LOOK_EVERY == 0 {
                    self.look_at_loss(reporter)?;
                }
            }
            self.look_at_loss(reporter)?;
            self.end_epoch(epoch as u32 + 1, work_dir, reporter)?;
        }
        Ok(None)
    }

    fn one_step(&mut self, batch: &[i64]) {
        let spec = self.session.spec;
        let batch = self.inputs.batch(&self.session, batch, self.step);
        let mode = Mode::Train {
            seed: spec.fit.seed,
            step: self.step,
        };
        let logits = self.inputs.logits(&self.model, &batch.x, mode);
        let loss = training_loss(&spec.loss, &logits, &batch.labels, batch.mixed.as_ref());
        loss.backward();
        let input = StepInput {
            lr: spec.optimizer.lr() * lr_factor(&spec.schedule, self.step, self.plan.n_steps),
            momentum: momentum(&spec.schedule, self.step, self.plan.n_steps),
        };
        self.optim.step(self.model.params.flat(), input);
        self.epoch_loss.add(loss);
        self.step += 1;
    }

    fn look_at_loss(&mut self, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        let Some(loss) = self.epoch_loss.look() else {
            return Ok(());
        };
        if !loss.is_finite() {
            let checkpoint = match self.last_checkpoint {
                Some((step, _)) => format!("the last good checkpoint is of step {step}"),
                None => "there is no checkpoint before it".into(),
            };
            return Err(TrainError::Diverged {
                loss,
                step: self.step,
                checkpoint,
            });
        }
        reporter.loss(loss);
        Ok(())
    }

    fn end_epoch(
        &mut self,
        epoch: u32,
        work_dir: &Path,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), TrainError> {
        let spec = self.session.spec;
        let lr = spec.optimizer.lr() * lr_factor(&spec.schedule, self.step - 1, self.plan.n_steps);
        let mut values = BTreeMap::from([
            ("train_loss".to_owned(), self.epoch_loss.mean()),
            ("lr".to_owned(), lr),
        ]);
        if let Some(images_per_s) = reporter.images_per_s() {
            values.insert("images_per_s".into(), images_per_s);
        }
        let last = epoch == self.plan.n_epochs;
        if !self.session.val.is_empty() && !last {
            // The last epoch is validated once, with the predictions that are kept.
            let (_, scores) = self.validate(reporter);
            values.extend(scores);
        }
        self.report(epoch, values, reporter);
        let due = self
            .last_checkpoint
            .is_none_or(|(_, written)| written.elapsed() >= CHECKPOINT_INTERVAL);
        if !last && (due || matches!(self.inputs, Inputs::Images(_))) {
            self.checkpoint(work_dir, reporter)?;
        }
        Ok(())
    }

    fn report(&self, epoch: u32, values: BTreeMap<String, f64>, reporter: &mut Reporter<'_>) {
        let point = |(metric, value)| MetricPoint {
            metric,
            step: self.step,
            epoch: f64::from(epoch),
            value,
        };
        reporter.metrics(values.into_iter().map(point).collect());
    }

    /// Logits and scores on validation, with the weights that count.
    fn validate(&self, reporter: &mut Reporter<'_>) -> (Tensor, BTreeMap<String, f64>) {
        reporter.phase("validating");
        let val = &self.session.val;
        let logits = self.optim.with_eval_params(self.model.params.flat(), || {
            self.inputs
                .predict(&self.session, &self.model, val, reporter)
        });
        let labels = predict::labels_of(&self.session.manifest, val);
        let scores = predict::scores(Split::Val, &logits, &labels);
        (logits, scores)
    }

    fn checkpoint(
        &mut self,
        work_dir: &Path,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), TrainError> {
        let path = work_dir.join(format!("checkpoint-{}.safetensors", self.step));
        checkpoint::write(&path, &self.model, &self.optim, self.step)?;
        let epoch = (self.step / self.plan.steps_per_epoch) as u32;
        self.last_checkpoint = Some((self.step, Instant::now()));
        reporter.checkpoint(path, epoch, self.step);
        Ok(())
    }

    /// Writes the model and the validation predictions.
    fn finish(
        &mut self,
        work_dir: &Path,
        reporter: &mut Reporter<'_>,
        result: &mut JobResult,
    ) -> Result<(), TrainError> {
        let mut metrics = BTreeMap::from([("train_loss".to_owned(), self.epoch_loss.mean())]);
        if self.epoch_loss.n == 0 {
            metrics.clear(); // resumed from a checkpoint of the very last step
        }
        if !self.session.val.is_empty() {
            let (logits, scores) = self.validate(reporter);
            self.report(self.plan.n_epochs, scores.clone(), reporter);
            metrics.extend(scores);
            let path = work_dir.join("val-predictions.safetensors");
            predict::write(
                &path,
                &self.session.manifest,
                Split::Val,
                &self.session.val,
                &logits,
            )?;
            result.predictions = Some(path);
        }
        let path = work_dir.join("model.safetensors");
        let named = self
            .optim
            .with_eval_params(self.model.params.flat(), || self.model.params.named());
        let named: Vec<_> = named
            .into_iter()
            .map(|(name, tensor)| (name, tensor.to_kind(Kind::Float)))
            .collect();
        let metadata = HashMap::from([
            ("format".to_owned(), "pt".to_owned()),
            (
                "cultivar.spec".to_owned(),
                canonical_json(self.session.spec),
            ),
            (
                "cultivar.classes".to_owned(),
                canonical_json(&self.session.manifest.classes),
            ),
        ]);
        weights::write(&path, &named, metadata)?;
        result.model = Some(path);
        result.metrics = metrics;
        Ok(())
    }
}
