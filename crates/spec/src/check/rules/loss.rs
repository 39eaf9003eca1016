//! The losses, and what they ask of batches.

use super::Rules;
use crate::TrialSpec;
use crate::trial::{Loss, MetricLoss, Mix, Sampler};

pub(super) fn loss(spec: &TrialSpec, rules: &mut Rules) {
    match &spec.loss {
        Loss::CrossEntropy { .. } | Loss::Focal { .. } => {}
        Loss::Bce {
            smoothing,
            target_threshold,
            metric,
        } => {
            rules.rule(
                target_threshold.is_none() || *smoothing == 0.0,
                "/loss/smoothing",
                smoothing,
                "0: a threshold makes the targets hard again",
            );
            rules.rule(
                !matches!(metric, MetricLoss::ArcFace { .. }),
                "/loss/metric",
                metric,
                "a metric loss other than arc_face, whose cosines are logits of a softmax",
            );
        }
        Loss::Probe { metric } => {
            rules.rule(
                metric.compares_images(),
                "/loss/metric",
                metric,
                "contrastive, triplet or sup_con: under probe nothing else trains the backbone",
            );
        }
    }
}

pub(super) fn metric_loss(spec: &TrialSpec, rules: &mut Rules) {
    let metric = spec.loss.metric();
    let is_on = *metric != MetricLoss::None {};
    let objective = spec.objective.metric;
    rules.rule(
        is_on || !objective.is_of_neighbours(),
        "/objective/metric",
        &objective,
        "another metric: neighbours are looked at where a metric loss is on only",
    );
    let augment = spec.augment();
    rules.rule(
        !is_on || augment.mix == Mix::None {},
        "/augment/mix",
        &augment.mix,
        format!(
            "{{\"kind\": \"none\"}}: {} needs one class an image",
            metric.kind()
        ),
    );
    let sampler = &spec.data.sampler;
    rules.rule(
        !metric.compares_images() || matches!(sampler, Sampler::Pk { .. }),
        "/data/sampler",
        sampler,
        format!(
            "{{\"kind\": \"pk\", ...}}: {} compares images of one class within a batch",
            metric.kind()
        ),
    );
    if let Sampler::Pk { p, k } = *sampler {
        rules.rule(
            u64::from(p) * u64::from(k) == u64::from(spec.fit.batch_size),
            "/fit/batch_size",
            &spec.fit.batch_size,
            format!("{}: p x k", u64::from(p) * u64::from(k)),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::check::testing::check;

    #[test]
    fn a_metric_loss_needs_what_it_compares() {
        let loss = |metric: Value| json!({"kind": "cross_entropy", "metric": metric});
        let pk = json!({"dataset": "d", "sampler": {"kind": "pk", "p": 16, "k": 4}});
        check(
            json!({"loss": loss(json!({"kind": "triplet"}))}),
            &[("/data/sampler", "pk")],
        );
        check(
            json!({"loss": loss(json!({"kind": "triplet"})), "data": pk}),
            &[],
        );
        check(
            json!({"loss": {"kind": "probe", "metric": {"kind": "sup_con"}}, "data": pk}),
            &[],
        );
        check(
            json!({"loss": {"kind": "probe", "metric": {"kind": "arc_face"}}}),
            &[("/loss/metric", "under probe")],
        );
        check(
            json!({"loss": {"kind": "probe"}}),
            &[("/loss/metric", "required")],
        );
        check(
            json!({"data": pk, "fit": {"batch_size": 60}}),
            &[("/fit/batch_size", "64")],
        );
        check(
            json!({
                "loss": loss(json!({"kind": "arc_face"})),
                "augment": {"mix": {"kind": "cutmix"}},
            }),
            &[("/augment/mix", "one class")],
        );
        check(
            json!({"objective": {"metric": "val_recall_at_1"}}),
            &[("/objective/metric", "metric loss")],
        );
        check(
            json!({
                "objective": {"metric": "val_knn_top1"},
                "loss": loss(json!({"kind": "arc_face"})),
            }),
            &[],
        );
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        check(
            json!({"loss": {"kind": "bce", "smoothing": 0.1, "target_threshold": 0.2}}),
            &[("/loss/smoothing", "threshold")],
        );
        check(
            json!({"loss": {"kind": "bce", "metric": {"kind": "arc_face"}}}),
            &[("/loss/metric", "other than arc_face")],
        );
    }
}
