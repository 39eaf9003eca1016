//! What supervisor and trainer say to each other: length-delimited JSON over a pipe pair.
//!
//! A frame is a `u32` length in little-endian bytes, then that many bytes of JSON. Tensors never
//! cross: artifacts go by file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::Split;
use crate::wire::{DeviceInfo, MetricPoint, Progress};
use crate::{Outcome, Sha256Digest, TrialSpec};

/// Supervisor to trainer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "one message exists at a time, and is sent at once"
)]
pub enum ToTrainer {
    /// Train these specs, one after another or bundled. `tag` names each in the answers.
    Train { jobs: Vec<TrainJob> },
    /// Predict a split with a trained model.
    Evaluate { job: EvaluateJob },
    /// Stop the tagged job at the next step.
    Stop { tag: String, why: StopWhy },
}

/// Why a running job stops early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopWhy {
    /// Nothing of it is wanted any more.
    Cancel,
    /// Checkpoint first: somebody will go on from there.
    Preempt,
    /// Checkpoint first: the trial is paused.
    Yield,
    /// The scheduler ended the trial.
    Prune,
}

impl StopWhy {
    /// The job leaves a checkpoint behind, since somebody will go on from there.
    pub fn checkpoints(self) -> bool {
        matches!(self, Self::Preempt | Self::Yield)
    }

    /// The outcome of a job stopped for this reason.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Cancel => Outcome::Cancelled,
            Self::Preempt => Outcome::Preempted,
            Self::Yield => Outcome::Yielded,
            Self::Prune => Outcome::Pruned,
        }
    }
}

/// Files a job reads: everything was downloaded and verified by the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobFiles {
    /// The manifest's canonical JSON.
    pub manifest: PathBuf,
    /// The manifest's Parquet files, in its order.
    pub data: Vec<PathBuf>,
    /// Decoded images and frozen features, shared by all trials of this machine.
    pub cache_dir: PathBuf,
    /// The backbone, where it is a TorchScript module.
    #[serde(default)]
    pub module: Option<PathBuf>,
    /// Where the job writes; its own, may hold an earlier attempt's files.
    pub work_dir: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainJob {
    pub tag: String,
    pub spec: TrialSpec,
    pub files: JobFiles,
    /// Backbone weights (safetensors, timm's names); none for random weights.
    pub weights: Option<PathBuf>,
    /// A checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// SHA-256 of the canonical spec under which it was written, where that is not `spec`.
    #[serde(default)]
    pub resume_spec: Option<Sha256Digest>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluateJob {
    pub tag: String,
    pub spec: TrialSpec,
    pub files: JobFiles,
    /// The trial's final model.
    pub model: PathBuf,
    pub split: Split,
}

/// Trainer to supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromTrainer {
    /// libtorch is up.
    Ready { device: DeviceInfo },
    /// Every few steps.
    Progress { tag: String, progress: Progress },
    /// Values to store, usually once an epoch.
    Metrics {
        tag: String,
        points: Vec<MetricPoint>,
    },
    /// A checkpoint was written, flushed and renamed into place.
    Checkpoint {
        tag: String,
        path: PathBuf,
        epoch: u32,
        step: u64,
    },
    /// The job is over; nothing more will be said of it.
    Done { tag: String, result: JobResult },
}

/// How a job ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobResult {
    pub outcome: Outcome,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// The last step done.
    pub step: u64,
    /// Final values by metric name.
    #[serde(with = "metric_values")]
    pub metrics: std::collections::BTreeMap<String, f64>,
    /// Final model (safetensors, timm's names).
    pub model: Option<PathBuf>,
    /// Per-image logits: see `crate::predictions`.
    pub predictions: Option<PathBuf>,
    pub cost: Cost,
}

/// Values that need not be finite, as on the wire.
mod metric_values {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::wire::MetricValue;

    pub fn serialize<S: Serializer>(
        values: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            values
                .iter()
                .map(|(name, value)| (name, MetricValue(*value))),
        )
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let values = BTreeMap::<String, MetricValue>::deserialize(deserializer)?;
        let plain = values.into_iter().map(|(name, value)| (name, value.0));
        Ok(plain.collect())
    }
}

/// What a job used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// Training images seen, counted with repetition.
    pub images: u64,
    /// Wall-clock seconds of this attempt.
    pub seconds: f64,
    /// Of the earlier attempts, up to the checkpoint that this one went on from.
    #[serde(skip_serializing_if = "is_zero")]
    pub seconds_before: f64,
    /// Scalars in the parameters of the model, frozen ones included; 0 where no model was finished.
    pub n_params: u64,
    /// Median milliseconds in which the finished model predicted one image, its views included, on this device.
    pub latency_ms: Option<f64>,
    /// `cpu` or the GPU's name.
    pub device: String,
    /// `f32`, `bf16` or `f16`.
    pub precision: String,
    /// Version of the code that trained.
    pub code_version: String,
    /// What became of the weights file, where there was one.
    pub weights: Option<LoadedWeights>,
    /// Images taken at once, where those that the spec asks for had no room in the device's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<u32>,
}

impl Cost {
    /// Wall-clock seconds of the training that led here, whatever interrupted it.
    pub fn total_seconds(&self) -> f64 {
        self.seconds_before + self.seconds
    }
}

fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// Which tensors a model took from its weights file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoadedWeights {
    /// Tensors taken.
    pub n_loaded: u32,
    /// Tensors of the file that were left out, but for counters of batches, which no model of ours has.
    pub n_skipped: u32,
    /// The first of their names.
    pub skipped: Vec<String>,
    /// Tensors of the model that stayed fresh.
    pub n_made: u32,
    /// The first of their names.
    pub made: Vec<String>,
}
