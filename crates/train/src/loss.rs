//! Softmax cross entropy with label smoothing (Szegedy et al. 2016) and mixed labels (Yun et al. 2019).

use cultivar_spec::trial::Loss;
use tch::{Kind, Tensor};

/// The labels of the images that were mixed in, and the share of each image that is still its own.
#[derive(Debug)]
pub struct MixedLabels {
    /// `[N]` i64.
    pub other: Tensor,
    /// In [0, 1].
    pub own_share: f64,
}

/// The mean training loss of a batch, a scalar. `logits: [N, C]` f32, `labels: [N]` i64.
///
/// Labels are smoothed first and mixed afterwards, as timm does; since the loss is linear in the
/// target, that is the mix of the two smoothed losses.
pub fn training_loss(
    loss: &Loss,
    logits: &Tensor,
    labels: &Tensor,
    mixed: Option<&MixedLabels>,
) -> Tensor {
    match *loss {
        Loss::CrossEntropy { smoothing } => {
            let log_p = logits.log_softmax(-1, Kind::Float);
            let own = smoothed(&log_p, labels, smoothing);
            match mixed {
                None => own,
                Some(mixed) => {
                    own * mixed.own_share
                        + smoothed(&log_p, &mixed.other, smoothing) * (1.0 - mixed.own_share)
                }
            }
        }
    }
}

/// Plain cross entropy per image, `[N]`: what validation reports.
pub fn cross_entropy_per_image(logits: &Tensor, labels: &Tensor) -> Tensor {
    let log_p = logits.log_softmax(-1, Kind::Float);
    -log_p.gather(1, &labels.unsqueeze(1), false).squeeze_dim(1)
}

fn smoothed(log_p: &Tensor, labels: &Tensor, smoothing: f64) -> Tensor {
    let hit = -log_p
        .gather(1, &labels.unsqueeze(1), false)
        .mean(Kind::Float);
    if smoothing == 0.0 {
        return hit;
    }
    let spread = -log_p.mean(Kind::Float);
    hit * (1.0 - smoothing) + spread * smoothing
}
