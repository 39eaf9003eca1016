//! A sweep: a base spec, a space of variations, and how to walk it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::queueing::Queueing;
use crate::scheduler::Scheduler;
use crate::{MAX_SEED, SweepId};

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
    /// Combinations that are never tried. Each is a space of its own, with the same nodes: a configuration
    /// is forbidden where it lies inside every field that the entry names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub forbid: Vec<Value>,
    /// Known good points of `space`, tried first in this order. Each gives a value to all that varies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub warm_start: Vec<Value>,
    /// Other sweeps, on this dataset or another, whose earlier results the sampler learns from where they lie inside `space`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("uniqueItems" = true))]
    pub learn_from: Vec<SweepId>,
    /// Costs that are to be low beside a good objective: the sampler then looks for the best compromises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("uniqueItems" = true))]
    pub against: Vec<CostMetric>,
    #[serde(default)]
    pub sampler: Sampler,
    /// Which trials stop before their end.
    #[serde(default)]
    pub scheduler: Scheduler,
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

/// What a configuration costs, smaller is better: fields of [`Cost`](crate::trainer::Cost), or metrics of that name
/// that an external trial reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostMetric {
    /// Seconds of training.
    Seconds,
    /// Scalars in the model's parameters.
    NParams,
    /// Milliseconds in which the model predicts one image where it was trained.
    LatencyMs,
}

impl CostMetric {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::NParams => "n_params",
            Self::LatencyMs => "latency_ms",
        }
    }
}

fn empty_object() -> Value {
    Value::Object(Default::default())
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

/// How configurations are drawn. Every proposal is a function of `seed`, its number and what had been
/// seen by then. All but `grid` need `budget.configs`, and `auto` does where the space is not small.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampler {
    /// Picks by space and budget: every combination where that is affordable, else a Gaussian process,
    /// and the tree-structured Parzen estimator where that has too much to learn from.
    Auto {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
    },
    /// Every combination of a finite space.
    Grid {},
    /// Independent draws.
    Random {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
    },
    /// Evenly spread draws: a scrambled Sobol sequence.
    Sobol {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
    },
    /// Tree-structured Parzen estimator: follows the density of the good configurations.
    Tpe {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
        /// Results to wait for before the model is asked.
        #[serde(default = "ten")]
        #[schemars(range(min = 2, max = 1000))]
        n_startup: u32,
        /// Draws from the good density, of which the most promising is proposed.
        #[serde(default = "n_tpe_candidates")]
        #[schemars(range(min = 1, max = 1000))]
        n_candidates: u32,
        /// Divide what a configuration promises by the seconds it is expected to take.
        #[serde(default)]
        cost_aware: bool,
    },
    /// Gaussian process with noise, conditioned on 200 results at most: the best and an even selection of the others.
    Gp {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
        /// Results to wait for before the model is asked.
        #[serde(default = "ten")]
        #[schemars(range(min = 2, max = 1000))]
        n_startup: u32,
        /// Divide what a configuration promises by the seconds it is expected to take.
        #[serde(default)]
        cost_aware: bool,
    },
    /// Covariance matrix adaptation, for spaces of numbers without alternatives.
    CmaEs {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
        /// Results per generation; by default 4 + 3 ln(parameters).
        #[serde(default)]
        #[schemars(range(min = 4, max = 10000))]
        population: Option<u32>,
        /// First step, as a share of each parameter's range.
        #[serde(default = "cma_sigma")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        sigma: f64,
    },
    /// Regularised evolution: the best of a few of the youngest is changed a little.
    Evolution {
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
        /// How many of the youngest results may be parents.
        #[serde(default = "evolution_population")]
        #[schemars(range(min = 2, max = 10000))]
        population: u32,
        /// How many of those compete to be the parent.
        #[serde(default = "evolution_tournament")]
        #[schemars(range(min = 1, max = 10000))]
        tournament: u32,
    },
}

impl Default for Sampler {
    fn default() -> Self {
        Self::Auto { seed: 0 }
    }
}

fn ten() -> u32 {
    10
}

fn n_tpe_candidates() -> u32 {
    24
}

fn cma_sigma() -> f64 {
    0.25
}

fn evolution_population() -> u32 {
    20
}

fn evolution_tournament() -> u32 {
    5
}

/// When a sweep has had enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Most configurations drawn (each is trained once per seed).
    #[schemars(range(min = 1, max = 100000))]
    pub configs: Option<u32>,
}
