use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::queueing::Queueing;
use crate::{SweepId, SweepSpec, TrialState};

/// `GET /api/v1/sweeps`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SweepView {
    pub id: SweepId,
    pub name: String,
    pub dataset: String,
    pub created_at: DateTime<Utc>,
    pub cancelled_at: Option<DateTime<Utc>>,
    /// No trial begins while it is set.
    pub paused_at: Option<DateTime<Utc>>,
    /// As it stands today; it may have been changed since the sweep was submitted.
    pub queueing: Queueing,
    /// Trials so far.
    pub n_trials: u64,
    /// Trials it will have in all: more than so far while its sampler still proposes.
    pub n_planned: u64,
    /// Its sampler learns from results and will propose more.
    pub searching: bool,
    /// Why the search ended before its budget, if it did.
    pub search_note: Option<String>,
    /// Trials by state; states without trials are left out.
    pub counts: BTreeMap<String, u64>,
    /// Every trial is settled, and no more will come.
    pub finished: bool,
}

impl SweepView {
    /// Trials in a state.
    pub fn count(&self, state: TrialState) -> u64 {
        self.counts.get(state.name()).copied().unwrap_or(0)
    }
}

/// `POST /api/v1/sweeps/{id}/pause`
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PauseSweep {
    /// Let running trials run to their end; otherwise they give way at their next step, with a checkpoint.
    pub drain: bool,
}

/// `GET /api/v1/sweeps/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SweepDetail {
    pub sweep: SweepView,
    pub spec: SweepSpec,
    /// What it has taken, and what is left.
    #[serde(default)]
    pub budget: SweepBudget,
}

/// What a sweep has taken so far, and what is left by its own settled trials; in seconds of one worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepBudget {
    /// Of all attempts, those too that failed or were lost.
    pub spent_s: f64,
    /// `null` while no trial has ended well.
    pub left_s: Option<Interval>,
    /// Until the last trial is settled, with as many workers as train it now; `null` while none does.
    pub finish_s: Option<Interval>,
}

/// Seconds that something takes, with a 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    pub expected: f64,
    pub low: f64,
    pub high: f64,
}

/// `POST /api/v1/sweeps/estimate`: what a sweep would take, by completed trials with the same backbone, adaptation and
/// resolution, on the same dataset version where there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepEstimate {
    pub n_trials: u64,
    /// Workers that are there today.
    pub n_workers: u64,
    /// Seconds of training in all, by one worker; `null` where something was never measured.
    pub training_s: Option<Interval>,
    /// Until the last trial is settled, were these workers to do nothing else; `null` where there are none.
    pub finish_s: Option<Interval>,
    /// Completed trials it is estimated from.
    pub n_measured: u64,
    /// What no completed trial tells of.
    pub unmeasured: Vec<String>,
}

/// `POST /api/v1/sweeps/preview`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SweepPreview {
    /// Points of the space; `null` where it holds a continuous distribution.
    pub space_size: Option<u64>,
    /// Configurations the sampler will draw.
    pub n_configs: u64,
    /// Times the seeds.
    pub n_trials: u64,
    /// The first few, as what they change in the base; of a sampler that learns, as if nothing were learnt.
    pub samples: Vec<Value>,
}
