//! The predictions artifact: one safetensors file per trial and split.
//!
//! | tensor | shape | dtype | |
//! | --- | --- | --- | --- |
//! | `logits` | `[n_images, n_classes]` | f32 | before the softmax |
//! | `labels` | `[n_images]` | i64 | the true classes |
//! | `image_idx` | `[n_images]` | i64 | indices into the manifest's `images`, ascending |
//! | `confusion` | `[n_cells, 3]` | i64 | true class, guessed class, images: the confusion matrix where it is not zero |
//!
//! Metadata: `dataset_version` (the manifest's hash), `split`.

/// Tensor names.
pub const LOGITS: &str = "logits";
pub const LABELS: &str = "labels";
pub const IMAGE_IDX: &str = "image_idx";
pub const CONFUSION: &str = "confusion";

/// Metadata keys.
pub const DATASET_VERSION: &str = "dataset_version";
pub const SPLIT: &str = "split";
