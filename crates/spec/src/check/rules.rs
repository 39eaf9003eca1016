//! The rules that tie fields of a trial spec together: one function a part of the spec.

use serde::Serialize;
use serde_json::Value;

use super::{Violation, one_of};
use crate::trial::{Adaptation, Crop, EvalWeights, Mix, Schedule, Select, TrainOn};
use crate::{TrialSpec, backbones};

/// Everything in a spec that its schema admits and its meaning does not.
pub(super) fn violations(spec: &TrialSpec) -> Vec<Violation> {
    let mut rules = Rules::default();
    names(spec, &mut rules);
    objective(spec, &mut rules);
    input(spec, &mut rules);
    schedule(spec, &mut rules);
    fit(spec, &mut rules);
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

fn schedule(spec: &TrialSpec, rules: &mut Rules) {
    if let Schedule::MultiStep {
        milestones,
        warmup_fraction,
        ..
    } = &spec.schedule
    {
        rules.rule(
            milestones.is_sorted_by(|a, b| a < b),
            "/schedule/milestones",
            milestones,
            "milestones in rising order",
        );
        rules.rule(
            milestones
                .iter()
                .all(|milestone| milestone > warmup_fraction),
            "/schedule/milestones",
            milestones,
            format!("milestones after the warm-up, which ends at {warmup_fraction}"),
        );
    }
}

fn fit(spec: &TrialSpec, rules: &mut Rules) {
    let fit = &spec.fit;
    rules.rule(
        fit.batch_size.is_multiple_of(fit.accumulation),
        "/fit/accumulation",
        &fit.accumulation,
        format!("a divisor of batch_size ({})", fit.batch_size),
    );
    if let Adaptation::Full { .. } = spec.adaptation {
        rules.rule(
            fit.accumulation == 1 || fit.batch_size >= 2 * fit.accumulation,
            "/fit/accumulation",
            &fit.accumulation,
            "at least 2 images a micro-batch, whose statistics BatchNorm takes",
        );
    }
    rules.rule(
        fit.eval_weights != Some(EvalWeights::Ema) || fit.ema.is_some(),
        "/fit/eval_weights",
        &fit.eval_weights,
        "raw, or an ema to evaluate",
    );
    rules.rule(
        fit.select == Select::Last || spec.data.train_on == TrainOn::Train,
        "/fit/select",
        &fit.select,
        "last: a run on train and validation has nothing to select by",
    );
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
