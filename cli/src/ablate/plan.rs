//! Which runs an ablation needs. Pure: what is already there comes in, specs come out.

use cultivar_spec::{TrialId, TrialSpec, TrialState};

use super::recipe::{Ablation, Arm};
use crate::study::plan::{Known, best, find};

/// The first stage: every arm over the same learning rates, with the seed that chooses among them.
pub fn grid(ablation: &Ablation) -> Vec<TrialSpec> {
    let mut specs = Vec::new();
    for arm in &ablation.arms {
        for &lr in &ablation.lrs {
            specs.push(run(arm, lr, ablation.selection_seed));
        }
    }
    specs
}

/// The second stage, once the grid has run: every arm at the rate that validation chose for it, with fresh seeds. An
/// arm without any result is left out.
pub fn fresh(ablation: &Ablation, known: &[Known]) -> Vec<TrialSpec> {
    let arms = ablation.arms.iter();
    arms.flat_map(|arm| fresh_runs(ablation, arm, known))
        .collect()
}

/// The completed fresh runs of an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Finalists {
    pub name: String,
    /// The rate that validation chose.
    pub lr: f64,
    pub trials: Vec<TrialId>,
}

/// The completed fresh runs of an arm, if there are any.
pub fn finalists(ablation: &Ablation, arm: &Arm, known: &[Known]) -> Option<Finalists> {
    let lr = chosen_lr(ablation, arm, known)?;
    let trials: Vec<TrialId> = fresh_runs(ablation, arm, known)
        .iter()
        .filter_map(|spec| find(spec, known))
        .filter(|known| known.state == TrialState::Completed)
        .map(|known| known.id)
        .collect();
    let name = arm.name.clone();
    (!trials.is_empty()).then_some(Finalists { name, lr, trials })
}

fn fresh_runs(ablation: &Ablation, arm: &Arm, known: &[Known]) -> Vec<TrialSpec> {
    let Some(lr) = chosen_lr(ablation, arm, known) else {
        return Vec::new();
    };
    let seeds = ablation.seeds.iter();
    seeds.map(|&seed| run(arm, lr, seed)).collect()
}

/// Of the grid, the rate with the best validation accuracy; of equals the smaller.
fn chosen_lr(ablation: &Ablation, arm: &Arm, known: &[Known]) -> Option<f64> {
    let lrs = ablation.lrs.iter();
    let runs = lrs.map(|&lr| run(arm, lr, ablation.selection_seed));
    best(runs, known).map(|run| run.spec.optimizer.lr())
}

fn run(arm: &Arm, lr: f64, seed: u64) -> TrialSpec {
    let mut spec = arm.spec.clone();
    spec.optimizer.set_lr(lr);
    spec.fit.seed = seed;
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::recipe::{Asked, RecipeFile, resolve};
    use crate::study::plan::missing;
    use crate::study::plan::testing::{assert_drawn, completed};

    fn ablation() -> Ablation {
        let asked = Asked {
            lrs: vec![0.01, 0.001],
            ..Asked::default()
        };
        resolve("birds", RecipeFile::default(), &asked).unwrap()
    }

    #[test]
    fn every_arm_gets_the_same_trials_and_its_own_rate() {
        let ablation = ablation();
        let first = grid(&ablation);
        assert_eq!(first.len(), 7 * 2);
        // Ranger likes the larger rate, the others the smaller.
        let known: Vec<Known> = first
            .iter()
            .map(|spec| {
                let lr = spec.optimizer.lr();
                let likes_large = spec.optimizer.kind() == "ranger";
                completed(spec, if likes_large { lr } else { 1.0 - lr })
            })
            .collect();
        let second = missing(fresh(&ablation, &known), &known);
        assert_eq!(second.len(), 7 * 5, "no fresh seed was used to choose");
        for spec in &second {
            let wanted = if spec.optimizer.kind() == "ranger" {
                0.01
            } else {
                0.001
            };
            assert_eq!(spec.optimizer.lr(), wanted);
            assert!(spec.fit.seed > 0);
        }
        assert_eq!(finalists(&ablation, &ablation.arms[0], &known), None);
        let mut all = known;
        all.extend(second.iter().map(|spec| completed(spec, 0.5)));
        assert_eq!(missing(fresh(&ablation, &all), &all), []);
        let ranger = finalists(&ablation, &ablation.arms[5], &all).unwrap();
        assert_eq!((ranger.lr, ranger.trials.len()), (0.01, 5));
    }

    #[test]
    fn an_arm_with_an_input_of_its_own_is_recognised() {
        let recipe: RecipeFile =
            serde_norway::from_str("methods: {whole image: {input: {crop_pct: 1.0}}}").unwrap();
        let ablation = resolve("birds", recipe, &Asked::default()).unwrap();
        // As the server stores them: the convention written out where the spec left it open.
        let known: Vec<Known> = grid(&ablation)
            .iter()
            .map(|spec| {
                let mut resolved = spec.clone();
                let convention = cultivar_spec::resolve::imagenet_input();
                let weights = cultivar_spec::Sha256Digest::of(b"weights");
                cultivar_spec::resolve::pin_weights(&mut resolved, Some(weights), &convention);
                completed(&resolved, 0.5)
            })
            .collect();
        assert_eq!(missing(grid(&ablation), &known), []);
    }

    #[test]
    fn the_server_makes_of_the_sweep_what_was_planned() {
        let ablation = ablation();
        let planned = grid(&ablation);
        assert_drawn(ablation.base(), &planned);
    }
}
