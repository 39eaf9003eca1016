//! Which runs a study still lacks, and the sweep that trains them. Pure: what is already there comes in, specs come
//! out.

use cultivar_spec::sweep::Sampler;
use cultivar_spec::trial::{Adaptation, Input, Weights};
use cultivar_spec::{SweepSpec, TrialId, TrialSpec, TrialState, check};
use serde_json::{Map, Value, json};

/// Fields that say which variant of an object it is.
pub(super) const TAGS: [&str; 2] = ["kind", "mode"];

/// A trial of the dataset, as far as planning needs it.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: TrialId,
    pub state: TrialState,
    /// As the server resolved it.
    pub spec: TrialSpec,
    pub val_top1: Option<f64>,
    /// Of the attempt that gave the result.
    pub seconds: Option<f64>,
}

/// A spec as it was before the server resolved it: without the dataset version and the weights file it pinned (that of
/// `file:` was the spec's own), and without the input convention it filled in where `asked` left it open.
pub fn unpinned(mut spec: TrialSpec, asked: &Input) -> TrialSpec {
    spec.data.version = None;
    if !matches!(spec.backbone.weights, Weights::File(_)) {
        spec.backbone.weights_sha256 = None;
    }
    let input = &mut spec.input;
    input.mean = asked.mean.and(input.mean);
    input.std = asked.std.and(input.std);
    input.interpolation = asked.interpolation.and(input.interpolation);
    input.crop_pct = asked.crop_pct.and(input.crop_pct);
    spec
}

/// Those of `wanted` that nobody has submitted yet. A run that failed is there: it would fail again.
pub fn missing(wanted: Vec<TrialSpec>, known: &[Known]) -> Vec<TrialSpec> {
    let absent = |spec: &TrialSpec| find(spec, known).is_none();
    wanted.into_iter().filter(absent).collect()
}

/// The trial that is this run. Of several the one that got furthest; cancelled ones do not count.
pub fn find<'a>(spec: &TrialSpec, known: &'a [Known]) -> Option<&'a Known> {
    let order = |state: TrialState| match state {
        TrialState::Completed => 0,
        TrialState::Running | TrialState::Queued | TrialState::Paused => 1,
        TrialState::Failed | TrialState::Pruned | TrialState::Cancelled => 2,
    };
    known
        .iter()
        .filter(|known| known.state != TrialState::Cancelled && is_run(&known.spec, spec))
        .min_by_key(|known| order(known.state))
}

/// Of runs that differ in a choice alone, the one with the best validation accuracy; of equals the first.
pub fn best(runs: impl IntoIterator<Item = TrialSpec>, known: &[Known]) -> Option<&Known> {
    let mut best: Option<(&Known, f64)> = None;
    for spec in runs {
        let Some(run) = find(&spec, known) else {
            continue;
        };
        if let Some(val_top1) = run.val_top1
            && best.is_none_or(|(_, found)| val_top1 > found)
        {
            best = Some((run, val_top1));
        }
    }
    best.map(|(run, _)| run)
}

/// Whether a resolved spec is what the server makes of `wanted`.
fn is_run(resolved: &TrialSpec, wanted: &TrialSpec) -> bool {
    // Most runs differ in these, and copying a spec is slower than looking at it.
    resolved.fit == wanted.fit
        && resolved.optimizer == wanted.optimizer
        && unpinned(resolved.clone(), &wanted.input) == *wanted
}

/// A sweep that trains exactly `specs`: what each changes in `base`, its seed included, is one alternative
/// of a choice at the root.
pub fn sweep(name: &str, base: &TrialSpec, specs: &[TrialSpec]) -> SweepSpec {
    let base = json(base);
    // Fixed: nothing inside is a distribution, whatever it looks like.
    let alternative = |spec: &TrialSpec| {
        let mut overlay = difference(&base, &json(spec));
        overlay["fit"]["seed"] = spec.fit.seed.into();
        if spec.adaptation == (Adaptation::HeadOnly {}) {
            // Left open, it becomes what a frozen backbone admits: no augmentation.
            overlay["augment"] = Value::Null;
        }
        json!({"fixed": overlay})
    };
    let choices: Vec<Value> = specs.iter().map(alternative).collect();
    SweepSpec {
        name: name.to_owned(),
        space: json!({"choice": choices}),
        base,
        forbid: Vec::new(),
        warm_start: Vec::new(),
        learn_from: Vec::new(),
        against: Vec::new(),
        // Every alternative: the choice is the plan.
        sampler: Sampler::Grid {},
        scheduler: Default::default(),
        budget: Default::default(),
        seeds: vec![0],
        queueing: Default::default(),
    }
}

/// The smallest overlay that makes `wanted` of `base`.
fn difference(base: &Value, wanted: &Value) -> Value {
    let (Value::Object(below), Value::Object(above)) = (base, wanted) else {
        return wanted.clone();
    };
    let mut changed = Map::new();
    for (field, value) in above {
        match below.get(field) {
            Some(below) if below == value => {}
            Some(below) => {
                let variant = TAGS.iter().find(|tag| below.get(**tag) != value.get(**tag));
                let change = match variant {
                    Some(tag) => variant_of(field, tag, value),
                    None => difference(below, value),
                };
                changed.insert(field.clone(), change);
            }
            None => {
                changed.insert(field.clone(), value.clone());
            }
        }
    }
    Value::Object(changed)
}

/// A field of the spec that is another variant: its tag, its learning rate, and what differs from the variant's defaults.
fn variant_of(field: &str, tag: &str, wanted: &Value) -> Value {
    let Value::Object(mut fields) = wanted.clone() else {
        return wanted.clone();
    };
    let is_said = |name: &str| name == tag || name == "lr";
    let mut bare = fields.clone();
    bare.retain(|name, _| is_said(name));
    let mut whole = json(&TrialSpec::example());
    whole[field] = Value::Object(bare);
    let Ok(defaults) = check::trial(&whole).map(|spec| json(&spec)) else {
        return wanted.clone();
    };
    fields.retain(|name, value| is_said(name) || defaults[field][name] != *value);
    Value::Object(fields)
}

fn json(spec: &TrialSpec) -> Value {
    serde_json::to_value(spec).expect("a spec always serializes")
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// A run that is done.
    pub fn completed(spec: &TrialSpec, val_top1: f64) -> Known {
        Known {
            id: TrialId::new(),
            state: TrialState::Completed,
            spec: spec.clone(),
            val_top1: Some(val_top1),
            seconds: Some(10.0),
        }
    }

    /// The server draws from the sweep of `planned` over `base` what was planned, and nothing else.
    pub fn assert_drawn(base: &TrialSpec, planned: &[TrialSpec]) {
        let sweep = sweep("planned", base, planned);
        let overlays = cultivar_search::sampler::overlays(&sweep).unwrap();
        let made: Vec<TrialSpec> = overlays
            .iter()
            .map(|overlay| cultivar_search::space::lay_over(&sweep.base, overlay))
            .map(|raw| check::trial(&raw).unwrap())
            .collect();
        assert_eq!(made.len(), planned.len());
        for spec in planned {
            assert!(made.contains(spec), "{spec:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_on_a_file_of_the_workers_is_recognised() {
        let mut wanted = TrialSpec::example();
        wanted.backbone.weights = Weights::File("mine.safetensors".into());
        wanted.backbone.weights_sha256 = Some(cultivar_spec::Sha256Digest::of(b"mine"));
        let known = [testing::completed(&wanted, 0.5)];
        assert_eq!(missing(vec![wanted], &known), []);
    }

    #[test]
    fn another_variant_says_only_what_is_no_default() {
        let mut wanted = json(&TrialSpec::example());
        wanted["optimizer"] = json!({"kind": "ranger", "lr": 0.004, "weight_decay": 0.3});
        wanted["schedule"] = json!({"kind": "one_cycle", "pct_start": 0.25});
        let wanted = check::trial(&wanted).expect("a valid spec");
        let base = check::trial(&json(&TrialSpec::example())).expect("a valid spec");
        let overlay = difference(&json(&base), &json(&wanted));
        assert_eq!(
            overlay,
            json!({
                "optimizer": {"kind": "ranger", "lr": 0.004, "weight_decay": 0.3},
                "schedule": {"kind": "one_cycle", "pct_start": 0.25},
            })
        );
    }
}
