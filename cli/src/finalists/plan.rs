//! Which runs a race needs: racers are mapped to trials, and what the server owes them to specs. Pure; the server decides.

use std::collections::BTreeMap;
use std::ops::Range;

use cultivar_spec::trial::{Direction, Objective, Select, TrainOn};
use cultivar_spec::wire::{Race, RaceArm, RaceReport, Standing, TrialView};
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec, TrialState};

use crate::study::plan::{Known, find};

/// The most runs a race may have.
pub const MAX_RUNS: u32 = 10_000;

/// The best configurations of a sweep by their means over its seeds, best first, each by one of its trials.
pub fn leaders(trials: &[TrialView], objective: &Objective, n: usize) -> Vec<TrialId> {
    let mut found: BTreeMap<Sha256Digest, (TrialId, Vec<f64>)> = BTreeMap::new();
    for trial in trials {
        let value = trial.metrics.get(objective.metric.name());
        if let Some(value) = value.filter(|_| trial.state == TrialState::Completed) {
            let entry = found.entry(trial.config_id);
            let (_, values) = entry.or_insert((trial.id, Vec::new()));
            values.push(match objective.direction {
                Direction::Maximize => *value,
                Direction::Minimize => -*value,
            });
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let ranked = found.into_values();
    let mut ranked: Vec<(f64, TrialId)> = ranked.map(|(id, values)| (mean(&values), id)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(n).map(|(_, id)| id).collect()
}

/// A configuration in a race.
#[derive(Clone, Debug)]
pub struct Racer {
    pub name: String,
    pub spec: TrialSpec,
}

impl Racer {
    /// Racers with a name each: its label, and a number where another has that label too.
    pub fn named(labelled: Vec<(String, TrialSpec)>) -> Vec<Self> {
        let mut n_alike: BTreeMap<String, u32> = BTreeMap::new();
        let mut name = |label: String| {
            let n = n_alike.entry(label.clone()).or_default();
            *n += 1;
            match *n {
                1 => label,
                n => format!("{label} ({n})"),
            }
        };
        let racers = labelled.into_iter();
        racers
            .map(|(label, spec)| Self {
                name: name(label),
                spec,
            })
            .collect()
    }

    fn run(&self, seed: u64) -> TrialSpec {
        with_seed(&self.spec, seed)
    }
}

/// A race between configurations, on seeds that did not choose them: whoever was picked for a lucky run has to run anew.
#[derive(Clone, Debug)]
pub struct Racers {
    /// Best of the sweep first.
    pub racers: Vec<Racer>,
    /// The first of its seeds.
    pub first_seed: u64,
    pub confidence: f64,
    pub max_runs: u32,
}

impl Racers {
    /// What the server is asked: every racer's runs up to the first that nobody has submitted.
    pub fn asked(&self, known: &[Known]) -> Race {
        let arms = self.racers.iter().map(|racer| {
            let seeds = self.first_seed..;
            let runs = seeds.map_while(|seed| find(&racer.run(seed), known));
            RaceArm {
                name: racer.name.clone(),
                trials: runs.map(|run| run.id).collect(),
            }
        });
        Race {
            arms: arms.collect(),
            confidence: self.confidence,
            max_runs: self.max_runs,
        }
    }

    /// The runs of the next round, those under way among them; none once the race is over.
    pub fn owed(&self, report: &RaceReport) -> Vec<TrialSpec> {
        let Standing::Running { next } = &report.standing else {
            return Vec::new();
        };
        let arms = self.racers.iter().zip(&report.arms);
        let owed = arms.filter(|(racer, _)| next.contains(&racer.name));
        owed.map(|(racer, arm)| racer.run(self.first_seed + arm.values.len() as u64))
            .collect()
    }

    /// Who goes on once the race is over: the winner, or who leads.
    pub fn finalist(&self, report: &RaceReport) -> Option<&TrialSpec> {
        let best = match &report.standing {
            Standing::Separated { winner } => winner,
            Standing::Undecided { leader, .. } => leader,
            Standing::Running { .. } | Standing::AllFailed {} => return None,
        };
        let mut racers = self.racers.iter();
        racers
            .find(|racer| racer.name == *best)
            .map(|racer| &racer.spec)
    }

    /// A seed that neither the sweep nor its race can have used: a baseline's learning rate is chosen with it.
    pub fn selection_seed(&self) -> u64 {
        self.first_seed + u64::from(MAX_RUNS)
    }

    /// Seeds that nothing was chosen by: what is opened on test is trained with them.
    pub fn test_seeds(&self, n: u32) -> Range<u64> {
        let first = self.selection_seed() + 1;
        first..first + u64::from(n)
    }
}

/// Ended runs, failed ones too: they grow with every round of a race.
pub fn n_ended(report: &RaceReport) -> usize {
    report.arms.iter().map(|arm| arm.values.len()).sum()
}

pub fn with_seed(spec: &TrialSpec, seed: u64) -> TrialSpec {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::plan::missing;
    use crate::study::plan::testing::{assert_drawn, completed};
    use cultivar_spec::wire::RacedArm;

    fn racers() -> Racers {
        let racer = |lr: f64| {
            let mut spec = TrialSpec::example();
            spec.write_out_defaults();
            spec.optimizer.set_lr(lr);
            // Two labels are alike.
            (format!("sgd {}", lr > 0.15), spec)
        };
        Racers {
            racers: Racer::named(vec![racer(0.1), racer(0.2), racer(0.3)]),
            first_seed: 7,
            confidence: 0.95,
            max_runs: 60,
        }
    }

    /// A server's answer to what is asked, all runs with a value.
    fn answer(asked: &Race, standing: Standing) -> RaceReport {
        let arms = asked.arms.iter().map(|arm| RacedArm {
            name: arm.name.clone(),
            values: vec![Some(0.5); arm.trials.len()],
        });
        RaceReport {
            standing,
            arms: arms.collect(),
        }
    }

    fn running(names: &[&str]) -> Standing {
        let next = names.iter().map(|name| (*name).to_owned()).collect();
        Standing::Running { next }
    }

    fn seeds_of(specs: &[TrialSpec]) -> Vec<(f64, u64)> {
        let specs = specs.iter();
        specs
            .map(|spec| (spec.optimizer.lr(), spec.fit.seed))
            .collect()
    }

    const ALL: [&str; 3] = ["sgd false", "sgd true", "sgd true (2)"];

    #[test]
    fn racers_run_one_fresh_seed_after_another_as_they_are_owed() {
        let racers = racers();
        let fresh = racers.asked(&[]);
        let names: Vec<&str> = fresh.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(names, ALL);
        assert!(fresh.arms.iter().all(|arm| arm.trials.is_empty()));
        let first = racers.owed(&answer(&fresh, running(&ALL)));
        assert_eq!(seeds_of(&first), [(0.1, 7), (0.2, 7), (0.3, 7)]);
        assert_drawn(&racers.racers[0].spec, &first);

        let mut known: Vec<Known> = first.iter().map(|spec| completed(spec, 0.5)).collect();
        // A seed of the sweep's own is no run of the race.
        known.push(completed(&with_seed(&first[0], 0), 0.9));
        let asked = racers.asked(&known);
        let ids: Vec<&[TrialId]> = asked.arms.iter().map(|arm| &arm.trials[..]).collect();
        assert_eq!(ids, [&[known[0].id], &[known[1].id], &[known[2].id]]);
        let second = racers.owed(&answer(&asked, running(&[ALL[0], ALL[2]])));
        assert_eq!(seeds_of(&second), [(0.1, 8), (0.3, 8)]);
    }

    #[test]
    fn a_run_under_way_is_owed_and_not_submitted_again() {
        let racers = racers();
        let first = racers.owed(&answer(&racers.asked(&[]), running(&ALL)));
        let mut known: Vec<Known> = first.iter().map(|spec| completed(spec, 0.5)).collect();
        known[1].state = TrialState::Running;
        let asked = racers.asked(&known);
        let mut report = answer(&asked, running(&[ALL[1]]));
        report.arms[1].values.clear();
        let owed = racers.owed(&report);
        assert_eq!(owed, [first[1].clone()]);
        assert_eq!(missing(owed, &known), []);
        assert_eq!(n_ended(&report), 2);
    }

    #[test]
    fn the_winner_or_the_leader_goes_on_and_nobody_before_the_end() {
        let racers = racers();
        let of = |standing| answer(&racers.asked(&[]), standing);
        let won = of(Standing::Separated {
            winner: ALL[2].into(),
        });
        assert_eq!(racers.finalist(&won).unwrap().optimizer.lr(), 0.3);
        assert_eq!(racers.owed(&won), []);
        let open = of(Standing::Undecided {
            leader: ALL[1].into(),
            rivals: vec![ALL[0].into()],
        });
        assert_eq!(racers.finalist(&open).unwrap().optimizer.lr(), 0.2);
        assert_eq!(racers.finalist(&of(running(&ALL))), None);
        assert_eq!(racers.finalist(&of(Standing::AllFailed {})), None);
    }

    #[test]
    fn what_is_opened_on_test_is_trained_on_all_else_with_seeds_of_its_own() {
        let racers = racers();
        let seeds = racers.test_seeds(5);
        let raced = racers.first_seed..racers.first_seed + u64::from(MAX_RUNS);
        assert!(!seeds.clone().any(|seed| raced.contains(&seed)));
        assert!(
            !seeds.contains(&racers.selection_seed()) && !raced.contains(&racers.selection_seed())
        );
        let spec = &racers.racers[1].spec;
        let refits: Vec<TrialSpec> = seeds.clone().map(|seed| refit(spec, seed)).collect();
        assert!(
            refits
                .iter()
                .all(|run| run.data.train_on == TrainOn::TrainVal)
        );
        assert_eq!(refits.last().unwrap().fit.seed, seeds.end - 1);
        assert_drawn(&racers.racers[0].spec, &refits);
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
        let mut objective = Objective::default();
        let best = leaders(&trials, &objective, 2);
        assert_eq!(best, [trials[2].id, trials[0].id]);
        objective.direction = Direction::Minimize;
        assert_eq!(leaders(&trials, &objective, 1), [trials[3].id]);
    }
}
