//! How a sweep shares the workers with others.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which trials go first, how many at once, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Queueing {
    /// While a sweep of a higher priority has trials waiting, none of a lower one begins. Trials that have begun are
    /// never interrupted for it.
    #[schemars(range(min = -100, max = 100))]
    pub priority: i32,
    /// Sweeps of one priority share the workers in proportion to their weights, counted in trials.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub weight: f64,
    /// Most trials that are handed to workers at once; `null` for no limit.
    #[schemars(range(min = 1, max = 100000))]
    pub parallel: Option<u32>,
    /// No trial begins before.
    pub start_after: Option<DateTime<Utc>>,
    /// Trials that have not settled by then are cancelled.
    pub deadline: Option<DateTime<Utc>>,
    /// What a machine must have to be handed one of its trials.
    pub needs: Needs,
}

/// What a job needs of the machine that gets it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// `cpu` or `cuda`; `null` for either.
    #[schemars(length(min = 1, max = 64))]
    pub device: Option<String>,
    /// Free memory of the device, in bytes.
    pub memory_bytes: Option<u64>,
    /// Labels that its worker was started with.
    #[schemars(length(max = 32), inner(length(min = 1, max = 64)))]
    pub labels: Vec<String>,
}

/// What a machine has to offer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Offer<'a> {
    pub device: &'a str,
    /// Unknown is taken for none.
    pub memory_bytes: Option<u64>,
    pub labels: &'a [String],
}

impl Needs {
    /// Whether a machine will do.
    pub fn are_met_by(&self, offer: &Offer<'_>) -> bool {
        self.device
            .as_deref()
            .is_none_or(|kind| kind == offer.device)
            && self
                .memory_bytes
                .is_none_or(|needed| needed <= offer.memory_bytes.unwrap_or(0))
            && self.labels.iter().all(|label| offer.labels.contains(label))
    }

    /// Nothing is kept where any machine will do.
    pub fn or_none(&self) -> Option<&Self> {
        (*self != Self::default()).then_some(self)
    }
}

impl Default for Queueing {
    fn default() -> Self {
        Self {
            priority: 0,
            weight: 1.0,
            parallel: None,
            start_after: None,
            deadline: None,
            needs: Needs::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_does_where_it_has_everything() {
        let labels = ["big".to_owned(), "lab".to_owned()];
        let offer = Offer {
            device: "cuda",
            memory_bytes: Some(8),
            labels: &labels,
        };
        let met = |needs: serde_json::Value| {
            let needs: Needs = serde_json::from_value(needs).unwrap();
            needs.are_met_by(&offer)
        };
        assert!(met(serde_json::json!({})));
        assert!(met(
            serde_json::json!({"device": "cuda", "memory_bytes": 8, "labels": ["lab"]})
        ));
        assert!(!met(serde_json::json!({"device": "cpu"})));
        assert!(!met(serde_json::json!({"memory_bytes": 9})));
        assert!(!met(serde_json::json!({"labels": ["lab", "small"]})));
    }
}
