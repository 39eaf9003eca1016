use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::wire::{CheckpointRef, MetricValue, Order};
use crate::{LeaseId, Outcome, TrialId};

/// `POST /api/v1/sweeps/{id}/ask`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// Who asks, for people.
    #[schemars(length(min = 1, max = 200))]
    pub worker: String,
    /// How long the server may hold the request while there is nothing to train, in seconds.
    #[schemars(range(min = 0.0, max = 60.0))]
    pub wait_s: f64,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            worker: "external".into(),
            wait_s: 0.0,
        }
    }
}

/// A trial to train, or none for now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// The right to report on it; `null` while there is nothing to train.
    pub lease: Option<LeaseId>,
    pub trial: Option<TrialId>,
    /// Its settings.
    pub params: Map<String, Value>,
    pub seed: u64,
    /// How long it should train, in whatever its reports count.
    pub epochs: u32,
    /// Where an earlier attempt got to, if it named a checkpoint.
    pub resume: Option<CheckpointRef>,
    /// A lease not heard of for this long is given to somebody else, in seconds.
    pub lease_s: f64,
    /// Every trial of the sweep is settled, and no more will come.
    pub finished: bool,
}

/// `POST /api/v1/leases/{id}/report`: the value after so many epochs. Sent again, it changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochReport {
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub epoch: u32,
    pub value: MetricValue,
}

/// What is wanted of an external trial.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// It should end now: as `pruned`, `cancelled` or, where it is to go on later, `yielded`.
    pub stop: bool,
    pub order: Order,
}

impl From<Order> for Verdict {
    fn from(order: Order) -> Self {
        Self {
            stop: order != Order::Continue,
            order,
        }
    }
}

/// `POST /api/v1/leases/{id}/complete`: the last word. Sent again, it gets the same answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    #[serde(default = "completed")]
    pub outcome: Outcome,
    /// Final value of what the sweep optimises; a completed trial has one.
    #[serde(default)]
    pub value: Option<MetricValue>,
    /// Other final values by name, for people.
    #[serde(default)]
    pub metrics: BTreeMap<String, MetricValue>,
    /// What went wrong, if something did.
    #[serde(default)]
    pub error: Option<String>,
    /// What it took.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1e12))]
    pub seconds: f64,
}

fn completed() -> Outcome {
    Outcome::Completed
}
