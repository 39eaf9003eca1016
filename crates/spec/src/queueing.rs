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
}

impl Default for Queueing {
    fn default() -> Self {
        Self {
            priority: 0,
            weight: 1.0,
            parallel: None,
            start_after: None,
            deadline: None,
        }
    }
}
