//! The gradient of a step, and what becomes of it where the device's memory ends.
//!
//! A pass that runs out of memory has moved nothing but the gradients, which the next one clears, where nothing couples the
//! images of a batch: so it is begun again with half as many images at once, as often as need be, and the step goes on with
//! the same batch as if nothing had been. Dropout and drop path draw for each part. Where BatchNorm takes its statistics
//! from the parts, or the loss compares images, smaller parts would be another configuration than the one that was asked
//! for, and the run ends.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cultivar_spec::trial::Sampler;
use cultivar_spec::{Outcome, TrialSpec};
use tch::Tensor;

use super::Run;
use crate::error::TrainError;
use crate::fit::inputs::{Batch, Inputs};
use crate::fit::pass::{Look, Pass};
use crate::fit::report::Reporter;
use crate::rng::StepRng;

/// Images that a pass takes at once by the spec.
pub(super) fn asked_at_once(spec: &TrialSpec) -> u32 {
    spec.fit.batch_size / spec.fit.accumulation
}

/// The next number of micro-batches that the spec admits: one that divides the batch and leaves two images to each.
fn next_accumulation(batch_size: u32, accumulation: u32) -> Option<u32> {
    (accumulation + 1..=batch_size / 2).find(|parts| batch_size.is_multiple_of(*parts))
}

impl Run<'_> {
    /// Images taken at once, where that is fewer than the spec asks for.
    pub(super) fn fewer_at_once(&self) -> Option<u32> {
        let is_fewer = self.micro_batch < asked_at_once(self.session.spec);
        is_fewer.then_some(self.micro_batch)
    }

    /// The batch's gradient, into the flat buffer, and its loss.
    ///
    /// # Errors
    /// Not even one image at once has room, or fewer of them may not be taken.
    pub(super) fn gradient(
        &mut self,
        batch: &Batch,
        rng: &StepRng,
        look: Look,
        reporter: &mut Reporter<'_>,
    ) -> Result<Tensor, TrainError> {
        loop {
            let passed = catch_unwind(AssertUnwindSafe(|| self.pass(batch, rng, look)));
            let panic = match passed {
                Ok(loss) => return Ok(loss),
                Err(panic) => panic,
            };
            let error = TrainError::of_panic(&*panic);
            if error.outcome() != Outcome::OutOfMemory {
                resume_unwind(panic);
            }
            let n = batch.labels.size()[0] as u32;
            let at_once = self.micro_batch.min(n);
            self.micro_batch = self.smaller(at_once, &error)?;
            tracing::warn!(
                "step {}: {error}; {at_once} images at once are too many, going on with {}",
                self.step,
                self.micro_batch
            );
            reporter.takes_at_once(self.micro_batch);
        }
    }

    fn pass(&mut self, batch: &Batch, rng: &StepRng, look: Look) -> Tensor {
        let pass = Pass {
            session: self.session,
            model: &mut self.model,
            inputs: &self.inputs,
            format: self.format,
            micro_batch: self.micro_batch,
            loss_scale: self.scaler.map_or(1.0, |scaler| scaler.scale()),
        };
        pass.run(batch, rng, look)
    }

    /// Half of the images that were too many at once.
    fn smaller(&self, at_once: u32, error: &TrainError) -> Result<u32, TrainError> {
        let fit = &self.session.spec.fit;
        let metric = self.session.spec.loss.metric();
        let sees_images = matches!(self.inputs, Inputs::Images { .. });
        let advice = if at_once == 1 {
            format!(
                "not even one image at once fits at resolution {}",
                fit.resolution
            )
        } else if metric.compares_images() {
            let loss = metric.kind();
            let smaller = match self.session.spec.data.sampler {
                Sampler::Pk { .. } => {
                    "a smaller p or k of data.sampler, with fit.batch_size to match,".to_owned()
                }
                Sampler::Shuffle {} | Sampler::ClassBalanced {} => {
                    format!("fit.batch_size: {}", (at_once / 2).max(2))
                }
            };
            format!("{loss} compares the images of a batch; {smaller} may fit")
        } else if sees_images && self.model.takes_batch_statistics() {
            let fewer = match next_accumulation(fit.batch_size, fit.accumulation) {
                Some(parts) => format!("fit.accumulation: {parts}"),
                None => "a lower fit.resolution".to_owned(),
            };
            format!(
                "BatchNorm takes its statistics from the {at_once} images at once, so that fewer are another configuration; \
                 {fewer} may fit"
            )
        } else {
            return Ok(at_once / 2);
        };
        Err(TrainError::OutOfMemory {
            said: error.to_string(),
            advice,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advised_is_a_spec() {
        for (batch_size, accumulation, expect) in [
            (64, 1, Some(2)),
            (50, 2, Some(5)),
            (12, 2, Some(3)),
            (4, 2, None),
            (2, 1, None),
            (7, 1, None),
        ] {
            assert_eq!(
                next_accumulation(batch_size, accumulation),
                expect,
                "{batch_size} / {accumulation}"
            );
        }
    }
}
