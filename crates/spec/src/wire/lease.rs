use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, Split};
use crate::queueing::Offer;
use crate::trainer::Cost;
use crate::{BootId, LeaseId, MAX_COUNT, Outcome, Sha256Digest, TrialId, TrialSpec, WorkerId};

/// What a worker computes with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceInfo {
    /// `cpu` or `cuda`.
    pub kind: String,
    /// `cpu` or the GPU's name.
    pub name: String,
    pub n_threads: u32,
    pub memory_bytes: Option<u64>,
}

/// Who is calling.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerIdentity {
    pub id: WorkerId,
    pub boot: BootId,
    /// For people: usually the host name.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    pub device: DeviceInfo,
    pub version: String,
}

/// `POST /api/v1/leases`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub worker: WorkerIdentity,
    /// Names this claim: sent again, it gets the same leases.
    pub request: uuid::Uuid,
    /// Most leases wanted.
    #[schemars(range(min = 1, max = 256))]
    pub max: u32,
    /// How long the server may hold the request while the queue is empty, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 60.0))]
    pub wait_s: f64,
    /// Jobs that need labels go to workers that have them.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    pub labels: Vec<String>,
    /// Memory of the device that a job may use, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Versions of datasets that this machine has at hand: of several jobs it rather gets one of these.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub datasets: Vec<Sha256Digest>,
}

impl Claim {
    /// What the machine behind it has to offer.
    pub fn offer(&self) -> Offer<'_> {
        Offer {
            device: &self.worker.device.kind,
            memory_bytes: self.memory_bytes,
            labels: &self.labels,
        }
    }
}

// `S` is how a spec is held: the server passes on the text that it stores.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ClaimReply")]
pub struct ClaimReply<S = TrialSpec> {
    pub leases: Vec<Lease<S>>,
    /// A lease not renewed for this long is given to somebody else, in seconds.
    pub lease_s: f64,
    /// How often to send heartbeats, in seconds.
    pub heartbeat_s: f64,
    /// When the leases were handed out, in seconds from when the claim arrived; negative for those that an earlier copy
    /// of it had got. A worker counts their length from there, by its own clock, from when it sent the claim. A server
    /// that does not say is taken to have handed them out at once, which is never too late.
    #[serde(default)]
    pub granted_after_s: f64,
    /// Why this worker gets no leases until somebody releases it.
    pub quarantine: Option<String>,
}

/// The right to write to one attempt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Lease")]
pub struct Lease<S = TrialSpec> {
    pub id: LeaseId,
    pub trial: TrialId,
    /// Orders the attempts of a trial.
    pub epoch: u64,
    pub job: Job<S>,
}

/// What to do. Everything it names is an artifact of the server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Job")]
pub enum Job<S = TrialSpec> {
    Train {
        spec: Box<S>,
        dataset: DatasetFiles,
        /// Backbone weights; none for random weights.
        weights: Option<Sha256Digest>,
        /// Where an earlier attempt got to.
        resume: Option<CheckpointRef>,
        /// SHA-256 of the canonical spec under which that checkpoint was written, where it is another's: population
        /// based training goes on from copies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume_spec: Option<Sha256Digest>,
    },
    Evaluate {
        spec: Box<S>,
        dataset: DatasetFiles,
        model: Sha256Digest,
        split: Split,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DatasetFiles {
    pub name: String,
    pub version: Sha256Digest,
    /// The artifact that holds the manifest's canonical JSON; its digest is `version`.
    pub manifest: Sha256Digest,
    pub data: Vec<Sha256Digest>,
}

impl DatasetFiles {
    /// What a worker downloads to train on `manifest`.
    pub fn of(manifest: &Manifest) -> Self {
        let version = manifest.version();
        Self {
            name: manifest.name.clone(),
            version,
            manifest: version,
            data: manifest.files.iter().map(|file| file.sha256).collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRef {
    pub sha256: Sha256Digest,
    /// Epochs done.
    pub epoch: u32,
    /// Steps done.
    #[schemars(range(max = MAX_COUNT))]
    pub step: u64,
}

/// `POST /api/v1/heartbeats`: renews exactly the leases it lists.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    pub worker: WorkerIdentity,
    #[schemars(length(max = 1024))]
    pub leases: Vec<LeaseId>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatReply {
    /// An order for each listed lease. One that is left out was not renewed, since its trial is just being changed.
    pub orders: BTreeMap<LeaseId, Order>,
}

/// What the server wants of a running lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Continue,
    Cancel,
    Prune,
    /// Checkpoint and give way: somebody paused the trial.
    Yield,
    /// Never heard of it, or somebody else has the trial: stop, nothing of it counts.
    Unknown,
}

/// Where a running attempt is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What the trainer is at: `decoding`, `features`, `training`, `validating`, `uploading`.
    pub phase: String,
    /// Epochs done.
    pub epoch: u32,
    pub n_epochs: u32,
    /// Steps done.
    #[schemars(range(max = MAX_COUNT))]
    pub step: u64,
    #[schemars(range(max = MAX_COUNT))]
    pub n_steps: u64,
    /// Smoothed training loss.
    pub train_loss: Option<f64>,
    /// Last validation accuracy in [0, 1].
    pub val_top1: Option<f64>,
    pub images_per_s: Option<f64>,
    /// Seconds to the end of the attempt.
    pub eta_s: Option<f64>,
}

/// One value of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricPoint {
    #[schemars(length(min = 1, max = 64))]
    pub metric: String,
    #[schemars(range(max = MAX_COUNT))]
    pub step: u64,
    /// Passes over the training set, fractional between epochs.
    pub epoch: f64,
    #[serde(with = "crate::wire::number")]
    #[schemars(schema_with = "crate::wire::number::schema")]
    pub value: f64,
}

/// `POST /api/v1/leases/{id}/metrics`: idempotent by (attempt, metric, step).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricBatch {
    #[serde(default)]
    #[schemars(length(max = 10000))]
    pub points: Vec<MetricPoint>,
    #[serde(default)]
    pub progress: Option<Progress>,
}

/// `POST /api/v1/leases/{id}/logs`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogBatch {
    /// Number of the first line within the attempt, from 0: makes a replay harmless.
    #[schemars(range(max = MAX_COUNT))]
    pub first_line: u64,
    #[schemars(length(max = 10000))]
    pub lines: Vec<String>,
}

/// `POST /api/v1/leases/{id}/finish`: sent again, it gets the same answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    pub outcome: Outcome,
    #[serde(default)]
    pub error: Option<String>,
    /// Steps done in all.
    #[serde(default)]
    #[schemars(range(max = MAX_COUNT))]
    pub step: u64,
    /// Final values by metric name.
    #[serde(default)]
    pub metrics: BTreeMap<String, MetricValue>,
    #[serde(default)]
    pub model: Option<Sha256Digest>,
    #[serde(default)]
    pub predictions: Option<Sha256Digest>,
    #[serde(default)]
    pub cost: Cost,
}

/// A metric's value; travels as a string where it is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MetricValue(
    #[serde(with = "crate::wire::number")]
    #[schemars(schema_with = "crate::wire::number::schema")]
    pub f64,
);

/// The answer to every write of a lease holder.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaseReply {
    pub order: Order,
}
