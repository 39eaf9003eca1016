//! The end of an attempt, however it came about: what becomes of its trial.

use std::collections::HashMap;

use cultivar_spec::state::{Next, Tally, next};
use cultivar_spec::wire::{Event, JobKind};
use cultivar_spec::{Outcome, TrialState};
use rand::Rng;
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::store;
use crate::store::attempt::{Ending, Held, Past};
use crate::store::queue;

/// Different trials a worker may fail before it is quarantined.
const MAX_FAULTED_TRIALS: u64 = 3;
/// Longest error text kept, in characters.
const MAX_ERROR_CHARS: usize = 4000;
/// A wait before a retry is drawn out by up to this share, so that retries do not march in step.
const JITTER: f64 = 0.25;

/// Ends active attempts and moves their trials, or their evaluations, on.
///
/// # Errors
/// The database is out of reach.
pub async fn settle(conn: &mut PgConnection, endings: &[Ending<'_>]) -> Result<(), ApiError> {
    if endings.is_empty() {
        return Ok(());
    }
    let mut states = Vec::with_capacity(endings.len());
    let mut events = Vec::with_capacity(endings.len());
    let mut pruned = Vec::new();
    for Ending {
        held,
        outcome,
        error,
        ..
    } in endings
    {
        let state = match what_follows(held, *outcome) {
            Next::Terminal(state) => state,
            Next::Pause => TrialState::Paused,
            Next::Requeue { delay_s } => {
                let delay_s = delay_s * (1.0 + JITTER * rand::rng().random::<f64>());
                queue::push(conn, held.trial, held.job, held.split, delay_s).await?;
                TrialState::Queued
            }
        };
        events.push(moved(held, state));
        if let (JobKind::Evaluate, Some(split)) = (held.job, held.split) {
            store::evaluation::set_state(conn, held.trial, split, state, *error).await?;
            states.push(None);
            continue;
        }
        if state == TrialState::Pruned {
            pruned.push(held.trial);
        }
        states.push(Some(state));
    }
    if !store::attempt::settle(conn, endings, &states, &events).await? {
        return Err(anyhow::anyhow!("a trial has an active attempt and is not running").into());
    }
    if !pruned.is_empty() {
        store::trial::keep_metrics(conn, &pruned).await?;
    }
    let mut faults: Vec<_> = endings
        .iter()
        .filter(|ending| ending.outcome == Outcome::WorkerFault)
        .collect();
    // Claims lock workers in this order too.
    faults.sort_by_key(|ending| ending.held.worker);
    for ending in faults {
        put_aside(conn, ending.held, ending.error).await?;
    }
    Ok(())
}

fn moved(held: &Held, state: TrialState) -> Event {
    match held.job {
        JobKind::Evaluate => Event::Evaluation {
            trial: held.trial,
            dataset: held.dataset.clone(),
        },
        JobKind::Train => Event::Trial {
            trial: held.trial,
            sweep: held.sweep,
            dataset: held.dataset.clone(),
            state,
        },
    }
}

/// A worker that failed several different trials gets no more: the trials are not to blame.
async fn put_aside(
    conn: &mut PgConnection,
    held: &Held,
    error: Option<&str>,
) -> Result<(), ApiError> {
    let n_trials = store::worker::n_faulted_trials(conn, held.worker).await?;
    if n_trials >= MAX_FAULTED_TRIALS {
        let reason = format!(
            "{n_trials} different trials ended in a fault of this worker, last: {}",
            error.unwrap_or("no reason given")
        );
        tracing::warn!(worker = %held.worker, reason, "worker quarantined");
        store::worker::quarantine(conn, held.worker, &reason).await?;
    }
    Ok(())
}

fn what_follows(held: &Held, outcome: Outcome) -> Next {
    let this = Past {
        outcome,
        resumed_from_step: held.resumed_from_step,
        checkpoint_step: held.checkpoint_step,
    };
    let next = next(outcome, tally(&held.past, &this));
    match (held.job, next) {
        // An evaluation knows no scheduler to wait for.
        (JobKind::Evaluate, Next::Pause) => Next::Requeue { delay_s: 0.0 },
        (JobKind::Evaluate, Next::Terminal(TrialState::Pruned)) => {
            Next::Terminal(TrialState::Failed)
        }
        // Somebody wants it gone: no attempt follows, whatever ended this one.
        (
            JobKind::Train,
            Next::Requeue { .. } | Next::Pause | Next::Terminal(TrialState::Failed),
        ) if held.cancel_requested => Next::Terminal(TrialState::Cancelled),
        // Its scheduler has stopped it: what it might still do is not wanted.
        (JobKind::Train, Next::Requeue { .. } | Next::Pause) if held.prune_requested => {
            Next::Terminal(TrialState::Pruned)
        }
        (JobKind::Train, Next::Requeue { .. }) if held.is_to_pause => Next::Pause,
        // It was resumed before it had given way.
        (JobKind::Train, Next::Pause) if !held.is_to_pause => Next::Requeue { delay_s: 0.0 },
        (_, next) => next,
    }
}

/// Counts the attempts that weigh on this one. An attempt that had settled the trial does not: somebody
/// asked for a retry since, and that starts the count anew.
fn tally(past: &[Past], this: &Past) -> Tally {
    let mut n_by_outcome: HashMap<Outcome, u32> = HashMap::new();
    let mut without_progress = 0;
    let mut tally = Tally::default();
    for attempt in past.iter().chain([this]) {
        let step = attempt.checkpoint_step;
        let progressed = step.is_some_and(|step| step > attempt.resumed_from_step);
        if progressed {
            without_progress = 0;
        }
        tally = Tally {
            same_outcome: n_by_outcome.get(&attempt.outcome).copied().unwrap_or(0),
            without_progress,
        };
        if let Next::Terminal(_) = next(attempt.outcome, tally) {
            n_by_outcome.clear();
            without_progress = 0;
            continue;
        }
        *n_by_outcome.entry(attempt.outcome).or_default() += 1;
        without_progress += u32::from(!progressed);
    }
    tally
}

/// An error text that a page can show.
pub fn tidy(error: &str) -> String {
    error.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(outcome: Outcome, checkpoint_step: Option<u64>) -> Past {
        Past {
            outcome,
            resumed_from_step: 0,
            checkpoint_step,
        }
    }

    fn check(attempts: &[Past], this: &Past, same_outcome: u32, without_progress: u32) {
        let expect = Tally {
            same_outcome,
            without_progress,
        };
        assert_eq!(tally(attempts, this), expect);
    }

    #[test]
    fn attempts_without_a_newer_checkpoint_are_counted_in_a_row() {
        let lost = || past(Outcome::Lost, None);
        check(&[], &lost(), 0, 0);
        check(&[lost(), lost()], &lost(), 2, 2);
        let progressed = past(Outcome::Lost, Some(5));
        check(&[lost(), lost()], &progressed, 2, 0);
        let resumed = Past {
            resumed_from_step: 5,
            ..progressed
        };
        check(&[lost(), lost()], &resumed, 2, 2);
        let crashed = past(Outcome::Crashed, Some(5));
        check(&[lost(), crashed, lost()], &lost(), 2, 1);
    }

    #[test]
    fn a_retry_starts_anew() {
        let crashed = || past(Outcome::Crashed, None);
        let mut attempts = vec![crashed(), crashed(), crashed()];
        check(&attempts, &crashed(), 3, 3);
        attempts.push(crashed());
        check(&attempts, &crashed(), 0, 0);
        attempts.push(crashed());
        check(&attempts, &crashed(), 1, 1);
    }
}
