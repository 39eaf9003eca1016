//! ArcFace: Deng et al. 2019, <https://arxiv.org/abs/1801.07698>. A cosine head's logits are s cos(theta) between
//! the embedding and each class's weights; in training the true class's become s cos(theta + m).
//!
//! Beyond theta = pi - m the paper's logit would rise again; as in pytorch-metric-learning and in the authors' code it
//! goes on falling there, as s (cos(theta) - m sin(m)). Any loss of logits may follow.

use std::f64::consts::PI;

use tch::Tensor;

use super::classes::in_full;

/// Cosines are kept this far from 1, where the slope of the angle is infinite.
const LEAST_SLACK: f64 = 1e-7;

/// Logits with the margin: `[N, C]`.
///
/// `logits: [N, C]`, each `scale` times a cosine; `labels: [N]` i64; `margin` in radians.
pub fn with_margin(logits: &Tensor, labels: &Tensor, margin: f64, scale: f64) -> Tensor {
    let logits = in_full(logits);
    let truth = labels.unsqueeze(1);
    let cosine = logits.gather(1, &truth, false) / scale;
    let cosine = cosine.clamp(LEAST_SLACK - 1.0, 1.0 - LEAST_SLACK);
    let angle = cosine.acos();
    let beyond = &cosine - margin * margin.sin();
    let margined = (&angle + margin)
        .cos()
        .where_self(&angle.le(PI - margin), &beyond);
    logits.scatter(1, &truth, &(margined * scale))
}
