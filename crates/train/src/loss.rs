//! Softmax cross entropy with label smoothing and mixed labels.

use tch::{Kind, Tensor};

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
/// `logits`: `[N, C]` f32, before the softmax. `labels`: `[N]` i64 in [0, C). The target is built as
/// timm builds it (`data/mixup.py`): each label is smoothed first (Szegedy et al. 2016,
/// <https://arxiv.org/abs/1512.00567>: 1 - s + s / C on the class, s / C on all others), then the two
/// are mixed by `lambda` (Yun et al. 2019, <https://arxiv.org/abs/1905.04899>). Smoothing and mixing are linear, so
/// the target itself need never be written out:
///
/// loss = (1 - s) (lambda nll(a) + (1 - lambda) nll(b)) + s mean over classes of -log p.
pub fn cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    mixed: Option<Mixed<'_>>,
    smoothing: f64,
) -> Tensor {
    let log_p = logits.log_softmax(-1, Kind::Float);
    let nll = |labels: &Tensor| {
        -log_p
            .gather(-1, &labels.unsqueeze(-1), false)
            .mean(Kind::Float)
    };
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
    hard * (1.0 - smoothing) - log_p.mean(Kind::Float) * smoothing
}
