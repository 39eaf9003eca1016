//! The rules that tie fields of a trial spec together: one function a part of the spec.

use serde::Serialize;
use serde_json::Value;

use super::{Violation, one_of};
use crate::trial::{
    Adaptation, Augment, Crop, EvalWeights, Fit, Loss, MetricLoss, Mix, ObjectiveMetric,
    PhaseTrains, PhaseViews, Policy, RandConvention, Sampler, Schedule, Select, TrainOn, Tta,
    phase_epochs,
};
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
    patches(spec, &mut rules);
    schedule(spec, &mut rules);
    fit(spec, &mut rules);
    augment(spec, &mut rules);
    policy(spec, &mut rules);
    loss(spec, &mut rules);
    metric_loss(spec, &mut rules);
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

fn fit(spec: &TrialSpec, rules: &mut Rules) {
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

fn policy(spec: &TrialSpec, rules: &mut Rules) {
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

fn loss(spec: &TrialSpec, rules: &mut Rules) {
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

fn metric_loss(spec: &TrialSpec, rules: &mut Rules) {
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

fn head_only(spec: &TrialSpec, rules: &mut Rules) {
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

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("spec types serialize")
}
