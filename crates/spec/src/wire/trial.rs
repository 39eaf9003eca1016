use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::Split;
use crate::queueing::Needs;
use crate::trainer::Cost;
use crate::wire::Progress;
use crate::{LeaseId, Outcome, Sha256Digest, SweepId, TrialId, TrialSpec, TrialState, WorkerId};

/// `POST /api/v1/trials`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrial {
    /// Fields left out take their defaults.
    #[schemars(with = "TrialSpec")]
    pub spec: Value,
    /// What a machine must have to be handed it.
    #[serde(default)]
    pub needs: Needs,
}

/// One row of `GET /api/v1/trials`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TrialView {
    pub id: TrialId,
    pub sweep: Option<SweepId>,
    pub config_id: Sha256Digest,
    pub state: TrialState,
    /// A short name made of what varies.
    pub label: String,
    pub dataset: String,
    pub seed: u64,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Attempts so far.
    pub n_attempts: u32,
    /// The running attempt's latest word.
    pub progress: Option<Progress>,
    /// Final values of the accepted result, by metric name; non-finite ones are left out.
    pub metrics: BTreeMap<String, f64>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// `GET /api/v1/trials/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TrialDetail {
    pub trial: TrialView,
    /// As resolved at submission: every default written out, versions pinned.
    pub spec: TrialSpec,
    pub attempts: Vec<AttemptView>,
    pub evaluations: Vec<EvaluationView>,
    /// The accepted result's artifacts.
    pub model: Option<Sha256Digest>,
    pub predictions: Option<Sha256Digest>,
    pub cost: Option<Cost>,
}

/// What a lease asks a worker to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    Train,
    Evaluate,
}

impl JobKind {
    /// As on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Evaluate => "evaluate",
        }
    }
}

/// One lease of a trial, from claim to outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
    pub lease: LeaseId,
    pub job: JobKind,
    /// Orders the attempts of a trial; never reused.
    pub epoch: u64,
    pub worker: WorkerId,
    pub worker_name: String,
    pub claimed_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// `null` while it runs.
    pub outcome: Option<Outcome>,
    pub error: Option<String>,
    /// Where it started from: 0, or the step of the checkpoint it resumed.
    pub resumed_from_step: u64,
    /// The last checkpoint it stored.
    pub checkpoint_step: Option<u64>,
}

/// `POST /api/v1/trials/{id}/evaluate`: asks for predictions on a held-out split.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvaluation {
    pub split: Split,
    /// Why the test split is opened; kept with the count of accesses.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
}

/// One evaluation of a trial's final model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationView {
    pub split: Split,
    pub state: TrialState,
    pub reason: String,
    pub metrics: BTreeMap<String, f64>,
    pub predictions: Option<Sha256Digest>,
    pub requested_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
}

/// `GET /api/v1/trials`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TrialPage {
    pub trials: Vec<TrialView>,
    /// Pass as `cursor` for the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

/// `GET /api/v1/trials/{id}/series?metric=`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    pub metric: String,
    pub points: Vec<SeriesPoint>,
}

/// `GET /api/v1/trials/{id}/metrics`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MetricSummaries {
    /// By name.
    pub metrics: Vec<MetricSummary>,
}

/// What a metric came to over the run so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricSummary {
    pub metric: String,
    pub last: SeriesPoint,
    /// Of the finite values; `null` if there were none.
    pub lowest: Option<f64>,
    pub highest: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoint {
    pub step: u64,
    /// Passes over the training set, fractional between epochs.
    pub epoch: f64,
    #[serde(with = "crate::wire::number")]
    #[schemars(schema_with = "crate::wire::number::schema")]
    pub value: f64,
}
