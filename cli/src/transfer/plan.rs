//! Which runs a transfer study needs. Pure: what is already there comes in, specs come out.

use cultivar_spec::trial::{Adaptation, Weights};
use cultivar_spec::{TrialId, TrialSpec, TrialState};

use super::study::{Arms, Study};
use crate::study::plan::{Known, best, find};

/// The two arms.
const ARMS: [Weights; 2] = [Weights::Pretrained, Weights::Random];

/// The first stage: each arm's whole grid of learning rates at the longest budget, with the first seed.
pub fn grid(study: &Study) -> Vec<TrialSpec> {
    let mut specs = Vec::new();
    for arms in [&study.full, &study.heads] {
        for weights in &ARMS {
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
        for weights in &ARMS {
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

/// Of the first seed's grid, the rate with the best validation accuracy; of equals the smaller.
fn chosen_lr(study: &Study, arms: &Arms, weights: &Weights, known: &[Known]) -> Option<f64> {
    let lrs = arms.lrs.iter();
    let runs = lrs.map(|&lr| run(arms, weights, lr, arms.longest(), study.seeds[0]));
    best(runs, known).map(|run| run.spec.optimizer.lr())
}

/// The slope asks at which budget pretrained weights reach the random arm's best, so the random arm
/// needs shorter budgets only for a verdict on convergence.
fn budgets<'a>(study: &Study, arms: &'a Arms, weights: &Weights) -> &'a [u32] {
    let is_full = arms.base.adaptation != Adaptation::HeadOnly {};
    if is_full && *weights == Weights::Random && !study.all_budgets {
        &arms.epochs[arms.epochs.len() - 1..]
    } else {
        &arms.epochs
    }
}

fn run(arms: &Arms, weights: &Weights, lr: f64, epochs: u32, seed: u64) -> TrialSpec {
    let mut spec = arms.base.clone();
    spec.backbone.weights = weights.clone();
    spec.optimizer.set_lr(lr);
    spec.fit.epochs = epochs;
    spec.fit.seed = seed;
    spec
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::study::plan::testing::{assert_drawn, completed};
    use crate::study::plan::{missing, sweep};
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

    /// `full|head weights lr epochs seed`, sorted.
    fn named(specs: &[TrialSpec]) -> Vec<String> {
        let name = |spec: &TrialSpec| {
            let mode = if spec.adaptation == (Adaptation::HeadOnly {}) {
                "head"
            } else {
                "full"
            };
            let (lr, fit) = (spec.optimizer.lr(), &spec.fit);
            format!(
                "{mode} {} lr {lr}, {} ep, seed {}",
                spec.backbone.weights, fit.epochs, fit.seed
            )
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
        assert!(
            names.contains(&"full random lr 0.01, 1 ep, seed 0".to_owned()),
            "{names:?}"
        );
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
        assert!(
            names.iter().all(|name| name.contains("pretrained")),
            "{names:?}"
        );
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
    fn overlays_are_small() {
        let study = study();
        let known = after_the_grid(&study);
        let specs = missing(rest(&study, &known), &known);
        let sweep = sweep("transfer birds", &study.full.base, &specs);
        assert_eq!(
            sweep.space["choice"][0],
            json!({"fixed": {"optimizer": {"lr": 0.1}, "fit": {"epochs": 1, "seed": 0}}})
        );
        let head = sweep.space["choice"]
            .as_array()
            .unwrap()
            .iter()
            .find(|choice| choice["fixed"]["adaptation"] == json!({"mode": "head_only"}));
        assert_eq!(
            head.unwrap()["fixed"],
            json!({
                "adaptation": {"mode": "head_only"}, "augment": null, "optimizer": {"lr": 0.5},
                "fit": {"seed": 0},
            })
        );
    }

    #[test]
    fn the_server_makes_of_the_sweeps_what_was_planned() {
        let study = study();
        let known = after_the_grid(&study);
        let planned = missing(rest(&study, &known), &known);
        assert_drawn(&study.full.base, &planned);
    }

    #[test]
    fn the_demos_study_adds_four_full_runs_to_its_sweep() {
        let recipe = |name: &str| format!("{}/../recipes/{name}", env!("CARGO_MANIFEST_DIR"));
        let read = |name: &str| crate::yaml::read(recipe(name).as_ref()).unwrap();
        let sweep = cultivar_spec::check::sweep(&read("demo.yaml")).unwrap();
        let mut known: Vec<Known> = cultivar_search::sampler::overlays(&sweep)
            .unwrap()
            .iter()
            .map(|overlay| cultivar_search::space::lay_over(&sweep.base, overlay))
            .map(|raw| completed(&cultivar_spec::check::trial(&raw).unwrap(), 0.4))
            .collect();
        let file = StudyFile::read(recipe("demo-transfer.yaml").as_ref()).unwrap();
        let study = resolve("open-emoji", file, Asked::default()).unwrap();

        let is_full = |spec: &TrialSpec| spec.adaptation != Adaptation::HeadOnly {};
        let first = missing(grid(&study), &known);
        assert!(!first.iter().any(is_full), "{:?}", named(&first));
        known.extend(first.iter().map(|spec| completed(spec, 0.4)));
        let mut second = missing(rest(&study, &known), &known);
        second.retain(is_full);
        assert_eq!(
            named(&second),
            [
                "full pretrained lr 0.02, 1 ep, seed 0",
                "full pretrained lr 0.02, 1 ep, seed 1",
                "full pretrained lr 0.02, 2 ep, seed 1",
                "full random lr 0.02, 2 ep, seed 1",
            ]
        );
    }
}
