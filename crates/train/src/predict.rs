//! Scores made of logits, and the predictions file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::predictions;
use tch::{Kind, Tensor};

use crate::data::resident::PixelBatch;
use crate::loss::cross_entropy;
use crate::models::{Mode, Model};
use crate::preprocess::Preprocess;
use crate::weights::{self, WeightsError};

/// Logits of a batch, averaged over the views that evaluation takes of each image: `[N, n_classes]` on the device.
pub(crate) fn logits(model: &Model, preprocess: &Preprocess, batch: &PixelBatch) -> Tensor {
    let views = preprocess.evaluation_views(batch);
    let mut n_views = 0;
    let sum = views
        .map(|images| model.forward(&images, Mode::Eval))
        .inspect(|_| n_views += 1)
        .reduce(|sum, next| sum + next);
    sum.expect("evaluation has at least one view") / f64::from(n_views)
}

/// What a split's logits amount to. Accuracies are fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scores {
    pub top1: f64,
    /// The true class is among the five (or all, if there are fewer) with the largest logits.
    pub top5: f64,
    /// Mean over the classes that occur of the share of their images that are right.
    pub mean_per_class: f64,
    /// Mean cross entropy, without smoothing.
    pub loss: f64,
}

impl Scores {
    /// `logits: [N, C]` f32, `labels: [N]` i64, both on the CPU, N > 0.
    pub fn of(logits: &Tensor, labels: &Tensor) -> Self {
        let n_classes = logits.size()[1];
        let hits = |k: i64| {
            let (_, guesses) = logits.topk(k, 1, true, true);
            guesses
                .eq_tensor(&labels.unsqueeze(1))
                .any_dim(1, false)
                .to_kind(Kind::Double)
        };
        let right = hits(1);
        let per_class = |values: &Tensor| {
            values
                .bincount(None::<&Tensor>, n_classes)
                .to_kind(Kind::Double)
        };
        let n_images = per_class(labels);
        let n_right = labels
            .bincount(Some(&right), n_classes)
            .to_kind(Kind::Double);
        let occurs = n_images.gt(0.0);
        let mean_per_class = (n_right / n_images)
            .masked_select(&occurs)
            .mean(Kind::Double);
        let value = |tensor: Tensor| tensor.double_value(&[]);
        Self {
            top1: value(right.mean(Kind::Double)),
            top5: value(hits(n_classes.min(5)).mean(Kind::Double)),
            mean_per_class: value(mean_per_class),
            loss: value(cross_entropy(logits, labels, None, 0.0)),
        }
    }

    /// By metric name: `val_top1` and so on.
    pub fn named(&self, split: Split) -> BTreeMap<String, f64> {
        let name = |metric: &str| format!("{}_{metric}", split.name());
        BTreeMap::from([
            (name("top1"), self.top1),
            (name("top5"), self.top5),
            (name("mean_per_class"), self.mean_per_class),
            (name("loss"), self.loss),
        ])
    }
}

/// Writes the predictions artifact: see [`cultivar_spec::predictions`].
///
/// `indices`: into the manifest, ascending, one for each row of `logits: [N, C]` f32.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(
    path: &Path,
    manifest: &Manifest,
    split: Split,
    indices: &[i64],
    logits: &Tensor,
) -> Result<(), WeightsError> {
    let tensors = [
        (predictions::LOGITS, logits.shallow_clone()),
        (predictions::LABELS, labels_of(manifest, indices)),
        (predictions::IMAGE_IDX, Tensor::from_slice(indices)),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor));
    let metadata = HashMap::from([
        (
            predictions::DATASET_VERSION.to_owned(),
            manifest.version().to_string(),
        ),
        (predictions::SPLIT.to_owned(), split.name().to_owned()),
    ]);
    weights::write(path, &tensors, &metadata)
}

/// The classes of images of the manifest: `[N]` i64 on the CPU.
pub(crate) fn labels_of(manifest: &Manifest, indices: &[i64]) -> Tensor {
    let labels: Vec<i64> = indices
        .iter()
        .map(|&idx| manifest.images[idx as usize].label.into())
        .collect();
    Tensor::from_slice(&labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_case_worked_by_hand() {
        // Six classes, four images: two of class 0 (one right, one in sixth place), one of class 2
        // (right), one of class 5 (second).
        let logits = Tensor::from_slice(&[
            9.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0, // 0
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, // 0
            1.0, 2.0, 9.0, 3.0, 4.0, 5.0, // 2
            9.0, 1.0, 2.0, 3.0, 4.0, 5.0, // 5
        ])
        .view([4, 6]);
        let labels = Tensor::from_slice(&[0_i64, 0, 2, 5]);
        let scores = Scores::of(&logits, &labels);
        assert_eq!((scores.top1, scores.top5), (0.5, 0.75));
        assert!((scores.mean_per_class - 0.5).abs() < 1e-12);
        let nll = |row: [f64; 6], label: usize| {
            row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[label]
        };
        let wanted = (nll([9.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0)
            + nll([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0)
            + nll([1.0, 2.0, 9.0, 3.0, 4.0, 5.0], 2)
            + nll([9.0, 1.0, 2.0, 3.0, 4.0, 5.0], 5))
            / 4.0;
        assert!((scores.loss - wanted).abs() < 1e-6);
        assert_eq!(scores.named(Split::Test)["test_top5"], 0.75);
    }
}
