//! Which runs finalists need: those of the race, then those that are opened on test. Pure: what is already there comes
//! in, specs come out.

use std::collections::BTreeMap;

use cultivar_search::racing::{self, Rules, Standing};
use cultivar_spec::trial::{Adaptation, Direction, Fit, Objective, Select, TrainOn};
use cultivar_spec::wire::TrialView;
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec, TrialState};

use crate::study::plan::{Known, find};

/// The best configurations of a sweep by their means over its seeds, best first, each by one of its trials.
pub fn leaders(trials: &[TrialView], objective: &Objective, n: usize) -> Vec<TrialId> {
    let mut found: BTreeMap<Sha256Digest, (TrialId, Vec<f64>)> = BTreeMap::new();
    for trial in trials {
        let value = trial.metrics.get(objective.metric.name());
        if let Some(value) = value.filter(|_| trial.state == TrialState::Completed) {
            let entry = found
                .entry(trial.config_id)
                .or_insert((trial.id, Vec::new()));
            entry.1.push(signed(*value, objective));
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut ranked: Vec<(f64, TrialId)> = found
        .into_values()
        .map(|(id, values)| (mean(&values), id))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(n).map(|(_, id)| id).collect()
}

/// Larger is better.
pub fn signed(value: f64, objective: &Objective) -> f64 {
    match objective.direction {
        Direction::Maximize => value,
        Direction::Minimize => -value,
    }
}

/// A race between configurations, on seeds that did not choose them: whoever was picked for a lucky run has to run anew.
#[derive(Clone, Debug)]
pub struct Race {
    pub racers: Vec<TrialSpec>,
    /// The first of its seeds.
    pub first_seed: u64,
    pub rules: Rules,
}

impl Race {
    /// Objectives of each racer in the order of its seeds, larger is better; NaN for a run that failed.
    pub fn scores(&self, known: &[Known]) -> Vec<Vec<f64>> {
        let score = |racer: &TrialSpec, n_before: u64| {
            let run = find(&self.run(racer, n_before), known)?;
            match run.state {
                TrialState::Completed => Some(run.objective.unwrap_or(f64::NAN)),
                state => state.is_terminal().then_some(f64::NAN),
            }
        };
        let scores = |racer| (0..).map_while(|n| score(racer, n)).collect();
        self.racers.iter().map(scores).collect()
    }

    /// How it stands; `None` where every racer has failed.
    pub fn standing(&self, known: &[Known]) -> Option<Standing> {
        racing::standing(&self.scores(known), &self.rules)
    }

    /// The runs of its next round; none once it is over.
    pub fn owed(&self, known: &[Known]) -> Vec<TrialSpec> {
        let scores = self.scores(known);
        let Some(Standing::Running { next }) = racing::standing(&scores, &self.rules) else {
            return Vec::new();
        };
        let run = |&idx: &usize| self.run(&self.racers[idx], scores[idx].len() as u64);
        next.iter().map(run).collect()
    }

    fn run(&self, racer: &TrialSpec, n_before: u64) -> TrialSpec {
        with_seed(racer, self.first_seed + n_before)
    }

    /// Seeds that neither the sweep nor any race of these rules has used.
    pub fn fresh_seeds(&self, n: u64) -> impl Iterator<Item = u64> {
        let first = self.first_seed + self.rules.max_runs as u64;
        first..first + n
    }
}

fn with_seed(spec: &TrialSpec, seed: u64) -> TrialSpec {
    let mut run = spec.clone();
    run.fit.seed = seed;
    run
}

/// A spec once more on the training and the validation images: what is opened on test has learnt from all the rest.
pub fn refit(spec: &TrialSpec, seed: u64) -> TrialSpec {
    let mut run = with_seed(spec, seed);
    run.data.train_on = TrainOn::TrainVal;
    // There is no validation left to choose an epoch by.
    run.fit.select = Select::Last;
    run
}

/// What one gets without searching: the defaults of everything but the data, the backbone, what of it is trained, and
/// the epochs and pixels that this may cost.
pub fn default_recipe(like: &TrialSpec) -> TrialSpec {
    let defaults = TrialSpec::default();
    let mut backbone = defaults.backbone;
    backbone.name.clone_from(&like.backbone.name);
    backbone.weights = like.backbone.weights;
    let adaptation = match like.adaptation {
        Adaptation::HeadOnly {} => Adaptation::HeadOnly {},
        _ => defaults.adaptation,
    };
    let mut data = defaults.data;
    data.dataset.clone_from(&like.data.dataset);
    data.split_seed = like.data.split_seed;
    let mut recipe = TrialSpec {
        backbone,
        adaptation,
        data,
        fit: Fit {
            epochs: like.fit.epochs,
            resolution: like.fit.resolution,
            ..defaults.fit
        },
        ..TrialSpec::default()
    };
    recipe.write_out_defaults();
    recipe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(spec: &TrialSpec, objective: Option<f64>) -> Known {
        Known {
            id: TrialId::new(),
            state: match objective {
                Some(_) => TrialState::Completed,
                None => TrialState::Failed,
            },
            spec: spec.clone(),
            val_top1: objective,
            objective,
        }
    }

    fn race() -> Race {
        let racer = |lr: f64| {
            let mut spec = TrialSpec::example();
            spec.optimizer.set_lr(lr);
            spec
        };
        Race {
            racers: vec![racer(0.1), racer(0.2), racer(0.3)],
            first_seed: 7,
            rules: Rules {
                confidence: 0.95,
                max_runs: 60,
            },
        }
    }

    #[test]
    fn a_race_goes_on_by_rounds_until_the_best_is_told_apart() {
        let race = race();
        let mut all = Vec::new();
        let mut n_rounds = 0;
        loop {
            let owed = race.owed(&all);
            if owed.is_empty() {
                break;
            }
            n_rounds += 1;
            for spec in &owed {
                assert!(spec.fit.seed >= 7, "the sweep's seeds are not used again");
                // The second is the best by many times what seeds differ by.
                let level = if spec.optimizer.lr() == 0.2 { 0.9 } else { 0.6 };
                all.push(known(
                    spec,
                    Some(level + 0.001 * (spec.fit.seed % 3) as f64),
                ));
            }
        }
        assert_eq!(race.standing(&all), Some(Standing::Separated { winner: 1 }));
        assert!((2..10).contains(&n_rounds), "{n_rounds}");
        let used: Vec<u64> = all.iter().map(|known| known.spec.fit.seed).collect();
        assert!(race.fresh_seeds(5).all(|seed| !used.contains(&seed)));
    }

    #[test]
    fn a_racer_that_fails_is_out_and_one_under_way_is_waited_for() {
        let race = race();
        let first = race.owed(&[]);
        let mut all = vec![known(&first[0], None), known(&first[1], Some(0.5))];
        assert_eq!(race.owed(&all), [first[2].clone()]);
        all.push(known(&first[2], Some(0.5)));
        let second = race.owed(&all);
        let lrs: Vec<f64> = second.iter().map(|spec| spec.optimizer.lr()).collect();
        assert_eq!(lrs, [0.2, 0.3]);
    }

    #[test]
    fn the_best_means_lead_not_the_luckiest_runs() {
        let view = |config: &[u8], val_top1: f64| TrialView {
            id: TrialId::new(),
            sweep: None,
            config_id: Sha256Digest::of(config),
            state: TrialState::Completed,
            label: String::new(),
            dataset: "d".into(),
            seed: 0,
            created_at: Default::default(),
            started_at: None,
            finished_at: None,
            n_attempts: 1,
            progress: None,
            metrics: BTreeMap::from([("val_top1".to_owned(), val_top1)]),
            error: None,
        };
        let trials = [
            view(b"a", 0.9),
            view(b"a", 0.5),
            view(b"b", 0.8),
            view(b"c", 0.1),
        ];
        let objective = Objective::default();
        assert_eq!(
            leaders(&trials, &objective, 2),
            [trials[2].id, trials[0].id]
        );
        let mut smallest = objective;
        smallest.direction = Direction::Minimize;
        assert_eq!(leaders(&trials, &smallest, 1), [trials[3].id]);
    }

    #[test]
    fn the_default_recipe_costs_what_the_finalist_does() {
        let mut finalist = TrialSpec::example();
        finalist.adaptation = Adaptation::HeadOnly {};
        finalist.optimizer.set_lr(0.7);
        finalist.fit.epochs = 33;
        finalist.fit.resolution = 96;
        let recipe = default_recipe(&finalist);
        assert_eq!(recipe.optimizer, TrialSpec::default().optimizer);
        assert_eq!(recipe.adaptation, finalist.adaptation);
        assert_eq!((recipe.fit.epochs, recipe.fit.resolution), (33, 96));
        let run = refit(&recipe, 5);
        assert_eq!((run.fit.seed, run.data.train_on), (5, TrainOn::TrainVal));
        assert_eq!(run.optimizer, recipe.optimizer);
    }
}
