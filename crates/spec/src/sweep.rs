//! A sweep: a base spec, a space of variations, and how to walk it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MAX_SEED;
use crate::queueing::Queueing;

/// What `cultivar sweep submit` sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepSpec {
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// A trial spec; fields left out take their defaults.
    #[serde(default = "empty_object")]
    pub base: Value,
    /// What varies: see `crate::space`. Laid over `base`, field by field.
    #[serde(default = "empty_object")]
    pub space: Value,
    #[serde(default)]
    pub sampler: Sampler,
    #[serde(default)]
    pub budget: Budget,
    /// Every configuration is trained once with each of these, unless the space gives it a `fit.seed`
    /// of its own.
    #[serde(default = "one_seed")]
    #[schemars(length(min = 1, max = 1000), inner(range(max = MAX_SEED)))]
    pub seeds: Vec<u64>,
    /// How it shares the workers with other sweeps.
    #[serde(default)]
    pub queueing: Queueing,
}

fn empty_object() -> Value {
    Value::Object(Default::default())
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

/// How configurations are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampler {
    /// Every combination of a space of choices.
    Grid {},
    /// Independent draws; needs `budget.configs`.
    Random {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
    },
}

impl Default for Sampler {
    fn default() -> Self {
        Self::Grid {}
    }
}

/// When a sweep has had enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Most configurations drawn (each is trained once per seed).
    #[schemars(range(min = 1, max = 100000))]
    pub configs: Option<u32>,
}
