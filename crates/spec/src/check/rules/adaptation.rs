//! What is trained, and what that leaves without effect.

use super::Rules;
use crate::trial::{Adaptation, Augment, Tta};
use crate::{TrialSpec, backbones};

pub(super) fn adaptation(spec: &TrialSpec, rules: &mut Rules) {
    let backbone = backbones::find(&spec.backbone.name);
    let has_batch_norm = backbone.is_none_or(|backbone| backbone.family.has_batch_norm);
    let freezes_bn =
        !matches!(spec.adaptation, Adaptation::HeadOnly {}) && spec.adaptation.freeze_bn();
    rules.rule(
        has_batch_norm || !freezes_bn,
        "/adaptation/freeze_bn",
        &freezes_bn,
        format!("false: {} has no BatchNorm", spec.backbone.name),
    );
    if let Adaptation::Gradual {
        unfreeze_epochs, ..
    } = &spec.adaptation
    {
        rules.rule(
            unfreeze_epochs.is_sorted(),
            "/adaptation/unfreeze_epochs",
            unfreeze_epochs,
            "epochs in ascending order: the head comes first, the stem last",
        );
        let last = unfreeze_epochs.last().copied().unwrap_or(0);
        rules.rule(
            last < spec.fit.epochs,
            "/adaptation/unfreeze_epochs",
            unfreeze_epochs,
            format!("epochs below fit.epochs, {}", spec.fit.epochs),
        );
    }
}

pub(super) fn head_only(spec: &TrialSpec, rules: &mut Rules) {
    let Adaptation::HeadOnly { .. } = spec.adaptation else {
        return;
    };
    let frozen = "head_only trains on cached features of unaugmented images";
    let (augment, none) = (spec.augment(), Augment::none());
    rules.rule(
        augment.crop == none.crop,
        "/augment/crop",
        &augment.crop,
        format!("{{\"kind\": \"center\"}}: {frozen}"),
    );
    let numbers = [
        ("flip/horizontal", augment.flip.horizontal),
        ("flip/vertical", augment.flip.vertical),
        ("rotation/degrees", augment.rotation.degrees),
        ("color_jitter/brightness", augment.color_jitter.brightness),
        ("color_jitter/contrast", augment.color_jitter.contrast),
        ("color_jitter/saturation", augment.color_jitter.saturation),
        ("color_jitter/hue", augment.color_jitter.hue),
        ("erasing/prob", augment.erasing.prob),
        ("cutout/prob", augment.cutout.prob),
    ];
    for (field, value) in numbers {
        rules.rule(
            value == 0.0,
            &format!("/augment/{field}"),
            &value,
            format!("0: {frozen}"),
        );
    }
    rules.rule(
        augment.policy == none.policy,
        "/augment/policy",
        &augment.policy,
        format!("{{\"kind\": \"none\"}}: {frozen}"),
    );
    rules.rule(
        augment.mix == none.mix,
        "/augment/mix",
        &augment.mix,
        format!(
            "{{\"kind\": \"none\"}}: {frozen}; use adaptation {{\"mode\": \"full\"}} to mix images"
        ),
    );
    rules.rule(
        spec.input.tta == Tta::None,
        "/input/tta",
        &spec.input.tta,
        "none: head_only scores the cached features of one view",
    );
    let metric = spec.loss.metric();
    rules.rule(
        !metric.compares_images(),
        "/loss/metric",
        metric,
        "none or arc_face: under head_only the embedding is fixed, so comparing images trains nothing",
    );
    rules.rule(
        spec.backbone.drop_path == 0.0,
        "/backbone/drop_path",
        &spec.backbone.drop_path,
        "0: a frozen backbone drops nothing",
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::check::testing::check;

    #[test]
    fn head_only_refuses_augmentation() {
        check(
            json!({"adaptation": {"mode": "head_only"}, "augment": {"mix": {"kind": "cutmix"}}}),
            &[
                ("/augment/crop", "center"),
                ("/augment/flip/horizontal", "0"),
                ("/augment/mix", "none"),
            ],
        );
        check(json!({"adaptation": {"mode": "head_only"}}), &[]);
    }

    #[test]
    fn head_only_names_each_field_that_would_be_ignored() {
        check(
            json!({
                "adaptation": {"mode": "head_only"},
                "input": {"tta": "flip"},
                "augment": {
                    "crop": {"kind": "center"},
                    "flip": {"horizontal": 0.0},
                    "rotation": {"degrees": 10.0},
                    "policy": {"kind": "trivial_augment"},
                    "color_jitter": {"hue": 0.1},
                    "erasing": {"prob": 0.25},
                    "cutout": {"prob": 0.5},
                },
            }),
            &[
                ("/input/tta", "none"),
                ("/augment/rotation/degrees", "0"),
                ("/augment/policy", "none"),
                ("/augment/color_jitter/hue", "0"),
                ("/augment/erasing/prob", "0"),
                ("/augment/cutout/prob", "0"),
            ],
        );
    }

    #[test]
    fn a_frozen_embedding_is_not_compared() {
        let pk = json!({"dataset": "d", "sampler": {"kind": "pk", "p": 16, "k": 4}});
        check(
            json!({
                "adaptation": {"mode": "head_only"},
                "data": pk,
                "loss": {"kind": "cross_entropy", "metric": {"kind": "contrastive"}},
            }),
            &[("/loss/metric", "trains nothing")],
        );
        check(
            json!({
                "adaptation": {"mode": "head_only"},
                "loss": {"kind": "cross_entropy", "metric": {"kind": "arc_face"}},
            }),
            &[],
        );
    }

    #[test]
    fn what_is_frozen_must_be_there() {
        let frozen = json!({"mode": "full", "freeze_bn": true});
        check(json!({"adaptation": frozen}), &[]);
        check(
            json!({"backbone": {"name": "convnext_tiny"}, "adaptation": frozen}),
            &[("/adaptation/freeze_bn", "convnext_tiny has no BatchNorm")],
        );
    }

    #[test]
    fn gradual_unfreezing_goes_up_within_the_run() {
        let gradual = |epochs: Value| {
            json!({
                "adaptation": {"mode": "gradual", "unfreeze_epochs": epochs},
                "fit": {"epochs": 5},
            })
        };
        check(gradual(json!([1, 2, 4])), &[]);
        check(
            gradual(json!([2, 1])),
            &[("/adaptation/unfreeze_epochs", "ascending")],
        );
        check(
            gradual(json!([1, 5])),
            &[("/adaptation/unfreeze_epochs", "below fit.epochs, 5")],
        );
        check(
            gradual(json!([])),
            &[("/adaptation/unfreeze_epochs", "at least 1 items")],
        );
    }
}
