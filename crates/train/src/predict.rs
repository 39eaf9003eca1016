//! Logits of a split, the numbers made of them, and the predictions file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::predictions;
use tch::{Kind, Tensor};

use crate::loss::cross_entropy_per_image;
use crate::weights::{self, FileError};

/// Accuracies and loss of a split, by metric name (`val_top1`, ...). Accuracies are fractions.
/// `logits: [N, C]` f32, `labels: [N]` i64, both on the CPU.
pub(crate) fn scores(split: Split, logits: &Tensor, labels: &Tensor) -> BTreeMap<String, f64> {
    let n_classes = logits.size()[1];
    let guess = logits.argmax(1, false);
    let hit = guess.eq_tensor(labels).to_kind(Kind::Double);
    let top5 = logits.topk(n_classes.min(5), 1, true, true).1;
    let hit5 = top5
        .eq_tensor(&labels.unsqueeze(1))
        .any_dim(1, false)
        .to_kind(Kind::Double);
    let zeros = Tensor::zeros([n_classes], (Kind::Double, labels.device()));
    let per_class = zeros.index_add(0, labels, &hit);
    let counts = zeros.index_add(0, labels, &hit.ones_like());
    let present = counts.gt(0.0);
    let mean_per_class = (per_class / counts)
        .masked_select(&present)
        .mean(Kind::Double);
    let loss = cross_entropy_per_image(logits, labels).mean(Kind::Double);
    let name = |metric: &str| format!("{}_{metric}", split.name());
    [
        (name("top1"), hit.mean(Kind::Double)),
        (name("top5"), hit5.mean(Kind::Double)),
        (name("mean_per_class"), mean_per_class),
        (name("loss"), loss),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.double_value(&[])))
    .collect()
}

/// Writes the predictions artifact: see [`cultivar_spec::predictions`].
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(
    path: &Path,
    manifest: &Manifest,
    split: Split,
    indices: &[i64],
    logits: &Tensor,
) -> Result<(), FileError> {
    let labels = labels_of(manifest, indices);
    let tensors = [
        (predictions::LOGITS.to_owned(), logits.shallow_clone()),
        (predictions::LABELS.to_owned(), labels),
        (
            predictions::IMAGE_IDX.to_owned(),
            Tensor::from_slice(indices),
        ),
    ];
    let metadata = HashMap::from([
        (
            predictions::DATASET_VERSION.to_owned(),
            manifest.version().to_string(),
        ),
        (predictions::SPLIT.to_owned(), split.name().to_owned()),
    ]);
    weights::write(path, &tensors, metadata)
}

/// `[N]` i64 on the CPU.
pub(crate) fn labels_of(manifest: &Manifest, indices: &[i64]) -> Tensor {
    let labels: Vec<i64> = indices
        .iter()
        .map(|&idx| i64::from(manifest.images[idx as usize].label))
        .collect();
    Tensor::from_slice(&labels)
}
