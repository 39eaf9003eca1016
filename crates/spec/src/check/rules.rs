//! The rules that tie fields of a trial spec together: one function a part of the spec.

use serde::Serialize;
use serde_json::Value;

use super::{Violation, one_of};
use crate::trial::{Adaptation, Crop, Fit, Mix, ObjectiveMetric};
use crate::{TrialSpec, backbones};

/// Everything in a spec that its schema admits and its meaning does not.
pub(super) fn violations(spec: &TrialSpec) -> Vec<Violation> {
    let mut rules = Rules::default();
    objective(spec, &mut rules);
    if spec.is_external() {
        external(spec, &mut rules);
        return rules.broken;
    }
    names(spec, &mut rules);
    input(spec, &mut rules);
    augment(spec, &mut rules);
    head_only(spec, &mut rules);
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
        natural.is_none_or(|natural| spec.objective.direction == natural),
        "/objective/direction",
        &spec.objective.direction,
        format!("{} for {}", json(&natural), spec.objective.metric.name()),
    );
    let is_value = spec.objective.metric == ObjectiveMetric::Value;
    rules.rule(
        is_value == spec.is_external(),
        "/objective/metric",
        &spec.objective.metric,
        "value for an external task, and for no other",
    );
}

/// What does not apply is refused, not ignored.
fn external(spec: &TrialSpec, rules: &mut Rules) {
    let plain = TrialSpec::default();
    let fit = Fit {
        epochs: spec.fit.epochs,
        seed: spec.fit.seed,
        ..Fit::default()
    };
    let expected = "nothing: an external task takes its settings from /task/params";
    rules.rule(spec.data == plain.data, "/data", &spec.data, expected);
    rules.rule(
        spec.backbone == plain.backbone,
        "/backbone",
        &spec.backbone,
        expected,
    );
    rules.rule(spec.input == plain.input, "/input", &spec.input, expected);
    rules.rule(
        spec.adaptation == plain.adaptation,
        "/adaptation",
        &spec.adaptation,
        expected,
    );
    rules.rule(
        spec.optimizer == plain.optimizer,
        "/optimizer",
        &spec.optimizer,
        expected,
    );
    rules.rule(
        spec.schedule == plain.schedule,
        "/schedule",
        &spec.schedule,
        expected,
    );
    rules.rule(
        spec.augment == plain.augment,
        "/augment",
        &spec.augment,
        expected,
    );
    rules.rule(spec.loss == plain.loss, "/loss", &spec.loss, expected);
    let only = "epochs and seed alone: an external task takes its settings from /task/params";
    rules.rule(spec.fit == fit, "/fit", &spec.fit, only);
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
