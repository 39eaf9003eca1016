//! What a sampler is told of configurations tried before.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A configuration that was proposed, here or in another sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// The number it was asked for by; one sweep's numbers differ.
    pub number: u32,
    /// What was proposed. One that lies outside the space is left out of account.
    pub overlay: Value,
    pub state: PastState,
    #[serde(default)]
    pub origin: Origin,
}

/// How far a past configuration has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PastState {
    /// Proposed, no result yet.
    Pending {},
    Scored {
        /// Means over the seeds, one per objective, **larger is better**: negate what is minimised. One that
        /// is not finite makes the whole entry a failed one.
        values: Vec<f64>,
        /// How many seeds the means are over; at least 1.
        n_seeds: u32,
        /// Seconds one seed took; not above 0 where unknown.
        cost_s: f64,
    },
    /// Ended without a result, through the configuration's own fault (it diverged, did not fit in memory):
    /// models take it for a bad one. What failed through no fault of its own is better left out.
    Failed {},
}

/// Where a past configuration comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// This sweep.
    #[default]
    Own,
    /// Another sweep, of this dataset or another. Its values are compared only with each other, so another
    /// metric does no harm, and its configurations may be tried again here.
    Foreign {
        /// Tells sweeps apart.
        source: u32,
        /// What one of its results counts for beside an own one, in (0, 1].
        weight: f64,
    },
}

impl PastState {
    /// The values of a configuration that counts as scored.
    pub(super) fn values(&self) -> Option<&[f64]> {
        match self {
            Self::Scored { values, .. } if !values.is_empty() => values
                .iter()
                .all(|value| value.is_finite())
                .then_some(values),
            _ => None,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending {})
    }
}
