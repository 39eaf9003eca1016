//! What validation says of the weights, and the best of it so far.

use std::collections::{BTreeMap, HashMap};

use cultivar_spec::manifest::Split;
use cultivar_spec::trial::{Direction, EvalWeights};
use tch::{Device, Tensor};

use super::snapshot::Snapshot;
use crate::optim::OptimError;
use crate::optim::state::{find, saved};
use crate::params::Flat;
use crate::predict::Scores;

const LOGITS: &str = "logits";
const OTHERS: &str = "others";
const EPOCH: &str = "epoch";
const SCORE: &str = "score";
const NEIGHBOURS: &str = "neighbours";

/// What the embeddings of the weights that count say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Neighbours {
    /// `val_recall_at_1`.
    pub recall_at_1: f64,
    /// `val_knn_top1`.
    pub knn_top1: f64,
}

/// Logits of the validation images, `[N, n_classes]` f32 on the CPU.
pub(super) struct Validation {
    /// Under the weights that count.
    pub logits: Tensor,
    /// Under the others, where there is an average beside the weights being trained.
    pub others: Option<Tensor>,
    /// Where a metric loss is on.
    pub neighbours: Option<Neighbours>,
}

impl Clone for Validation {
    /// Shares the logits, which nobody changes.
    fn clone(&self) -> Self {
        Self {
            logits: self.logits.shallow_clone(),
            others: self.others.as_ref().map(Tensor::shallow_clone),
            neighbours: self.neighbours,
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
        if let Some(neighbours) = self.neighbours {
            named.insert("val_recall_at_1".into(), neighbours.recall_at_1);
            named.insert("val_knn_top1".into(), neighbours.knn_top1);
        }
        named
    }
}

/// The epoch with the best objective so far, and its weights.
pub(super) struct Best {
    /// Epochs done, from 1.
    pub epoch: u32,
    /// Its objective.
    pub score: f64,
    pub weights: Snapshot,
    pub validation: Validation,
}

impl Best {
    /// Whether another score is better than this. A tie is not: the earlier epoch stays.
    pub fn is_beaten_by(&self, score: f64, direction: Direction) -> bool {
        match direction {
            Direction::Maximize => score > self.score,
            Direction::Minimize => score < self.score,
        }
    }

    /// All that a resumed run needs, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = self.weights.state();
        state.push((EPOCH.into(), Tensor::from_slice(&[i64::from(self.epoch)])));
        state.push((SCORE.into(), Tensor::from_slice(&[self.score])));
        state.push(saved(LOGITS, &self.validation.logits));
        let neighbours = self.validation.neighbours.iter();
        state.extend(neighbours.map(|of| {
            let values = Tensor::from_slice(&[of.recall_at_1, of.knn_top1]);
            (NEIGHBOURS.to_owned(), values)
        }));
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
        let neighbours = match state.contains_key(NEIGHBOURS) {
            true => {
                let values = find(state, NEIGHBOURS, &[2])?;
                Some(Neighbours {
                    recall_at_1: values.double_value(&[0]),
                    knn_top1: values.double_value(&[1]),
                })
            }
            false => None,
        };
        Ok(Some(Self {
            epoch: find(state, EPOCH, &[1])?.int64_value(&[0]) as u32,
            score: find(state, SCORE, &[1])?.double_value(&[0]),
            weights: Snapshot::read(state, flat)?,
            validation: Validation {
                logits: logits(LOGITS)?,
                others,
                neighbours,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_keeps_the_earlier_epoch() {
        let empty = Tensor::zeros([0], (tch::Kind::Float, Device::Cpu));
        let best = Best {
            epoch: 1,
            score: 0.5,
            weights: Snapshot::of(&empty, &empty),
            validation: Validation {
                logits: empty.shallow_clone(),
                others: None,
                neighbours: None,
            },
        };
        for (score, higher, lower) in [(0.4, false, true), (0.5, false, false), (0.6, true, false)]
        {
            assert_eq!(best.is_beaten_by(score, Direction::Maximize), higher);
            assert_eq!(best.is_beaten_by(score, Direction::Minimize), lower);
        }
    }
}
