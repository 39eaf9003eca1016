//! Which weights are scored, kept and shipped.

use std::collections::BTreeMap;

use cultivar_spec::manifest::Split;
use cultivar_spec::trainer::{Cost, JobResult};
use cultivar_spec::trial::{EvalWeights, MetricLoss, Select};
use cultivar_spec::{Outcome, model_file};

use super::{Run, flat};
use crate::error::TrainError;
use crate::fit::evaluation::predictions_path;
use crate::fit::latency::latency_ms;
use crate::fit::report::Reporter;
use crate::fit::snapshot::Snapshot;
use crate::fit::validation::{Best, Neighbours, Validation};
use crate::neighbours::{knn_top1, recall_at_1};
use crate::{predict, weights};

impl Run<'_> {
    /// One set of weights of the two that there may be, shared with its owner.
    pub(super) fn weights(&self, which: EvalWeights) -> Snapshot {
        let flat = flat(&self.model);
        match (which, &self.ema) {
            (EvalWeights::Ema, Some(ema)) => Snapshot::of(ema.values(), ema.buffers()),
            _ => {
                let values = self.optim.slow_values().unwrap_or(&flat.values);
                Snapshot::of(values, &flat.buffers)
            }
        }
    }

    /// Metrics on validation of the weights that would be shipped and, with `_raw` or `_ema` behind their names, of the
    /// others; none for a refit, which has no validation images.
    pub(super) fn validate(
        &mut self,
        reporter: &mut Reporter<'_>,
    ) -> Result<BTreeMap<String, f64>, TrainError> {
        let session = self.session;
        if session.val.is_empty() {
            return Ok(BTreeMap::new());
        }
        let which = session.spec.fit.eval_weights();
        if self.validation.is_none() {
            reporter.phase("validating");
            let mut predict = |which| {
                self.weights(which).lent_to(flat(&self.model), || {
                    let pulse = &mut |done, total| reporter.pulse(done, total);
                    self.inputs
                        .predict(session, &self.model, &session.val, pulse)
                })
            };
            let logits = predict(which)?;
            let others = match (which, &self.ema) {
                (_, None) => None,
                (EvalWeights::Ema, Some(_)) => Some(predict(EvalWeights::Raw)?),
                (EvalWeights::Raw, Some(_)) => Some(predict(EvalWeights::Ema)?),
            };
            let neighbours = self.neighbours(reporter)?;
            self.validation = Some(Validation {
                logits,
                others,
                neighbours,
            });
        }
        let labels = session.val_labels();
        let metrics = match &self.validation {
            Some(validation) => validation.metrics(which, &labels),
            None => BTreeMap::new(),
        };
        self.finite("validation loss", metrics["val_loss"])?;
        Ok(metrics)
    }

    /// What the embeddings of the weights that would be shipped say, where a metric loss is on.
    fn neighbours(&self, reporter: &mut Reporter<'_>) -> Result<Option<Neighbours>, TrainError> {
        let session = self.session;
        if *session.spec.loss.metric() == (MetricLoss::None {}) {
            return Ok(None);
        }
        let weights = self.weights(session.spec.fit.eval_weights());
        let embedded = weights.lent_to(flat(&self.model), || {
            let mut embed = |indices: &[i64]| {
                let pulse = &mut |done, total| reporter.pulse(done, total);
                self.inputs.embed(session, &self.model, indices, pulse)
            };
            embed(&session.val).and_then(|val| Ok((val, embed(&session.train)?)))
        });
        let (val, train) = embedded?;
        let labels = session.labels(&session.val);
        let train_labels = session.labels(&session.train);
        let n_classes = session.manifest.classes.len() as i64;
        Ok(Some(Neighbours {
            recall_at_1: recall_at_1(&val, &labels),
            knn_top1: knn_top1(&val, &labels, &train, &train_labels, n_classes),
        }))
    }

    /// Takes the weights just validated, with these metrics, for the best, if they are.
    pub(super) fn keep_the_best(&mut self, metrics: &BTreeMap<String, f64>) {
        let spec = self.session.spec;
        let (Select::Best, Some(validation)) = (spec.fit.select, &self.validation) else {
            return;
        };
        let score = metrics[spec.objective.metric.name()];
        let beaten = |best: &Best| best.is_beaten_by(score, spec.objective.direction);
        if self.best.as_ref().is_none_or(beaten) {
            self.best = Some(Best {
                epoch: self.epochs_done,
                score,
                weights: self.weights(spec.fit.eval_weights()).copy(),
                validation: validation.clone(),
            });
        }
    }

    /// Writes the model and the validation predictions.
    pub(super) fn finish(mut self, reporter: &mut Reporter<'_>) -> Result<JobResult, TrainError> {
        let session = self.session;
        let which = session.spec.fit.eval_weights();
        let mut metrics = BTreeMap::from([("train_loss".to_owned(), self.loss.mean())]);
        let (weights, validation) = match self.best.take() {
            Some(best) => {
                metrics.insert("selected_epoch".to_owned(), best.epoch.into());
                (best.weights, Some(best.validation))
            }
            None => {
                self.validate(reporter)?;
                (self.weights(which), self.validation.take())
            }
        };
        let mut result = reporter.result(Outcome::Completed);
        if let Some(validation) = validation {
            metrics.extend(validation.metrics(which, &session.val_labels()));
            let path = predictions_path(&session.files.work_dir, Split::Val);
            let (val, logits) = (&session.val, &validation.logits);
            predict::write(&path, &session.manifest, Split::Val, val, logits)?;
            result.predictions = Some(path);
        }
        result.metrics = metrics;
        let path = session.files.work_dir.join("model.safetensors");
        let metadata = model_file::metadata(session.spec, &session.manifest.classes);
        weights.put_into(flat(&self.model));
        let metadata = metadata.into_iter().collect();
        weights::write(&path, &self.model.params.named(), &metadata)?;
        result.model = Some(path);
        reporter.phase("timing a prediction");
        result.cost = Cost {
            n_params: self.model.params.n_scalars() as u64,
            latency_ms: Some(latency_ms(session, &self.model)),
            ..reporter.result(Outcome::Completed).cost
        };
        Ok(result)
    }
}
