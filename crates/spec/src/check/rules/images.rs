//! What the network sees: pixels, crops, augmentation.

use super::Rules;
use crate::trial::{Crop, Mix, Policy, RandConvention};
use crate::{TrialSpec, backbones};

pub(super) fn input(spec: &TrialSpec, rules: &mut Rules) {
    for (idx, std) in spec.input.std.iter().flatten().enumerate() {
        rules.rule(
            *std > 0.0,
            &format!("/input/std/{idx}"),
            std,
            "a number above 0",
        );
    }
}

pub(super) fn patches(spec: &TrialSpec, rules: &mut Rules) {
    let Some(backbone) = backbones::find(&spec.backbone.name) else {
        return;
    };
    let patch = backbone.family.patch;
    let mut side = |pointer: &str, side: u32| {
        rules.rule(
            side.is_multiple_of(patch),
            pointer,
            &side,
            format!(
                "a multiple of {patch}, the patch of {}, such as {}",
                backbone.name,
                side.next_multiple_of(patch)
            ),
        );
    };
    side("/fit/resolution", spec.fit.resolution);
    if let Some(eval_resolution) = spec.fit.eval_resolution {
        side("/fit/eval_resolution", eval_resolution);
    }
    for (idx, phase) in spec.fit.phases.iter().enumerate() {
        if let Some(resolution) = phase.resolution {
            side(&format!("/fit/phases/{idx}/resolution"), resolution);
        }
    }
}

pub(super) fn augment(spec: &TrialSpec, rules: &mut Rules) {
    let augment = spec.augment();
    if let Crop::RandomResized { scale, ratio } = &augment.crop {
        rules.rule(
            scale[0] <= scale[1],
            "/augment/crop/scale",
            scale,
            "the smaller bound first",
        );
        rules.rule(
            ratio[0] <= ratio[1],
            "/augment/crop/ratio",
            ratio,
            "the smaller bound first",
        );
    }
    for (field, bounds) in [
        ("area", augment.erasing.area),
        ("ratio", augment.erasing.ratio),
    ] {
        rules.rule(
            bounds[0] <= bounds[1],
            &format!("/augment/erasing/{field}"),
            &bounds,
            "the smaller bound first",
        );
    }
    if augment.mix != (Mix::None {}) {
        rules.rule(
            spec.fit.batch_size > 1,
            "/fit/batch_size",
            &spec.fit.batch_size,
            format!(
                "at least 2, since {} mixes the images of a batch",
                augment.mix.kind()
            ),
        );
    }
}

pub(super) fn policy(spec: &TrialSpec, rules: &mut Rules) {
    let Policy::RandAugment {
        convention,
        m,
        mstd,
        increasing,
        ..
    } = spec.augment().policy
    else {
        return;
    };
    match convention {
        RandConvention::Timm => rules.rule(
            m <= 10.0,
            "/augment/policy/m",
            &m,
            "at most 10, where timm's ranges end",
        ),
        RandConvention::Torchvision => {
            rules.rule(
                m.fract() == 0.0,
                "/augment/policy/m",
                &m,
                "a whole number: torchvision has 31 magnitudes",
            );
            rules.rule(
                mstd == 0.0,
                "/augment/policy/mstd",
                &mstd,
                "0: torchvision's magnitude is fixed",
            );
            rules.rule(
                !increasing,
                "/augment/policy/increasing",
                &increasing,
                "false: torchvision has one list",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::check::testing::check;

    #[test]
    fn a_policy_keeps_to_its_convention() {
        let rand = |convention: &str, more: Value| {
            let mut policy = json!({"kind": "rand_augment", "convention": convention});
            for (key, value) in more.as_object().unwrap() {
                policy[key] = value.clone();
            }
            json!({"augment": {"policy": policy}})
        };
        check(rand("timm", json!({"m": 9.5, "mstd": 0.5})), &[]);
        check(rand("torchvision", json!({"m": 30.0})), &[]);
        check(
            rand("timm", json!({"m": 11.0})),
            &[("/augment/policy/m", "at most 10")],
        );
        check(
            rand(
                "torchvision",
                json!({"m": 9.5, "mstd": 0.5, "increasing": true}),
            ),
            &[
                ("/augment/policy/m", "whole"),
                ("/augment/policy/mstd", "0"),
                ("/augment/policy/increasing", "false"),
            ],
        );
        check(
            json!({"augment": {"erasing": {"area": [0.5, 0.1], "ratio": [3.0, 0.3]}}}),
            &[
                ("/augment/erasing/area", "smaller"),
                ("/augment/erasing/ratio", "smaller"),
            ],
        );
        check(
            json!({"augment": {"mix": {"kind": "mixup"}}, "fit": {"batch_size": 1}}),
            &[("/fit/batch_size", "mixup")],
        );
    }

    #[test]
    fn patches_must_fit_the_image() {
        let vit = json!({"name": "vit_small_patch14_dinov2"});
        check(
            json!({
                "backbone": vit,
                "fit": {"resolution": 224, "eval_resolution": 256, "phases": [{"resolution": 100}]},
            }),
            &[
                ("/fit/eval_resolution", "a multiple of 14"),
                ("/fit/phases/0/resolution", "such as 112"),
            ],
        );
        check(json!({"backbone": vit, "fit": {"resolution": 98}}), &[]);
        check(json!({"fit": {"resolution": 97}}), &[]);
    }
}
