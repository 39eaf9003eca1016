//! What validation says of the weights, and the best of it so far.

use std::collections::{BTreeMap, HashMap};

use cultivar_spec::manifest::Split;
use cultivar_spec::trial::{Direction, EvalWeights, ObjectiveMetric};
use tch::{Device, Tensor};

use super::snapshot::Snapshot;
use crate::optim::OptimError;
use crate::optim::state::{find, saved};
use crate::params::Flat;
use crate::predict::Scores;

const LOGITS: &str = "logits";
const OTHERS: &str = "others";
const EPOCH: &str = "epoch";

/// Logits of the validation images, `[N, n_classes]` f32 on the CPU.
pub(super) struct Validation {
    /// Under the weights that count.
    pub logits: Tensor,
    /// Under the others, where there is an average beside the weights being trained.
    pub others: Option<Tensor>,
}

impl Clone for Validation {
    /// Shares the logits, which nobody changes.
    fn clone(&self) -> Self {
        Self {
            logits: self.logits.shallow_clone(),
            others: self.others.as_ref().map(Tensor::shallow_clone),
        }
    }
}

impl Validation {
    /// By metric name: `val_top1` and so on of the weights that count (`which`); of the others with their name
    /// behind it, as in `val_top1_raw`.
    pub fn metrics(&self, which: EvalWeights, labels: &Tensor) -> BTreeMap<String, f64> {
        let suffix = match which {
            EvalWeights::Ema => "_raw",
            EvalWeights::Raw => "_ema",
        };
        let mut named = Scores::of(&self.logits, labels).named(Split::Val);
        if let Some(others) = &self.others {
            named.extend(Scores::of(others, labels).named_with(Split::Val, suffix));
        }
        named
    }
}

/// The epoch with the best objective so far, and its weights.
pub(super) struct Best {
    /// Epochs done, from 1.
    pub epoch: u32,
    pub weights: Snapshot,
    pub validation: Validation,
}

impl Best {
    /// Whether other logits have a better objective than this. A tie is not better: the earlier epoch stays.
    pub fn is_beaten_by(&self, logits: &Tensor, labels: &Tensor, metric: ObjectiveMetric) -> bool {
        let of = |logits: &Tensor| Scores::of(logits, labels).objective(metric);
        let (ours, theirs) = (of(&self.validation.logits), of(logits));
        match metric.direction() {
            Direction::Maximize => theirs > ours,
            Direction::Minimize => theirs < ours,
        }
    }

    /// All that a resumed run needs, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = self.weights.state();
        state.push((EPOCH.into(), Tensor::from_slice(&[i64::from(self.epoch)])));
        state.push(saved(LOGITS, &self.validation.logits));
        let others = self.validation.others.iter();
        state.extend(others.map(|others| saved(OTHERS, others)));
        state
    }

    /// Reads what [`state`](Self::state) gave; none if it was empty. `size`: of the logits.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub fn read(
        state: &HashMap<String, Tensor>,
        flat: &Flat,
        size: &[i64],
    ) -> Result<Option<Self>, OptimError> {
        if state.is_empty() {
            return Ok(None);
        }
        let logits = |name| -> Result<Tensor, OptimError> {
            Ok(find(state, name, size)?.to_device(Device::Cpu))
        };
        let others = match state.contains_key(OTHERS) {
            true => Some(logits(OTHERS)?),
            false => None,
        };
        Ok(Some(Self {
            epoch: find(state, EPOCH, &[1])?.int64_value(&[0]) as u32,
            weights: Snapshot::read(state, flat)?,
            validation: Validation {
                logits: logits(LOGITS)?,
                others,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_keeps_the_earlier_epoch() {
        let labels = Tensor::from_slice(&[0_i64, 1]);
        let logits = |rows: [f32; 4]| Tensor::from_slice(&rows).view([2, 2]);
        let empty = Tensor::zeros([0], (tch::Kind::Float, Device::Cpu));
        let best = Best {
            epoch: 1,
            weights: Snapshot::of(&empty, &empty),
            validation: Validation {
                logits: logits([1.0, 0.0, 1.0, 0.0]),
                others: None,
            },
        };
        let beats = |rows, metric| best.is_beaten_by(&logits(rows), &labels, metric);
        let (top1, loss) = (ObjectiveMetric::ValTop1, ObjectiveMetric::ValLoss);
        assert!(beats([1.0, 0.0, 0.0, 1.0], top1) && beats([1.0, 0.0, 0.0, 1.0], loss));
        // Half right still, and surer of what is wrong.
        assert!(!beats([2.0, 0.0, 4.0, 0.0], top1) && !beats([2.0, 0.0, 4.0, 0.0], loss));
        assert!(!beats([1.0, 0.0, 1.0, 0.0], loss));
    }
}
