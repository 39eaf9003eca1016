//! The course of a run: its schedule, its phases, its batches, and which weights come out.

use super::Rules;
use crate::TrialSpec;
use crate::trial::{
    Adaptation, EvalWeights, PhaseTrains, PhaseViews, Schedule, Select, TrainOn, phase_epochs,
};

pub(super) fn schedule(spec: &TrialSpec, rules: &mut Rules) {
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

pub(super) fn phases(spec: &TrialSpec, rules: &mut Rules) {
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

pub(super) fn fit(spec: &TrialSpec, rules: &mut Rules) {
    let fit = &spec.fit;
    rules.rule(
        fit.batch_size.is_multiple_of(fit.accumulation),
        "/fit/accumulation",
        &fit.accumulation,
        format!("a divisor of batch_size ({})", fit.batch_size),
    );
    if spec.adaptation != (Adaptation::HeadOnly {}) {
        rules.rule(
            fit.accumulation == 1 || fit.batch_size >= 2 * fit.accumulation,
            "/fit/accumulation",
            &fit.accumulation,
            "at least 2 images a micro-batch, whose statistics BatchNorm takes",
        );
    }
    rules.rule(
        fit.accumulation == 1 || !spec.loss.metric().compares_images(),
        "/fit/accumulation",
        &fit.accumulation,
        format!(
            "1: {} compares the images of a batch",
            spec.loss.metric().kind()
        ),
    );
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::check::testing::check;

    #[test]
    fn phases_share_the_epochs_and_agree_with_the_rest() {
        let fixres = json!({"share": 0.1, "train": "head_and_last_norm", "views": "evaluation"});
        let spec = |phases: Value, adaptation: Value| {
            json!({
                "adaptation": adaptation,
                "fit": {"epochs": 10, "resolution": 96, "eval_resolution": 128, "phases": phases},
            })
        };
        let full = json!({"mode": "full"});
        let freeze = json!({"share": 0.1, "train": "head"});
        check(
            spec(json!([freeze, {"share": 0.8}, fixres]), full.clone()),
            &[],
        );
        check(
            spec(
                json!([{"share": 0.01}, {"share": 1.0, "views": "evaluation", "resolution": 96}]),
                full,
            ),
            &[
                ("/fit/phases/0/share", "at least one of the 10 epochs"),
                ("/fit/phases/1/resolution", "null or 128"),
            ],
        );
        check(
            spec(json!([fixres]), json!({"mode": "full", "freeze_bn": true})),
            &[("/fit/phases/0/train", "freeze_bn")],
        );
        check(
            spec(
                json!([{}]),
                json!({"mode": "gradual", "unfreeze_epochs": [1]}),
            ),
            &[("/fit/phases", "mode")],
        );
    }

    #[test]
    fn schedules_and_weights_must_make_sense() {
        check(
            json!({"schedule": {"kind": "multi_step", "warmup_fraction": 0.3, "milestones": [0.5, 0.2]}}),
            &[
                ("/schedule/milestones", "rising"),
                (
                    "/schedule/milestones",
                    "after the warm-up, which ends at 0.3",
                ),
            ],
        );
        check(
            json!({"schedule": {"kind": "multi_step", "milestones": []}}),
            &[("/schedule/milestones", "at least 1 items")],
        );
        check(
            json!({"fit": {"batch_size": 12, "accumulation": 5}}),
            &[("/fit/accumulation", "divisor of batch_size (12)")],
        );
        check(
            json!({"fit": {"batch_size": 4, "accumulation": 4}}),
            &[("/fit/accumulation", "at least 2 images")],
        );
        check(
            json!({"fit": {"batch_size": 4, "accumulation": 4}, "adaptation": {"mode": "head_only"}}),
            &[],
        );
        check(
            json!({"fit": {"eval_weights": "ema"}}),
            &[("/fit/eval_weights", "raw")],
        );
        check(
            json!({
                "fit": {"accumulation": 2},
                "loss": {"kind": "cross_entropy", "metric": {"kind": "triplet"}},
                "data": {"dataset": "d", "sampler": {"kind": "pk", "p": 16, "k": 4}},
            }),
            &[("/fit/accumulation", "triplet compares")],
        );
        check(
            json!({"fit": {"select": "best"}, "data": {"dataset": "d", "train_on": "train_val"}}),
            &[("/fit/select", "last")],
        );
        check(
            json!({"optimizer": {"kind": "adam", "sam": {"rho": 0.0, "adaptiv": true}}}),
            &[
                ("/optimizer/sam/rho", "above 0"),
                ("/optimizer/sam/adaptiv", "adaptive, rho"),
            ],
        );
    }
}
