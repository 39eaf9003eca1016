//! The gradient of one batch: forward and backward passes, as many as its micro-batches.
//!
//! A gradient is a mean over images, so that of a batch is the weighted mean of those of its parts. What couples the
//! images of a batch sees the parts instead: BatchNorm takes its statistics from each of them, and moves its running
//! ones once for each. Mixing happens before the split; dropout and drop path draw anew for every part.

use tch::{Kind, Tensor};

use super::inputs::{Batch, Inputs};
use super::session::Session;
use crate::loss::{self, Mixed, Outputs};
use crate::models::{Mode, Model};
use crate::precision::Format;
use crate::rng::StepRng;
use crate::scarcity;

/// How a batch is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    First,
    /// Once more, with the same draws, from moved weights. BatchNorm's running statistics stay.
    Second,
}

/// What a pass runs on.
pub(super) struct Pass<'a> {
    pub session: &'a Session<'a>,
    pub model: &'a mut Model,
    pub inputs: &'a Inputs,
    pub format: Format,
    /// Images of a part, about.
    pub micro_batch: u32,
    /// What the loss is multiplied by on its way back, and the gradients divided by.
    pub loss_scale: f64,
}

impl Pass<'_> {
    /// Leaves the gradient of the mean loss in the flat buffer, in place of what was there, and gives that loss, a
    /// scalar f32 on the device.
    pub fn run(self, batch: &Batch, rng: &StepRng, look: Look) -> Tensor {
        self.model.params.zero_grad();
        let n = batch.labels.size()[0];
        // Single images are asked for only where nothing needs two.
        let micro_batch = i64::from(self.micro_batch);
        let smallest = micro_batch.min(self.inputs.min_batch() as i64);
        let mut sum: Option<Tensor> = None;
        for (part_idx, (start, len)) in parts(n, micro_batch, smallest).into_iter().enumerate() {
            scarcity::meet(rng.step, len);
            let part = batch.part(start, len);
            let loss = self.loss(&part, &rng.part(part_idx as u64), look);
            let share = len as f64 / n as f64;
            scaled(&loss, share * self.loss_scale).backward();
            let loss = scaled(&loss.detach(), share);
            sum = Some(match sum {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        if self.loss_scale != 1.0 {
            let flat = self.model.params.flat().expect("flat before training");
            let _ = flat
                .grads
                .shallow_clone()
                .g_mul_scalar_(1.0 / self.loss_scale);
        }
        sum.expect("a batch has a part")
    }

    fn loss(&self, batch: &Batch, rng: &StepRng, look: Look) -> Tensor {
        let mode = match look {
            Look::First => Mode::Train { rng },
            Look::Second => Mode::Again { rng },
        };
        let spec = &self.session.spec.loss;
        let seen = self.format.autocast(self.session.device, || {
            self.inputs.outputs(self.model, &batch.x, spec, mode)
        });
        let outputs = Outputs {
            logits: seen.logits.to_kind(Kind::Float),
            embedding: seen.embedding.to_kind(Kind::Float),
        };
        let mixed = batch.mixed.as_ref().map(|mixed| Mixed {
            labels: &mixed.labels,
            lambda: mixed.lambda,
        });
        loss::total(spec, &outputs, &batch.labels, mixed)
    }
}

/// Start and length of the parts of `n` images, about `micro_batch` each and none smaller than `min`.
fn parts(n: i64, micro_batch: i64, min: i64) -> Vec<(i64, i64)> {
    let n_parts = ((n + micro_batch - 1) / micro_batch).min(n / min).max(1);
    let start = |part: i64| n * part / n_parts;
    (0..n_parts)
        .map(|part| (start(part), start(part + 1) - start(part)))
        .collect()
}

fn scaled(loss: &Tensor, factor: f64) -> Tensor {
    if factor == 1.0 {
        return loss.shallow_clone();
    }
    loss * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_batch_evenly_and_are_large_enough() {
        assert_eq!(parts(12, 12, 2), [(0, 12)]);
        assert_eq!(parts(12, 4, 2), [(0, 4), (4, 4), (8, 4)]);
        assert_eq!(parts(13, 12, 2), [(0, 6), (6, 7)]);
        assert_eq!(parts(3, 2, 2), [(0, 3)]);
        assert_eq!(parts(3, 1, 1), [(0, 1), (1, 1), (2, 1)]);
        for n in 2..40 {
            for micro_batch in 2..10 {
                let parts = parts(n, micro_batch, 2);
                assert_eq!(parts.iter().map(|part| part.1).sum::<i64>(), n);
                assert!(parts.iter().all(|part| part.1 >= 2), "{n} {micro_batch}");
            }
        }
    }
}
