//! The training loss: of the logits, and of the embedding where a metric loss is on.
//!
//! | file | what |
//! | --- | --- |
//! | [`classes`] | cross entropy, BCE and focal loss of logits against smoothed and mixed labels |
//! | [`metric`] | contrastive, triplet and SupCon loss of embeddings against each other |
//! | [`arc_face`] | the angular margin on the logits of a cosine head |

pub mod arc_face;
pub mod classes;
pub mod metric;

use cultivar_spec::trial::{Loss, MetricLoss};
use tch::Tensor;

pub use classes::{Mixed, cross_entropy};

/// A network's answer to a training batch.
#[derive(Debug)]
pub struct Outputs {
    /// `[N, C]` f32, before the softmax.
    pub logits: Tensor,
    /// `[N, n_features]` f32: the pooled features, not normalised.
    pub embedding: Tensor,
}

/// The loss of a batch as the spec has it: a scalar on the device of the outputs.
///
/// `labels: [N]` i64 in [0, C). Under [`Loss::Probe`] the caller stops the gradient between embedding
/// and logits.
pub fn total(spec: &Loss, outputs: &Outputs, labels: &Tensor, mixed: Option<Mixed<'_>>) -> Tensor {
    let margined = match *spec.metric() {
        MetricLoss::ArcFace { margin, scale } => Some(arc_face::with_margin(
            &outputs.logits,
            labels,
            margin,
            scale,
        )),
        _ => None,
    };
    let logits = margined.as_ref().unwrap_or(&outputs.logits);
    let of_classes = match *spec {
        Loss::CrossEntropy { smoothing, .. } => cross_entropy(logits, labels, mixed, smoothing),
        Loss::Bce {
            smoothing,
            target_threshold,
            ..
        } => classes::bce(logits, labels, mixed, smoothing, target_threshold),
        Loss::Focal {
            gamma, smoothing, ..
        } => classes::focal(logits, labels, mixed, smoothing, gamma),
        Loss::Probe { .. } => cross_entropy(logits, labels, None, 0.0),
    };
    let of_embedding = match *spec.metric() {
        MetricLoss::None {} | MetricLoss::ArcFace { .. } => return of_classes,
        MetricLoss::Contrastive {
            pos_margin,
            neg_margin,
            weight,
        } => metric::contrastive(&outputs.embedding, labels, pos_margin, neg_margin) * weight,
        MetricLoss::Triplet {
            mining,
            margin,
            weight,
        } => metric::triplet(&outputs.embedding, labels, mining, margin) * weight,
        MetricLoss::SupCon {
            temperature,
            weight,
        } => metric::sup_con(&outputs.embedding, labels, temperature) * weight,
    };
    of_classes + of_embedding
}
