//! What the neighbours of an embedding say: the scores of metric learning.
//!
//! * Recall@1: Oh Song et al. 2016, <https://arxiv.org/abs/1511.06452>: the share of images whose nearest other image of the
//!   same set is of their class. Nearest by cosine, which orders unit vectors as Euclidean distance does. An image that is
//!   alone in its class counts as a miss.
//! * kNN: Wu et al. 2018, <https://arxiv.org/abs/1805.01978>, section 3.4: each of the k nearest images i of the training
//!   set votes for its class with exp(s_i / T), s_i the cosine and T = 0.07. Differences: k is 20, as in DINO's evaluation
//!   (Caron et al. 2021, <https://arxiv.org/abs/2104.14294>), where the paper has 200; the weights are exp((s_i - 1) / T), a
//!   common factor away.
//!
//! Reference: scikit-learn's nearest neighbours with those weights (`bench/parity/losses.py`).

use tch::{Kind, Tensor};

/// Neighbours that vote, and how fast their weight falls with the cosine.
const N_VOTERS: i64 = 20;
const TEMPERATURE: f64 = 0.07;
/// Queries compared at once; bounds the memory that similarities take.
const AT_ONCE: i64 = 1024;

/// Share of images whose nearest other image, by cosine, is of their class.
///
/// `unit: [N, D]` f32 unit vectors, `labels: [N]` i64, on one device, N > 1.
pub fn recall_at_1(unit: &Tensor, labels: &Tensor) -> f64 {
    let right = in_parts(unit, |first, part| {
        let len = part.size()[0];
        let similarity = part.mm(&unit.tr());
        let itself = Tensor::arange_start(first, first + len, (Kind::Int64, unit.device()));
        let similarity = similarity.scatter_value(1, &itself.unsqueeze(1), f64::NEG_INFINITY);
        labels
            .index_select(0, &similarity.argmax(1, false))
            .eq_tensor(&labels.narrow(0, first, len))
    });
    mean(&right)
}

/// Top-1 accuracy of the vote of the `N_VOTERS` (or all, if there are fewer) nearest images of a bank,
/// each weighing exp(cosine / `TEMPERATURE`).
///
/// `unit: [N, D]` and `bank: [M, D]` f32 unit vectors, `labels: [N]` and `bank_labels: [M]` i64 in
/// [0, `n_classes`), on one device.
pub fn knn_top1(
    unit: &Tensor,
    labels: &Tensor,
    bank: &Tensor,
    bank_labels: &Tensor,
    n_classes: i64,
) -> f64 {
    let n_voters = N_VOTERS.min(bank.size()[0]);
    let right = in_parts(unit, |first, part| {
        let len = part.size()[0];
        let (similarity, nearest) = part.mm(&bank.tr()).topk(n_voters, 1, true, true);
        let weights = ((similarity - 1.0) / TEMPERATURE).exp();
        let classes = bank_labels.take(&nearest);
        let votes = Tensor::zeros([len, n_classes], (Kind::Float, unit.device()))
            .scatter_add(1, &classes, &weights);
        votes
            .argmax(1, false)
            .eq_tensor(&labels.narrow(0, first, len))
    });
    mean(&right)
}

/// The results of parts of the rows, which begin at `first`, one below the other.
fn in_parts(rows: &Tensor, of_part: impl Fn(i64, &Tensor) -> Tensor) -> Tensor {
    let n = rows.size()[0];
    let results: Vec<Tensor> = (0..n)
        .step_by(AT_ONCE as usize)
        .map(|first| of_part(first, &rows.narrow(0, first, AT_ONCE.min(n - first))))
        .collect();
    Tensor::cat(&results, 0)
}

fn mean(right: &Tensor) -> f64 {
    right
        .to_kind(Kind::Double)
        .mean(Kind::Double)
        .double_value(&[])
}
