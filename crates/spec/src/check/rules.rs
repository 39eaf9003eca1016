//! The rules that tie fields of a trial spec together: one function a part of the spec.

mod adaptation;
mod course;
mod files;
mod images;
mod loss;

use serde::Serialize;
use serde_json::Value;

use super::{Violation, one_of};
use crate::trial::{Fit, ObjectiveMetric};
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
    files::files(spec, &mut rules);
    images::input(spec, &mut rules);
    images::patches(spec, &mut rules);
    course::schedule(spec, &mut rules);
    course::fit(spec, &mut rules);
    images::augment(spec, &mut rules);
    images::policy(spec, &mut rules);
    loss::loss(spec, &mut rules);
    loss::metric_loss(spec, &mut rules);
    adaptation::head_only(spec, &mut rules);
    adaptation::adaptation(spec, &mut rules);
    course::phases(spec, &mut rules);
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
        backbones::find(&spec.backbone.name).is_some()
            || spec.backbone.name == backbones::TORCHSCRIPT,
        "/backbone/name",
        &spec.backbone.name,
        format!(
            "one of {}, or {}",
            one_of(backbones::BACKBONES.iter().map(|b| b.name)),
            backbones::TORCHSCRIPT,
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

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("spec types serialize")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::check::testing::check;

    #[test]
    fn names_must_be_known() {
        check(
            json!({"backbone": {"name": "resnet9000"}}),
            &[("/backbone/name", "efficientnet_lite0")],
        );
        check(
            json!({"data": {}}),
            &[("/data/dataset", "registered dataset")],
        );
        check(
            json!({"backbone": {"weights": "elsewhere"}}),
            &[("/backbone/weights", "pretrained")],
        );
    }
}
