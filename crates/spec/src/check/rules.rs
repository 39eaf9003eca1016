//! The rules that tie fields of a trial spec together: one function a part of the spec.

use serde::Serialize;
use serde_json::Value;

use super::{Violation, one_of};
use crate::trial::{Adaptation, Crop, Mix, PhaseTrains, PhaseViews, phase_epochs};
use crate::{TrialSpec, backbones};

/// Everything in a spec that its schema admits and its meaning does not.
pub(super) fn violations(spec: &TrialSpec) -> Vec<Violation> {
    let mut rules = Rules::default();
    names(spec, &mut rules);
    objective(spec, &mut rules);
    input(spec, &mut rules);
    patches(spec, &mut rules);
    augment(spec, &mut rules);
    head_only(spec, &mut rules);
    adaptation(spec, &mut rules);
    phases(spec, &mut rules);
    rules.broken
}

#[derive(Default)]
struct Rules {
    broken: Vec<Violation>,
}

impl Rules {
    /// States a rule; `value` stands at `pointer`.
    fn rule(
        &mut self,
        holds: bool,
        pointer: &str,
        value: &impl Serialize,
        expected: impl Into<String>,
    ) {
        if !holds {
            self.broken
                .push(Violation::new(pointer, json(value), expected));
        }
    }
}

fn names(spec: &TrialSpec, rules: &mut Rules) {
    rules.rule(
        !spec.data.dataset.is_empty(),
        "/data/dataset",
        &spec.data.dataset,
        "the name of a registered dataset",
    );
    rules.rule(
        backbones::find(&spec.backbone.name).is_some(),
        "/backbone/name",
        &spec.backbone.name,
        format!(
            "one of {}",
            one_of(backbones::BACKBONES.iter().map(|b| b.name))
        ),
    );
}

fn objective(spec: &TrialSpec, rules: &mut Rules) {
    let natural = spec.objective.metric.direction();
    rules.rule(
        spec.objective.direction == natural,
        "/objective/direction",
        &spec.objective.direction,
        format!("{} for {}", json(&natural), spec.objective.metric.name()),
    );
}

fn input(spec: &TrialSpec, rules: &mut Rules) {
    for (idx, std) in spec.input.std.iter().flatten().enumerate() {
        rules.rule(
            *std > 0.0,
            &format!("/input/std/{idx}"),
            std,
            "a number above 0",
        );
    }
}

fn patches(spec: &TrialSpec, rules: &mut Rules) {
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

fn adaptation(spec: &TrialSpec, rules: &mut Rules) {
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

fn phases(spec: &TrialSpec, rules: &mut Rules) {
    let phases = &spec.fit.phases;
    if phases.is_empty() {
        return;
    }
    let full = matches!(spec.adaptation, Adaptation::Full { .. });
    rules.rule(
        full,
        "/fit/phases",
        phases,
        "none: phases say what is trained when, which adaptation {\"mode\": \"full\"} alone leaves to them",
    );
    let n_epochs = phase_epochs(phases, spec.fit.epochs);
    let eval_resolution = spec.fit.eval_resolution.unwrap_or(spec.fit.resolution);
    for (idx, phase) in phases.iter().enumerate() {
        rules.rule(
            n_epochs[idx] > 0,
            &format!("/fit/phases/{idx}/share"),
            &phase.share,
            format!("at least one of the {} epochs", spec.fit.epochs),
        );
        let sees_evaluation = phase.views == PhaseViews::Evaluation;
        let resolution = phase.resolution.unwrap_or(eval_resolution);
        rules.rule(
            !sees_evaluation || resolution == eval_resolution,
            &format!("/fit/phases/{idx}/resolution"),
            &phase.resolution,
            format!("null or {eval_resolution}: evaluation's views have evaluation's resolution"),
        );
        let trains_last_norm = phase.train == PhaseTrains::HeadAndLastNorm;
        rules.rule(
            !trains_last_norm || !spec.adaptation.freeze_bn(),
            &format!("/fit/phases/{idx}/train"),
            &phase.train,
            "all or head: freeze_bn keeps the last norm as it is",
        );
    }
}

fn augment(spec: &TrialSpec, rules: &mut Rules) {
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
    if let Mix::Cutmix { .. } = augment.mix {
        rules.rule(
            spec.fit.batch_size > 1,
            "/fit/batch_size",
            &spec.fit.batch_size,
            "at least 2, since cutmix mixes the images of a batch",
        );
    }
}

fn head_only(spec: &TrialSpec, rules: &mut Rules) {
    let Adaptation::HeadOnly {} = spec.adaptation else {
        return;
    };
    let frozen = "head_only trains on cached features of unaugmented images";
    let augment = spec.augment();
    rules.rule(
        augment.crop == Crop::Center {},
        "/augment/crop",
        &augment.crop,
        format!("{{\"kind\": \"center\"}}: {frozen}"),
    );
    rules.rule(
        augment.flip.horizontal == 0.0,
        "/augment/flip/horizontal",
        &augment.flip.horizontal,
        format!("0: {frozen}"),
    );
    rules.rule(
        augment.flip.vertical == 0.0,
        "/augment/flip/vertical",
        &augment.flip.vertical,
        format!("0: {frozen}"),
    );
    rules.rule(
        augment.mix == Mix::None {},
        "/augment/mix",
        &augment.mix,
        format!(
            "{{\"kind\": \"none\"}}: {frozen}; use adaptation {{\"mode\": \"full\"}} to mix images"
        ),
    );
    rules.rule(
        spec.backbone.drop_path == 0.0,
        "/backbone/drop_path",
        &spec.backbone.drop_path,
        "0: a frozen backbone drops nothing",
    );
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("spec types serialize")
}
