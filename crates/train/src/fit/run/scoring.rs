//! Which weights are scored, kept and shipped.

use std::collections::{BTreeMap, HashMap};

use cultivar_spec::manifest::Split;
use cultivar_spec::trainer::JobResult;
use cultivar_spec::trial::{EvalWeights, Select};
use cultivar_spec::{Outcome, canonical_json};

use super::{Run, flat};
use crate::error::TrainError;
use crate::fit::evaluation::predictions_path;
use crate::fit::report::Reporter;
use crate::fit::snapshot::Snapshot;
use crate::fit::validation::{Best, Validation};
use crate::{predict, weights};

impl Run<'_> {
    /// One set of weights of the two that there may be, shared with its owner.
    fn weights(&self, which: EvalWeights) -> Snapshot {
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
            self.validation = Some(Validation { logits, others });
        }
        let labels = session.val_labels();
        let metrics = match &self.validation {
            Some(validation) => validation.metrics(which, &labels),
            None => BTreeMap::new(),
        };
        self.finite("validation loss", metrics["val_loss"])?;
        Ok(metrics)
    }

    /// Takes the weights just validated for the best, if they are.
    pub(super) fn keep_the_best(&mut self) {
        let spec = self.session.spec;
        let (Select::Best, Some(validation)) = (spec.fit.select, &self.validation) else {
            return;
        };
        let labels = self.session.val_labels();
        let metric = spec.objective.metric;
        let beaten = |best: &Best| best.is_beaten_by(&validation.logits, &labels, metric);
        if self.best.as_ref().is_none_or(beaten) {
            self.best = Some(Best {
                epoch: self.epochs_done,
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
        let metadata = HashMap::from([
            ("format".to_owned(), "pt".to_owned()),
            ("spec".to_owned(), canonical_json(session.spec)),
            (
                "classes".to_owned(),
                canonical_json(&session.manifest.classes),
            ),
        ]);
        weights.put_into(flat(&self.model));
        weights::write(&path, &self.model.params.named(), &metadata)?;
        result.model = Some(path);
        result.cost = reporter.result(Outcome::Completed).cost;
        Ok(result)
    }
}
