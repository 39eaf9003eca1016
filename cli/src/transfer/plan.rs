//! Which runs a transfer study needs, and which of them are still missing. Pure: what is already there
//! comes in, specs come out.

use std::collections::BTreeMap;

use cultivar_spec::trial::{Adaptation, Weights};
use cultivar_spec::{SweepSpec, TrialId, TrialSpec, TrialState};
use serde_json::{Map, Value, json};

use super::study::{Arms, Study};

/// The two arms.
const ARMS: [Weights; 2] = [Weights::Pretrained, Weights::Random];

/// A trial of the dataset, as far as planning needs it.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: TrialId,
    pub state: TrialState,
    /// Without pins: see [`unpinned`].
    pub spec: TrialSpec,
    pub val_top1: Option<f64>,
}

/// A spec as it was before the server pinned the dataset version and the weights file.
pub fn unpinned(mut spec: TrialSpec) -> TrialSpec {
    spec.data.version = None;
    spec.backbone.weights_sha256 = None;
    spec
}

/// The first stage: each arm's whole grid of learning rates at the longest budget, with the first seed.
pub fn grid(study: &Study) -> Vec<TrialSpec> {
    let mut specs = Vec::new();
    for arms in [&study.full, &study.heads] {
        for weights in ARMS {
            for &lr in &arms.lrs {
                specs.push(run(arms, weights, lr, arms.longest(), study.seeds[0]));
            }
        }
    }
    specs
}

/// The second stage, once the grid has run: at the learning rate that validation chose, the other
/// seeds and the shorter budgets. An arm without any result is left out.
pub fn rest(study: &Study, known: &[Known]) -> Vec<TrialSpec> {
    let mut specs = Vec::new();
    for arms in [&study.full, &study.heads] {
        for weights in ARMS {
            let Some(lr) = chosen_lr(study, arms, weights, known) else {
                continue;
            };
            for &epochs in budgets(study, arms, weights) {
                for &seed in &study.seeds {
                    specs.push(run(arms, weights, lr, epochs, seed));
                }
            }
        }
    }
    specs
}

/// The runs whose test predictions the verdicts are read on: every budget of full fine-tuning, and
/// the heads at their longest.
pub fn finalists(study: &Study, known: &[Known]) -> Vec<TrialId> {
    let longest_heads = |spec: &TrialSpec| {
        spec.adaptation != Adaptation::HeadOnly {} || spec.fit.epochs == study.heads.longest()
    };
    rest(study, known)
        .iter()
        .filter(|spec| longest_heads(spec))
        .filter_map(|spec| find(spec, known))
        .filter(|known| known.state == TrialState::Completed)
        .map(|known| known.id)
        .collect()
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
        .filter(|known| known.state != TrialState::Cancelled && known.spec == *spec)
        .min_by_key(|known| order(known.state))
}

/// Of the first seed's grid, the rate with the best validation accuracy; of equals the smaller.
fn chosen_lr(study: &Study, arms: &Arms, weights: Weights, known: &[Known]) -> Option<f64> {
    let mut best: Option<(f64, f64)> = None;
    for &lr in &arms.lrs {
        let spec = run(arms, weights, lr, arms.longest(), study.seeds[0]);
        let val_top1 = find(&spec, known).and_then(|known| known.val_top1);
        if let Some(val_top1) = val_top1
            && best.is_none_or(|(_, found)| val_top1 > found)
        {
            best = Some((lr, val_top1));
        }
    }
    best.map(|(lr, _)| lr)
}

/// The slope asks at which budget pretrained weights reach the random arm's best, so the random arm
/// needs shorter budgets only for a verdict on convergence.
fn budgets<'a>(study: &Study, arms: &'a Arms, weights: Weights) -> &'a [u32] {
    let is_full = arms.base.adaptation != Adaptation::HeadOnly {};
    if is_full && weights == Weights::Random && !study.all_budgets {
        &arms.epochs[arms.epochs.len() - 1..]
    } else {
        &arms.epochs
    }
}

fn run(arms: &Arms, weights: Weights, lr: f64, epochs: u32, seed: u64) -> TrialSpec {
    let mut spec = arms.base.clone();
    spec.backbone.weights = weights;
    spec.optimizer.set_lr(lr);
    spec.fit.epochs = epochs;
    spec.fit.seed = seed;
    spec
}

/// Sweeps that train `specs`: one for each set of seeds, since a sweep trains every configuration
/// with all of its seeds. What a configuration changes in `base` is one alternative of a root choice.
pub fn sweeps(name: &str, base: &TrialSpec, specs: &[TrialSpec]) -> Vec<SweepSpec> {
    let mut seeds_of: Vec<(TrialSpec, Vec<u64>)> = Vec::new();
    for spec in specs {
        let mut unseeded = spec.clone();
        unseeded.fit.seed = base.fit.seed;
        match seeds_of.iter_mut().find(|(known, _)| *known == unseeded) {
            Some((_, seeds)) => seeds.push(spec.fit.seed),
            None => seeds_of.push((unseeded, vec![spec.fit.seed])),
        }
    }
    let base = json(base);
    let mut by_seeds: BTreeMap<Vec<u64>, Vec<Value>> = BTreeMap::new();
    for (spec, seeds) in seeds_of {
        let overlay = difference(&base, &json(&spec));
        by_seeds
            .entry(seeds)
            .or_default()
            // Fixed: nothing inside is a distribution, whatever it looks like.
            .push(json!({"fixed": overlay}));
    }
    by_seeds
        .into_iter()
        .map(|(seeds, choices)| SweepSpec {
            name: name.to_owned(),
            base: base.clone(),
            space: json!({"choice": choices}),
            sampler: Default::default(),
            budget: Default::default(),
            seeds,
        })
        .collect()
}

/// The smallest overlay that makes `wanted` of `base`. An object of another variant is given whole.
fn difference(base: &Value, wanted: &Value) -> Value {
    let (Value::Object(below), Value::Object(above)) = (base, wanted) else {
        return wanted.clone();
    };
    let other_variant = ["kind", "mode"]
        .iter()
        .any(|tag| below.get(*tag) != above.get(*tag));
    if other_variant {
        return wanted.clone();
    }
    let mut changed = Map::new();
    for (field, value) in above {
        match below.get(field) {
            Some(below) if below == value => {}
            Some(below) => {
                changed.insert(field.clone(), difference(below, value));
            }
            None => {
                changed.insert(field.clone(), value.clone());
            }
        }
    }
    Value::Object(changed)
}

fn json(spec: &TrialSpec) -> Value {
    serde_json::to_value(spec).expect("a spec always serializes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::study::{Asked, StudyFile, resolve};

    fn study() -> Study {
        let asked = Asked {
            epochs: vec![1, 2],
            lrs: vec![0.1, 0.01],
            seeds: vec![0, 1],
            all_budgets: false,
        };
        let mut study = resolve("birds", StudyFile::default(), asked).unwrap();
        study.heads.lrs = vec![0.5];
        study.heads.epochs = vec![10, 20];
        study
    }

    fn completed(spec: &TrialSpec, val_top1: f64) -> Known {
        Known {
            id: TrialId::new(),
            state: TrialState::Completed,
            spec: spec.clone(),
            val_top1: Some(val_top1),
        }
    }

    /// `full|head weights lr epochs seed`, sorted.
    fn named(specs: &[TrialSpec]) -> Vec<String> {
        let name = |spec: &TrialSpec| {
            let mode = if spec.adaptation == (Adaptation::HeadOnly {}) { "head" } else { "full" };
            let (lr, fit) = (spec.optimizer.lr(), &spec.fit);
            format!("{mode} {} lr {lr}, {} ep, seed {}", spec.backbone.weights, fit.epochs, fit.seed)
        };
        let mut names: Vec<String> = specs.iter().map(name).collect();
        names.sort();
        names
    }

    /// The grid with results: the pretrained arm likes the larger rate, the random arm the smaller.
    fn after_the_grid(study: &Study) -> Vec<Known> {
        grid(study)
            .iter()
            .map(|spec| {
                let lr = spec.optimizer.lr();
                let likes_large = spec.backbone.weights == Weights::Pretrained;
                completed(spec, if likes_large { lr } else { 1.0 - lr })
            })
            .collect()
    }

    #[test]
    fn the_grid_is_each_arm_at_the_longest_budget() {
        assert_eq!(
            named(&grid(&study())),
            [
                "full pretrained lr 0.01, 2 ep, seed 0",
                "full pretrained lr 0.1, 2 ep, seed 0",
                "full random lr 0.01, 2 ep, seed 0",
                "full random lr 0.1, 2 ep, seed 0",
                "head pretrained lr 0.5, 20 ep, seed 0",
                "head random lr 0.5, 20 ep, seed 0",
            ]
        );
    }

    #[test]
    fn the_rest_follows_the_rate_that_validation_chose() {
        let study = study();
        let known = after_the_grid(&study);
        assert_eq!(
            named(&missing(rest(&study, &known), &known)),
            [
                "full pretrained lr 0.1, 1 ep, seed 0",
                "full pretrained lr 0.1, 1 ep, seed 1",
                "full pretrained lr 0.1, 2 ep, seed 1",
                "full random lr 0.01, 2 ep, seed 1",
                "head pretrained lr 0.5, 10 ep, seed 0",
                "head pretrained lr 0.5, 10 ep, seed 1",
                "head pretrained lr 0.5, 20 ep, seed 1",
                "head random lr 0.5, 10 ep, seed 0",
                "head random lr 0.5, 10 ep, seed 1",
                "head random lr 0.5, 20 ep, seed 1",
            ]
        );
        let both = Study {
            all_budgets: true,
            ..study
        };
        let names = named(&rest(&both, &known));
        assert!(names.contains(&"full random lr 0.01, 1 ep, seed 0".to_owned()), "{names:?}");
    }

    #[test]
    fn nothing_is_trained_twice() {
        let study = study();
        let mut known = after_the_grid(&study);
        assert_eq!(missing(grid(&study), &known), []);
        let second = missing(rest(&study, &known), &known);
        known.extend(second.iter().map(|spec| completed(spec, 0.5)));
        assert_eq!(missing(rest(&study, &known), &known), []);
        // A queued run is waited for, a failed one would fail again, a cancelled one was never had.
        for (state, n_missing) in [
            (TrialState::Queued, 0),
            (TrialState::Failed, 0),
            (TrialState::Cancelled, 1),
        ] {
            known[0].state = state;
            assert_eq!(missing(grid(&study), &known).len(), n_missing, "{state:?}");
        }
    }

    #[test]
    fn an_arm_without_results_is_left_out() {
        let study = study();
        let mut known = after_the_grid(&study);
        known.retain(|known| known.spec.backbone.weights == Weights::Pretrained);
        let names = named(&rest(&study, &known));
        assert!(names.iter().all(|name| name.contains("pretrained")), "{names:?}");
    }

    #[test]
    fn finalists_are_every_full_budget_and_the_longest_heads() {
        let study = study();
        let mut known = after_the_grid(&study);
        let second = missing(rest(&study, &known), &known);
        known.extend(second.iter().map(|spec| completed(spec, 0.5)));
        let ids = finalists(&study, &known);
        let specs: Vec<TrialSpec> = known
            .iter()
            .filter(|known| ids.contains(&known.id))
            .map(|known| known.spec.clone())
            .collect();
        // 2 + 2 pretrained, 2 random, 2 + 2 heads.
        assert_eq!(ids.len(), 10);
        assert!(named(&specs).iter().all(|name| !name.contains("10 ep")));
    }

    #[test]
    fn runs_with_the_same_seeds_share_a_sweep_and_overlays_are_small() {
        let study = study();
        let known = after_the_grid(&study);
        let specs = missing(rest(&study, &known), &known);
        let sweeps = sweeps("transfer birds", &study.full.base, &specs);
        assert_eq!(sweeps.len(), 2);
        assert_eq!(sweeps[0].seeds, [0, 1]);
        assert_eq!(
            sweeps[0].space["choice"][0],
            json!({"fixed": {"optimizer": {"lr": 0.1}, "fit": {"epochs": 1}}})
        );
        assert_eq!(sweeps[1].seeds, [1]);
    }

    #[test]
    fn the_server_makes_of_the_sweeps_what_was_planned() {
        let study = study();
        let known = after_the_grid(&study);
        let planned = missing(rest(&study, &known), &known);
        let mut made = Vec::new();
        for sweep in sweeps("t", &study.full.base, &planned) {
            for overlay in cultivar_search::sampler::overlays(&sweep).unwrap() {
                let raw = cultivar_search::space::lay_over(&sweep.base, &overlay);
                for &seed in &sweep.seeds {
                    let mut spec = cultivar_spec::check::trial(&raw).unwrap();
                    spec.fit.seed = seed;
                    made.push(spec);
                }
            }
        }
        assert_eq!(named(&made), named(&planned));
        for spec in &planned {
            assert!(made.contains(spec), "{spec:?}");
        }
    }
}
