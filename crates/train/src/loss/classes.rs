//! Losses of logits against classes, with label smoothing and mixed labels.
//!
//! The target is built as timm builds it (`data/mixup.py`): each label is smoothed first (Szegedy et al. 2016,
//! <https://arxiv.org/abs/1512.00567>: 1 - s + s / C on the class, s / C on all others), then the two
//! are mixed by lambda (Yun et al. 2019, <https://arxiv.org/abs/1905.04899>).

use tch::{Kind, Reduction, Tensor};

/// Keeps the focal factor's slope finite where its exponent is below 1.
const LEAST_DOUBT: f64 = 1e-7;

/// The second half of a mixed batch's labels.
#[derive(Clone, Copy, Debug)]
pub struct Mixed<'a> {
    /// `[N]` i64: the class of what was mixed into each image.
    pub labels: &'a Tensor,
    /// Share of the image, and so of the label, that is still the first image's. In [0, 1].
    pub lambda: f64,
}

/// Mean cross entropy of `logits` against soft targets: a scalar f32 on the device of `logits`.
///
/// `logits`: `[N, C]` f32, before the softmax. `labels`: `[N]` i64 in [0, C). Smoothing and mixing are
/// linear, so the target itself need never be written out:
///
/// loss = (1 - s) (lambda nll(a) + (1 - lambda) nll(b)) + s mean over classes of -log p.
pub fn cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    mixed: Option<Mixed<'_>>,
    smoothing: f64,
) -> Tensor {
    let logits = in_full(logits);
    let kind = logits.kind();
    let log_p = logits.log_softmax(-1, kind);
    let nll = |labels: &Tensor| -log_p.gather(-1, &labels.unsqueeze(-1), false).mean(kind);
    let hard = match mixed {
        Some(Mixed {
            labels: others,
            lambda,
        }) => nll(labels) * lambda + nll(others) * (1.0 - lambda),
        None => nll(labels),
    };
    if smoothing == 0.0 {
        return hard;
    }
    hard * (1.0 - smoothing) - log_p.mean(kind) * smoothing
}

/// A sigmoid cross entropy for each class, averaged over images and classes: a scalar.
///
/// Wightman et al. 2021, <https://arxiv.org/abs/2110.00476>, as timm's `BinaryCrossEntropy` with its defaults:
/// with a `threshold`, targets above it become 1 and all others 0. Arguments as in [`cross_entropy`].
pub fn bce(
    logits: &Tensor,
    labels: &Tensor,
    mixed: Option<Mixed<'_>>,
    smoothing: f64,
    threshold: Option<f64>,
) -> Tensor {
    let logits = in_full(logits);
    let soft = target(&logits, labels, mixed, smoothing);
    let target = match threshold {
        Some(threshold) => soft.gt(threshold).to_kind(logits.kind()),
        None => soft,
    };
    logits.binary_cross_entropy_with_logits(
        &target,
        None::<&Tensor>,
        None::<&Tensor>,
        Reduction::Mean,
    )
}

/// Focal loss, averaged over images: a scalar.
///
/// Lin et al. 2017, <https://arxiv.org/abs/1708.02002>, in its multi-class form: -(1 - p)^gamma log p of the softmax's
/// p, summed over classes by their share of the target. The paper's own is a sigmoid a class with a
/// weight alpha, for detection; there is no alpha here. At gamma 0 this is [`cross_entropy`].
pub fn focal(
    logits: &Tensor,
    labels: &Tensor,
    mixed: Option<Mixed<'_>>,
    smoothing: f64,
    gamma: f64,
) -> Tensor {
    let logits = in_full(logits);
    let kind = logits.kind();
    let log_p = logits.log_softmax(-1, kind);
    let doubt = (-log_p.expm1()).clamp_min(LEAST_DOUBT);
    let weighed =
        target(&logits, labels, mixed, smoothing) * doubt.pow_tensor_scalar(gamma) * log_p;
    -weighed
        .sum_dim_intlist([1_i64].as_slice(), false, kind)
        .mean(kind)
}

/// `[N, C]` of the kind of `logits`; rows sum to 1.
fn target(logits: &Tensor, labels: &Tensor, mixed: Option<Mixed<'_>>, smoothing: f64) -> Tensor {
    let n_classes = logits.size()[1];
    let smooth = |labels: &Tensor| {
        labels.one_hot(n_classes).to_kind(logits.kind()) * (1.0 - smoothing)
            + smoothing / n_classes as f64
    };
    match mixed {
        Some(Mixed {
            labels: others,
            lambda,
        }) => smooth(labels) * lambda + smooth(others) * (1.0 - lambda),
        None => smooth(labels),
    }
}

/// Half precision is raised to f32; f64, in which the references are compared, stays.
pub(super) fn in_full(x: &Tensor) -> Tensor {
    match x.kind() {
        Kind::Double => x.shallow_clone(),
        _ => x.to_kind(Kind::Float),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::Device;

    use super::*;

    proptest! {
        #[test]
        fn the_label_mass_is_one(smoothing in 0.0_f64..0.9, lambda in 0.0_f64..=1.0, n_classes in 2_i64..9) {
            let logits = Tensor::zeros([3, n_classes], (Kind::Double, Device::Cpu));
            let (labels, others) = (Tensor::from_slice(&[0_i64, 1, 0]), Tensor::from_slice(&[0_i64, 0, 1]));
            let mixed = Some(Mixed { labels: &others, lambda });
            let target = target(&logits, &labels, mixed, smoothing);
            prop_assert!(target.min().double_value(&[]) >= 0.0);
            let mass = target.sum_dim_intlist([1_i64].as_slice(), false, Kind::Double);
            prop_assert!((mass - 1.0).abs().max().double_value(&[]) < 1e-12);
        }

        #[test]
        fn a_focal_loss_of_gamma_0_is_cross_entropy(smoothing in 0.0_f64..0.9, lambda in 0.0_f64..=1.0) {
            let logits = Tensor::from_slice(&[1.0, -2.0, 0.5, 3.0, 0.0, -1.0]).view([2, 3]);
            let (labels, others) = (Tensor::from_slice(&[2_i64, 0]), Tensor::from_slice(&[0_i64, 2]));
            let mixed = || Some(Mixed { labels: &others, lambda });
            let plain = cross_entropy(&logits, &labels, mixed(), smoothing).double_value(&[]);
            let focal = focal(&logits, &labels, mixed(), smoothing, 0.0).double_value(&[]);
            prop_assert!((plain - focal).abs() < 1e-12);
        }
    }
}
