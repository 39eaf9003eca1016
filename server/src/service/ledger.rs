//! Where finishes are entered: those that arrive while a transaction runs are entered together by the next one (group
//! commit).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{Event, Finish};
use cultivar_spec::{LeaseId, Outcome, Sha256Digest, TrialState};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::auth::Familiar;
use crate::error::ApiError;
use crate::metrics::{Metrics, OutcomeLabel};
use crate::service::combine::{Combiner, Crowd, Turn};
use crate::service::fence::{self, Standing};
use crate::service::reports::set_aside;
use crate::service::scoring::Scored;
use crate::service::{artifacts, settle};
use crate::state::AppState;
use crate::store;
use crate::store::attempt::{Busy, Ending, Held, Job};
use crate::store::completion::Completion;
use crate::store::trial::Accepted;
use crate::tx::{Source, run_tx};

/// Finishes of one transaction.
const MAX_BATCH: usize = 256;

/// A finish that was checked.
pub struct Entry {
    pub lease: LeaseId,
    /// Of whoever sent it.
    pub token: Uuid,
    pub job: Job,
    pub finish: Finish,
    pub checked: Checked,
}

/// What a completed job left behind, checked.
pub enum Checked {
    Trained {
        accepted: Accepted,
        /// Absent where nothing was held out.
        val: Option<(Sha256Digest, Scored)>,
    },
    Evaluated {
        split: Split,
        metrics: BTreeMap<String, f64>,
        predictions: Sha256Digest,
        scored: Scored,
    },
    /// It did not complete, and left nothing.
    Nothing,
}

/// What became of a finish.
#[derive(Clone, Copy)]
pub enum Verdict {
    /// It counts, from now on or since it came before.
    Accepted,
    /// Another counts.
    Differs,
    /// The trial went on without it; it was kept aside.
    Superseded,
}

/// Where finishes wait for their turn. No verdict: this one must be entered by itself.
pub type Ledger = Combiner<Arc<Entry>, Option<Verdict>>;

pub fn open(crowd: Arc<Crowd>) -> Ledger {
    Combiner::among(crowd, MAX_BATCH)
}

/// Stores a result and moves its trial on.
///
/// # Errors
/// The caller's token has ended, an artifact that it names does not exist, or the database is out of reach.
pub async fn enter(state: &AppState, caller: &Familiar, entry: Entry) -> Result<Verdict, ApiError> {
    let entry = Arc::new(entry);
    if plain(&entry).is_none() {
        caller.confirm(state).await?;
    }
    let serve = |entries, turn| {
        let state = state.clone();
        async move { enter_together(&state, entries, turn).await }
    };
    let place = state.ledger.join(entry.clone());
    if let Some(verdict) = place.answered(serve).await? {
        return Ok(verdict);
    }
    caller.confirm(state).await?;
    // It may wait long for somebody's lock, and the hot connections serve everybody.
    let alone = vec![entry.clone()];
    match enter_all(state, &state.pool, alone, Busy::Wait).await {
        Ok(verdicts) => {
            let verdict = verdicts.into_iter().next().flatten();
            verdict.ok_or_else(|| ApiError::no_such("lease", entry.lease))
        }
        Err(error) => {
            // The database refuses what refers to nothing; here is what.
            artifacts::must_exist(state, &references(&entry.checked)).await?;
            Err(error)
        }
    }
}

/// Enters what can be entered without waiting for anybody: plain completions in one statement, which looks at their tokens too,
/// and what else there is in a transaction. Where one spoils it for all, each is entered by itself.
async fn enter_together(
    state: &AppState,
    entries: Vec<Arc<Entry>>,
    turn: Turn,
) -> Result<Vec<Option<Verdict>>, ApiError> {
    let completed = unless_spoilt(complete(state, &entries).await)?.unwrap_or_default();
    // What is left takes longer.
    drop(turn);
    let mut verdicts = vec![None; entries.len()];
    let (mut left, mut places) = (Vec::new(), Vec::new());
    for (idx, (entry, verdict)) in entries.into_iter().zip(&mut verdicts).enumerate() {
        if completed.contains(&idx) {
            *verdict = Some(Verdict::Accepted);
        } else if plain(&entry).is_none() {
            left.push(entry);
            places.push(verdict);
        }
    }
    if left.is_empty() {
        return Ok(verdicts);
    }
    let entered = enter_all(state, &state.hot, left, Busy::Skip).await;
    for (place, verdict) in places
        .into_iter()
        .zip(unless_spoilt(entered)?.unwrap_or_default())
    {
        *place = verdict;
    }
    Ok(verdicts)
}

/// None of what the database refused, for whatever reason.
fn unless_spoilt<T>(done: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match done {
        Err(ApiError::Unavailable(why)) => Err(ApiError::Unavailable(why)),
        done => Ok(done.ok()),
    }
}

/// Enters the trainings that completed and whose leases hold, as nearly all do, in one statement. Returns their places.
async fn complete(state: &AppState, entries: &[Arc<Entry>]) -> Result<HashSet<usize>, ApiError> {
    let mut leases = HashSet::new();
    let (places, completions): (Vec<_>, Vec<_>) = entries
        .iter()
        .enumerate()
        .filter_map(|(idx, entry)| Some((idx, completion(entry)?)))
        // What a second finish of a lease comes to depends on the first.
        .filter(|(_, completion)| leases.insert(completion.lease))
        .unzip();
    if completions.is_empty() {
        return Ok(HashSet::new());
    }
    let mut conn = state.hot.lend().await?;
    let completed = store::completion::complete(&mut *conn, &completions).await?;
    conn.keep();
    count_ended(state, completed.iter().map(|_| Outcome::Completed));
    let is_completed = |completion: &Completion| completed.contains(&completion.lease);
    let places = places.into_iter().zip(&completions);
    Ok(places
        .filter_map(|(idx, completion)| is_completed(completion).then_some(idx))
        .collect())
}

/// A training that completed as it should, and what it left.
fn plain(entry: &Entry) -> Option<(&Accepted, Option<&(Sha256Digest, Scored)>)> {
    match (&entry.checked, entry.finish.outcome, &entry.finish.error) {
        (Checked::Trained { accepted, val }, Outcome::Completed, None) => {
            Some((accepted, val.as_ref()))
        }
        _ => None,
    }
}

fn completion(entry: &Entry) -> Option<Completion<'_>> {
    let (accepted, val) = plain(entry)?;
    Some(Completion {
        lease: entry.lease,
        token: entry.token,
        finish: &entry.finish,
        accepted,
        val,
        event: Event::Trial {
            trial: entry.job.trial,
            sweep: entry.job.sweep,
            dataset: entry.job.dataset.clone(),
            state: TrialState::Completed,
        },
    })
}

fn count_ended(state: &AppState, outcomes: impl IntoIterator<Item = Outcome>) {
    for outcome in outcomes {
        let label = OutcomeLabel {
            outcome: outcome.name(),
        };
        state.metrics.attempts_ended.get_or_create(&label).inc();
    }
}

async fn enter_all(
    state: &AppState,
    source: &impl Source,
    entries: Vec<Arc<Entry>>,
    busy: Busy,
) -> Result<Vec<Option<Verdict>>, ApiError> {
    let counters = state.metrics.clone();
    let (verdicts, ended) = run_tx("finish", source, move |conn| {
        Box::pin(async move { try_enter(conn, &entries, busy, &counters).await })
    })
    .await?;
    count_ended(state, ended);
    Ok(verdicts)
}

/// Verdicts in the order of the entries, and the outcomes that count from now on.
async fn try_enter(
    conn: &mut PgConnection,
    entries: &[Arc<Entry>],
    busy: Busy,
    counters: &Metrics,
) -> Result<(Vec<Option<Verdict>>, Vec<Outcome>), ApiError> {
    let may_return = |entry: &&Arc<Entry>| entry.finish.outcome != Outcome::Completed;
    let returning = entries.iter().filter(may_return).map(|entry| entry.lease);
    let kept = store::sweep::hold(conn, &returning.collect::<Vec<_>>(), busy).await?;
    let is_kept = |entry: &&Arc<Entry>| {
        let sweep = entry.job.sweep;
        !may_return(entry) || sweep.is_none_or(|id| kept.contains(&id))
    };
    let leases: Vec<_> = entries
        .iter()
        .filter(is_kept)
        .map(|entry| entry.lease)
        .collect();
    let locked = store::attempt::lock(conn, &leases, busy).await?;
    let mut locked: HashMap<_, _> = locked.into_iter().map(|held| (held.lease, held)).collect();
    let mut verdicts = Vec::with_capacity(entries.len());
    let mut counting: Vec<(Held, &Entry)> = Vec::new();
    let mut trials = HashSet::new();
    for entry in entries {
        // One finish a trial: what a second one comes to depends on the first.
        let held = locked.remove(&entry.lease);
        let Some(held) = held.filter(|held| trials.insert(held.trial)) else {
            verdicts.push(None);
            continue;
        };
        verdicts.push(Some(match fence::stand(conn, held, counters).await? {
            Standing::Active(held) => {
                keep(conn, &held, &entry.checked).await?;
                counting.push((held, entry));
                Verdict::Accepted
            }
            Standing::Finished(held) => match &held.finish {
                Some(kept) if same_result(kept, &entry.finish) => Verdict::Accepted,
                _ => Verdict::Differs,
            },
            Standing::Superseded(_) => {
                set_aside(conn, entry.lease, "finish", &entry.finish).await?;
                Verdict::Superseded
            }
        }));
    }
    let endings: Vec<_> = counting
        .iter()
        .map(|(held, entry)| ending(held, entry))
        .collect();
    settle::settle(conn, &endings).await?;
    let ended = endings.iter().map(|ending| ending.outcome).collect();
    Ok((verdicts, ended))
}

/// Stores what was predicted.
async fn keep(conn: &mut PgConnection, held: &Held, checked: &Checked) -> Result<(), ApiError> {
    match checked {
        Checked::Nothing | Checked::Trained { val: None, .. } => {}
        Checked::Trained {
            val: Some((predictions, scored)),
            ..
        } => {
            store::prediction::insert(conn, held.trial, Split::Val, predictions, scored).await?;
        }
        Checked::Evaluated {
            split,
            metrics,
            predictions,
            scored,
        } => {
            store::evaluation::accept(conn, held.trial, *split, metrics, predictions).await?;
            store::prediction::insert(conn, held.trial, *split, predictions, scored).await?;
        }
    }
    Ok(())
}

fn ending<'e>(held: &'e Held, entry: &'e Entry) -> Ending<'e> {
    Ending {
        held,
        outcome: entry.finish.outcome,
        error: entry.finish.error.as_deref(),
        finish: Some(&entry.finish),
        accepted: match &entry.checked {
            Checked::Trained { accepted, .. } => Some(accepted),
            Checked::Evaluated { .. } | Checked::Nothing => None,
        },
    }
}

/// The artifacts that a result names, each with its place in the finish.
fn references(checked: &Checked) -> Vec<(&'static str, Sha256Digest)> {
    let (model, predictions) = match checked {
        Checked::Nothing => (None, None),
        Checked::Trained { accepted, .. } => (accepted.model, accepted.predictions),
        Checked::Evaluated { predictions, .. } => (None, Some(*predictions)),
    };
    let model = model.map(|digest| ("/model", digest));
    let predictions = predictions.map(|digest| ("/predictions", digest));
    model.into_iter().chain(predictions).collect()
}

/// Metrics are left out: a number may come back from JSON one unit in the last place away.
fn same_result(kept: &Finish, again: &Finish) -> bool {
    (kept.outcome, kept.step, kept.model, kept.predictions)
        == (again.outcome, again.step, again.model, again.predictions)
}
