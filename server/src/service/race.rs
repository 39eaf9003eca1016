//! Races between configurations that somebody chose: reads what their trials came to and says how the race stands.

use std::collections::{HashMap, HashSet};

use cultivar_search::racing::{self, Rules};
use cultivar_spec::trial::Direction;
use cultivar_spec::wire::{Race, RaceArm, RaceReport, RacedArm, Standing};
use cultivar_spec::{TrialId, TrialState, Violation, Violations};

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;
use crate::store::race::Run;

/// Trials of all arms together. The replay of a race takes the square of its rounds.
const MAX_TRIALS: usize = 10_000;

/// # Errors
/// Two arms have one name, a trial is unknown or stands there twice, or trials that are no match: other objectives or
/// datasets, within an arm other configurations or one seed twice.
pub async fn report(state: &AppState, asked: Race) -> Result<RaceReport, ApiError> {
    let ids: Vec<TrialId> = asked
        .arms
        .iter()
        .flat_map(|arm| arm.trials.clone())
        .collect();
    if ids.len() > MAX_TRIALS {
        let expected = format!("at most {MAX_TRIALS} trials in all arms together");
        return Err(ApiError::violation("/arms", ids.len(), expected));
    }
    let runs = store::race::runs(&state.pool, &ids).await?;
    let found = violations(&asked.arms, &runs);
    if !found.is_empty() {
        return Err(ApiError::Invalid(Violations(found)));
    }
    // A long race takes its time: not on a thread that serves requests.
    let decided = tokio::task::spawn_blocking(move || decide(asked, &runs));
    decided.await.map_err(|e| ApiError::Internal(e.into()))
}

/// Everything that keeps the arms from racing. What trials share is held against the first of all.
fn violations(arms: &[RaceArm], runs: &HashMap<TrialId, Run>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut names = HashSet::new();
    let mut seen = HashSet::new();
    let mut first_of_all: Option<(TrialId, &Run)> = None;
    for (arm_idx, arm) in arms.iter().enumerate() {
        if !names.insert(&arm.name) {
            let pointer = format!("/arms/{arm_idx}/name");
            found.push(Violation::new(
                pointer,
                arm.name.clone(),
                "a name of its own",
            ));
        }
        let mut first_of_arm: Option<&Run> = None;
        let mut seeds = HashSet::new();
        for (trial_idx, id) in arm.trials.iter().enumerate() {
            let mut wrong = |expected: String| {
                let pointer = format!("/arms/{arm_idx}/trials/{trial_idx}");
                found.push(Violation::new(pointer, id.to_string(), expected));
            };
            let Some(run) = runs.get(id) else {
                wrong("a trial of this server".into());
                continue;
            };
            if !seen.insert(*id) {
                wrong("every trial once, in one arm".into());
                continue;
            }
            let (first_id, first) = *first_of_all.get_or_insert((*id, run));
            let (ours, theirs) = (matched(run), matched(first));
            if ours != theirs {
                wrong(format!(
                    "a trial {theirs}, as {first_id} is: this one is {ours}"
                ));
            } else if first_of_arm.get_or_insert(run).config_id != run.config_id {
                wrong("a trial of the arm's configuration: seeds alone may differ".into());
            } else if !seeds.insert(run.seed) {
                wrong(format!(
                    "a seed of its own: the arm has run seed {} already",
                    run.seed
                ));
            }
        }
    }
    found
}

/// In words, what makes objectives of two trials comparable.
fn matched(run: &Run) -> String {
    let objective = &run.objective;
    let direction = match objective.direction {
        Direction::Maximize => "maximize",
        Direction::Minimize => "minimize",
    };
    let measured = format!("by {} ({direction})", objective.metric.name());
    match run.version {
        Some(version) => format!("{measured} on {} {version}", run.dataset),
        None => format!("{measured} of somebody else's code"),
    }
}

fn decide(asked: Race, runs: &HashMap<TrialId, Run>) -> RaceReport {
    let values: Vec<Vec<Option<f64>>> = asked
        .arms
        .iter()
        .map(|arm| arm.trials.iter().map_while(|id| value(&runs[id])).collect())
        .collect();
    // All are by one objective.
    let sign = match runs.values().next().map(|run| run.objective.direction) {
        Some(Direction::Minimize) => -1.0,
        Some(Direction::Maximize) | None => 1.0,
    };
    let scores: Vec<Vec<f64>> = values
        .iter()
        .map(|values| {
            let score = |value: &Option<f64>| value.map_or(f64::NAN, |value| sign * value);
            values.iter().map(score).collect()
        })
        .collect();
    let rules = Rules {
        confidence: asked.confidence,
        max_runs: asked.max_runs as usize,
    };
    let standing = named(racing::standing(&scores, &rules), &asked.arms);
    let arms = asked.arms.into_iter().zip(values);
    RaceReport {
        standing,
        arms: arms
            .map(|(RaceArm { name, .. }, values)| RacedArm { name, values })
            .collect(),
    }
}

/// What an ended run came to: of one that did not complete nothing. None of a run that has not ended.
fn value(run: &Run) -> Option<Option<f64>> {
    match run.state {
        TrialState::Completed => Some(run.value.filter(|value| value.is_finite())),
        state => state.is_terminal().then_some(None),
    }
}

fn named(standing: Option<racing::Standing>, arms: &[RaceArm]) -> Standing {
    let name = |idx: usize| arms[idx].name.clone();
    let names = |idx: Vec<usize>| idx.into_iter().map(name).collect();
    match standing {
        Some(racing::Standing::Running { next }) => Standing::Running { next: names(next) },
        Some(racing::Standing::Separated { winner }) => Standing::Separated {
            winner: name(winner),
        },
        Some(racing::Standing::Undecided { leader, rivals }) => Standing::Undecided {
            leader: name(leader),
            rivals: names(rivals),
        },
        None => Standing::AllFailed {},
    }
}
