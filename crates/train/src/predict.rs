//! Scores made of logits, and the predictions file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::predictions;
use tch::{Kind, Tensor};

use crate::loss::cross_entropy;
use crate::weights::{self, WeightsError};

/// Bins of equal width that calibration is measured in.
const N_BINS: i64 = 15;

/// What a split's logits amount to. Accuracies are fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    pub top1: f64,
    /// The true class is among the five (or all, if there are fewer) with the largest logits.
    pub top5: f64,
    /// Mean over the classes that occur of the share of their images that are right: scikit-learn's
    /// `balanced_accuracy_score`.
    pub mean_per_class: f64,
    /// Mean over the classes that occur or are guessed of 2 right / (images + guesses): scikit-learn's `f1_score`
    /// with `average="macro"`.
    pub macro_f1: f64,
    /// Mean cross entropy, without smoothing.
    pub loss: f64,
    /// Expected calibration error: Guo et al. 2017, <https://arxiv.org/abs/1706.04599>. Images fall into 15 bins
    /// ((k - 1) / 15, k / 15] by the probability of their guess; the error is the mean over images of
    /// |share right - mean probability| of their bin.
    pub ece: f64,
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
        let per_class = |classes: &Tensor| {
            classes
                .bincount(None::<&Tensor>, n_classes)
                .to_kind(Kind::Double)
        };
        let n_images = per_class(labels);
        let n_guesses = per_class(&guesses(logits));
        let n_right = labels
            .bincount(Some(&right), n_classes)
            .to_kind(Kind::Double);
        let mean_where = |values: Tensor, counts: &Tensor| {
            values.masked_select(&counts.gt(0.0)).mean(Kind::Double)
        };
        let either = &n_images + &n_guesses;
        let value = |tensor: Tensor| tensor.double_value(&[]);
        Self {
            top1: value(right.mean(Kind::Double)),
            top5: value(hits(n_classes.min(5)).mean(Kind::Double)),
            mean_per_class: value(mean_where(&n_right / &n_images, &n_images)),
            macro_f1: value(mean_where(&n_right * 2.0 / &either, &either)),
            loss: value(cross_entropy(logits, labels, None, 0.0)),
            ece: value(calibration_error(logits, &right)),
        }
    }

    /// By metric name: `val_top1` and so on.
    pub fn named(&self, split: Split) -> BTreeMap<String, f64> {
        self.named_with(split, "")
    }

    /// By metric name and what is to follow it: `val_top1_raw` and so on.
    pub fn named_with(&self, split: Split, suffix: &str) -> BTreeMap<String, f64> {
        let name = |metric: &str| format!("{}_{metric}{suffix}", split.name());
        BTreeMap::from([
            (name("top1"), self.top1),
            (name("top5"), self.top5),
            (name("mean_per_class"), self.mean_per_class),
            (name("macro_f1"), self.macro_f1),
            (name("loss"), self.loss),
            (name("ece"), self.ece),
        ])
    }
}

/// The classes with the largest logits: `[N]` i64.
fn guesses(logits: &Tensor) -> Tensor {
    // As in top-k, so that a tie is settled one way everywhere.
    let (_, guesses) = logits.topk(1, 1, true, true);
    guesses.squeeze_dim(1)
}

/// `right: [N]` f64, 1 where the guess is. Returns a scalar.
fn calibration_error(logits: &Tensor, right: &Tensor) -> Tensor {
    let (confidence, _) = logits.softmax(-1, Kind::Double).max_dim(1, false);
    // What is no number falls into some bin, and makes the error none.
    let bin = ((&confidence * N_BINS).ceil() - 1.0)
        .nan_to_num(0.0, None, None)
        .clamp(0.0, (N_BINS - 1) as f64)
        .to_kind(Kind::Int64);
    let gap = bin.bincount(Some(&(right - confidence)), N_BINS);
    gap.abs().sum(Kind::Double) / right.size()[0]
}

/// The cells of the confusion matrix that are not zero: `[n_cells, 3]` i64, each true class, guessed class, number
/// of images; in order.
pub fn confusion(logits: &Tensor, labels: &Tensor) -> Tensor {
    let n_classes = logits.size()[1];
    let cells = labels * n_classes + guesses(logits);
    let (cells, _, counts) = cells.unique_dim(0, true, false, true);
    Tensor::stack(
        &[
            cells.floor_divide_scalar(n_classes),
            cells.remainder(n_classes),
            counts,
        ],
        1,
    )
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
    let labels = labels_of(manifest, indices);
    let tensors = [
        (predictions::LOGITS, logits.shallow_clone()),
        (predictions::CONFUSION, confusion(logits, &labels)),
        (predictions::LABELS, labels),
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
        // Class 0: two images, two guesses, one right; class 2: one of each; 5: one image, one guess, none right.
        assert!((scores.macro_f1 - (0.5 + 1.0 + 0.0) / 3.0).abs() < 1e-12);
        assert_eq!(scores.named(Split::Test)["test_top5"], 0.75);
        let cells = [[0, 0, 1], [0, 5, 1], [2, 2, 1], [5, 0, 1]].concat();
        let confusion = confusion(&logits, &labels);
        assert_eq!(confusion, Tensor::from_slice(&cells).view([4, 3]));
    }
}
