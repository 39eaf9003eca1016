use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Sha256Digest;
use crate::manifest::{Manifest, Source};
use crate::trial::Interpolation;

/// `GET /api/v1/datasets`: one entry a dataset, its newest version.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DatasetView {
    pub name: String,
    pub title: String,
    pub version: Sha256Digest,
    pub n_classes: u64,
    pub n_train: u64,
    pub n_val: u64,
    pub n_test: u64,
    pub n_groups: u64,
    pub n_bytes: u64,
    pub sources: Vec<Source>,
    pub created_at: DateTime<Utc>,
}

/// `GET /api/v1/datasets/{name}`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DatasetDetail {
    pub dataset: DatasetView,
    pub manifest: Manifest,
}

/// `POST /api/v1/weights`: makes an artifact the `pretrained` weights of a backbone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightsEntry {
    /// timm's model name.
    pub backbone: String,
    /// A safetensors artifact under timm's parameter names.
    pub sha256: Sha256Digest,
    /// Input convention of the checkpoint.
    pub mean: [f64; 3],
    pub std: [f64; 3],
    pub interpolation: Interpolation,
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub crop_pct: f64,
    #[serde(default)]
    pub licence: String,
    #[serde(default)]
    pub source: String,
}

/// `PUT /api/v1/artifacts/{sha256}`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactView {
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
}

/// `GET /api/v1/artifacts/{sha256}/upload`: where an upload stands.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UploadView {
    /// The artifact is here, whole; nothing is to be sent.
    pub is_stored: bool,
    /// Bytes that are here. A `PUT` with `Content-Range` goes on from there.
    pub n_received: u64,
}
