//! Metric losses: distances between the embeddings of a batch.
//!
//! Embeddings are L2-normalised first, in f32 at least. Values and gradients are those of
//! pytorch-metric-learning's losses with their default reducer: a mean over the terms that are not zero, 0 if
//! there are none. Everything is a mask over the matrix of distances, so the host never waits.

use cultivar_spec::trial::Mining;
use tch::{Kind, Tensor, no_grad};

use super::classes::in_full;

/// Triplets looked at together; bounds the memory that mining takes.
const MINED_AT_ONCE: i64 = 1 << 24;

/// Unit vectors `[N, D]`, f32 or f64, of embeddings `[N, D]`.
pub fn unit(embedding: &Tensor) -> Tensor {
    let embedding = in_full(embedding);
    let length = embedding
        .norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true)
        .clamp_min(1e-12);
    embedding / length
}

/// Contrastive loss: a scalar.
///
/// Hadsell et al. 2006, <https://doi.org/10.1109/CVPR.2006.100>: images of a class at most `pos_margin`
/// apart, others at least `neg_margin`. With d the Euclidean distance of two unit vectors:
///
/// loss = mean over pairs of a class of max(0, d - pos_margin) + mean over all others of max(0, neg_margin - d),
///
/// each over its terms that are not zero, as pytorch-metric-learning's `ContrastiveLoss`. Differences to the paper: it has
/// d^2 / 2 and max(0, neg_margin - d)^2 / 2, knows no `pos_margin`, and adds up all pairs.
///
/// `embedding: [N, D]`, `labels: [N]` i64.
pub fn contrastive(
    embedding: &Tensor,
    labels: &Tensor,
    pos_margin: f64,
    neg_margin: f64,
) -> Tensor {
    let pairs = Pairs::of(embedding, labels);
    let apart = (&pairs.distance - pos_margin).relu() * &pairs.positive;
    let near = (neg_margin - &pairs.distance).relu() * &pairs.negative;
    mean_of_nonzero(&apart) + mean_of_nonzero(&near)
}

/// Triplet margin loss: a scalar, the mean of max(0, d(a, p) - d(a, n) + margin) over mined triplets.
///
/// Schroff et al. 2015, <https://arxiv.org/abs/1503.03832>, and Hermans et al. 2017,
/// <https://arxiv.org/abs/1703.07737>, with distances and not their squares. `embedding: [N, D]`,
/// `labels: [N]` i64.
pub fn triplet(embedding: &Tensor, labels: &Tensor, mining: Mining, margin: f64) -> Tensor {
    let pairs = Pairs::of(embedding, labels);
    match mining {
        Mining::BatchHard => batch_hard(&pairs, margin),
        Mining::SemiHard => semi_hard(&pairs, margin),
    }
}

/// Each anchor with its farthest positive and its nearest negative; one that lacks either is left out.
fn batch_hard(pairs: &Pairs, margin: f64) -> Tensor {
    // Distances of unit vectors lie in [0, 2].
    let (positive, negative) = (&pairs.positive, &pairs.negative);
    let (farthest, _) = pairs
        .distance
        .masked_fill(&positive.eq(0.0), -1.0)
        .max_dim(1, false);
    let (nearest, _) = pairs
        .distance
        .masked_fill(&negative.eq(0.0), 3.0)
        .min_dim(1, false);
    let is_whole =
        positive.amax([1_i64].as_slice(), false) * negative.amax([1_i64].as_slice(), false);
    mean_of_nonzero(&((farthest - nearest + margin).relu() * is_whole))
}

/// All triplets with d(a, p) < d(a, n) < d(a, p) + margin. Which they are has no gradient, so the loss is a
/// weighted sum of distances: a pair's weight is the number of triplets that it is the positive of,
/// less that of which it is the negative.
fn semi_hard(pairs: &Pairs, margin: f64) -> Tensor {
    let n = pairs.distance.size()[0];
    let at_once = (MINED_AT_ONCE / (n * n)).max(1);
    let (weights, n_triplets) = no_grad(|| {
        let mut rows = Vec::new();
        let mut first = 0;
        while first < n {
            let len = at_once.min(n - first);
            let of = |x: &Tensor| x.detach().narrow(0, first, len);
            let distance = of(&pairs.distance);
            // [anchors, positives, negatives]
            let gap = distance.unsqueeze(1) - distance.unsqueeze(2);
            let is_mined = gap.gt(0.0).logical_and(&gap.lt(margin)).to_kind(gap.kind())
                * of(&pairs.positive).unsqueeze(2)
                * of(&pairs.negative).unsqueeze(1);
            let count = |dim: i64| is_mined.sum_dim_intlist([dim].as_slice(), false, gap.kind());
            rows.push((count(2), count(1)));
            first += len;
        }
        let (positive, negative): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let positive = Tensor::cat(&positive, 0);
        let n_triplets = positive.sum(positive.kind());
        (positive - Tensor::cat(&negative, 0), n_triplets)
    });
    let sum = (weights * &pairs.distance).sum(pairs.distance.kind()) + &n_triplets * margin;
    sum / n_triplets.clamp_min(1.0)
}

/// Supervised contrastive loss: a scalar.
///
/// Khosla et al. 2020, <https://arxiv.org/abs/2004.11362>, equation 2 (the mean outside the logarithm): for each
/// anchor the mean over its positives of -log softmax of cosines / `temperature` over all other images.
/// `embedding: [N, D]`, `labels: [N]` i64.
pub fn sup_con(embedding: &Tensor, labels: &Tensor, temperature: f64) -> Tensor {
    let unit = unit(embedding);
    let (positive, negative) = masks(labels, unit.kind());
    let similarity = unit.mm(&unit.tr()) / temperature;
    let itself = (&positive + negative).eq(0.0);
    let total = similarity
        .masked_fill(&itself, f64::NEG_INFINITY)
        .logsumexp([1_i64].as_slice(), true);
    let kind = similarity.kind();
    let sum = ((total - similarity) * &positive).sum_dim_intlist([1_i64].as_slice(), false, kind);
    let n_positive = positive.sum_dim_intlist([1_i64].as_slice(), false, kind);
    mean_of_nonzero(&(sum / n_positive.clamp_min(1.0)))
}

/// All pairs of a batch.
struct Pairs {
    /// `[N, N]`: Euclidean, between unit vectors.
    distance: Tensor,
    /// `[N, N]`: 1 for two images of one class, 0 for others and an image with itself.
    positive: Tensor,
    /// `[N, N]`: 1 for two images of different classes.
    negative: Tensor,
}

impl Pairs {
    fn of(embedding: &Tensor, labels: &Tensor) -> Self {
        let unit = unit(embedding);
        let (positive, negative) = masks(labels, unit.kind());
        Self {
            distance: Tensor::cdist(&unit, &unit, 2.0, None),
            positive,
            negative,
        }
    }
}

fn masks(labels: &Tensor, kind: Kind) -> (Tensor, Tensor) {
    let same = labels
        .unsqueeze(1)
        .eq_tensor(&labels.unsqueeze(0))
        .to_kind(kind);
    let itself = Tensor::eye(labels.size()[0], (kind, labels.device()));
    (&same - itself, 1.0 - same)
}

/// 0 where every term is.
fn mean_of_nonzero(terms: &Tensor) -> Tensor {
    let n = terms.gt(0.0).to_kind(terms.kind()).sum(terms.kind());
    terms.sum(terms.kind()) / n.clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_without_pairs_costs_nothing_and_breaks_nothing() {
        let embedding = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0]).view([2, 2]);
        for labels in [[0_i64, 1], [0, 0]] {
            let labels = Tensor::from_slice(&labels);
            for mining in [Mining::BatchHard, Mining::SemiHard] {
                let embedding = embedding.copy().set_requires_grad(true);
                let loss = triplet(&embedding, &labels, mining, 0.2);
                loss.backward();
                assert_eq!(loss.double_value(&[]), 0.0);
                assert_eq!(
                    embedding.grad().abs().sum(Kind::Double).double_value(&[]),
                    0.0
                );
            }
        }
        let alone = sup_con(&embedding, &Tensor::from_slice(&[0_i64, 1]), 0.1);
        assert_eq!(alone.double_value(&[]), 0.0);
    }

    #[test]
    fn equal_images_have_a_finite_gradient() {
        let embedding =
            Tensor::from_slice(&[1.0_f32, 2.0, 1.0, 2.0, 3.0, -1.0, 3.0, -1.0]).view([4, 2]);
        let embedding = embedding.set_requires_grad(true);
        let labels = Tensor::from_slice(&[0_i64, 1, 0, 1]);
        let loss = contrastive(&embedding, &labels, 0.0, 1.0)
            + triplet(&embedding, &labels, Mining::BatchHard, 0.2)
            + triplet(&embedding, &labels, Mining::SemiHard, 0.2)
            + sup_con(&embedding, &labels, 0.1);
        loss.backward();
        let sum = embedding.grad().abs().sum(Kind::Double).double_value(&[]);
        assert!(sum.is_finite() && sum > 0.0, "{sum}");
    }
}
