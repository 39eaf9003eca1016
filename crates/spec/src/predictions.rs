//! The predictions artifact: one safetensors file per trial and split.
//!
//! | tensor | shape | dtype | |
//! | --- | --- | --- | --- |
//! | `logits` | `[n_images, n_classes]` | f32 | before the softmax |
//! | `labels` | `[n_images]` | i64 | the true classes |
//! | `image_idx` | `[n_images]` | i64 | indices into the manifest's `images`, ascending |
//!
//! Metadata: `dataset_version` (the manifest's hash), `split`.

/// Tensor names.
pub const LOGITS: &str = "logits";
pub const LABELS: &str = "labels";
pub const IMAGE_IDX: &str = "image_idx";

/// Metadata keys.
pub const DATASET_VERSION: &str = "dataset_version";
pub const SPLIT: &str = "split";
