//! Scheduling: what a sweep's scheduler hears, and what becomes of what it says.
//!
//! Epochs come in through `epoch_report`, how trials stand is read from the trials themselves, and both are written to
//! the scheduler's log before it is asked. Its decisions follow in the log, so that each can be replayed from what had
//! been seen. They reach workers as the answer to a heartbeat or report, and the queue through the feeder.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use cultivar_search::scheduler::{
    self, Action, Decision, End, Event, History, Scheduler, Status, point_of,
};
use cultivar_search::space::lay_over;
use cultivar_spec::wire::Event as Told;
use cultivar_spec::{
    Sha256Digest, SweepId, SweepSpec, TrialId, TrialSpec, TrialState, Violations, canonical_json,
    check, config_id,
};
use serde_json::Value;
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::{feeder, label, search};
use crate::state::AppState;
use crate::store;
use crate::store::lifecycle::Locked;
use crate::store::schedule::{Cloned, Logged, Scheduled};
use crate::tx::run_tx;

/// Logs kept in memory; beyond, all are read anew.
const MAX_KEPT: usize = 256;

/// What was read of schedulers' logs before, so that a decision need not read all of them, and who of this replica may
/// decide for a sweep: the others wait for their turn without a connection. Cheap to clone.
#[derive(Clone, Default)]
pub struct Schedules(Arc<Mutex<HashMap<SweepId, Turn>>>);

type Turn = Arc<tokio::sync::Mutex<Option<Log>>>;

impl Schedules {
    fn of(&self, sweep: SweepId) -> Turn {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT && !kept.contains_key(&sweep) {
            kept.clear();
        }
        kept.entry(sweep).or_default().clone()
    }

    fn known(&self, sweep: SweepId) -> Option<Turn> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&sweep).cloned()
    }
}

/// A scheduler with all that it has seen and said.
struct Log {
    scheduler: Box<dyn Scheduler>,
    history: History,
    /// By number.
    trials: Vec<TrialId>,
    numbers: HashMap<TrialId, u32>,
    n_lines: u64,
    n_steps: u64,
}

impl Log {
    fn new(sweep: &SweepSpec, n_epochs: u32) -> Result<Self, Violations> {
        Ok(Self {
            scheduler: scheduler::build(sweep, n_epochs)?,
            history: History::new(search::objective(sweep).direction),
            trials: Vec::new(),
            numbers: HashMap::new(),
            n_lines: 0,
            n_steps: 0,
        })
    }

    /// Takes in a line that is stored already.
    fn read(&mut self, line: &Logged) {
        self.history.apply(&line.event);
        if let (Event::Joined { trial, .. }, Some(id)) = (&line.event, line.trial) {
            self.trials.push(id);
            self.numbers.insert(id, *trial);
        }
        self.n_lines += 1;
        self.n_steps = line.step + 1;
    }

    fn line(&self, trial: Option<TrialId>, event: Event) -> Logged {
        Logged {
            step: self.n_steps,
            trial,
            event,
        }
    }
}

/// What a sweep's scheduler expects its trials to come to, as of when this replica last looked; nothing of those that have
/// come to it, and where it does not forecast.
pub async fn forecasts(state: &AppState, sweep: SweepId) -> Vec<(TrialId, f64)> {
    let Some(turn) = state.schedules.known(sweep) else {
        return Vec::new();
    };
    let turn = turn.lock().await;
    let forecasts = turn.iter().flat_map(|log| {
        let forecasts = log.scheduler.forecasts(&log.history);
        log.trials.iter().copied().zip(forecasts)
    });
    let told = forecasts.filter_map(|(trial, forecast)| Some((trial, forecast?)));
    told.collect()
}

/// Lets the schedulers of all sweeps that have trials left look at what is new. One that fails keeps no other from it.
///
/// # Errors
/// The database is out of reach.
pub async fn step_all(state: &AppState) -> Result<(), ApiError> {
    for sweep in store::schedule::due(&state.pool).await? {
        if let Err(error) = step(state, sweep).await {
            tracing::error!(%sweep, %error, "cannot schedule the sweep");
        }
    }
    Ok(())
}

/// Lets a sweep's scheduler look at what is new, and does what it decides. One at a time: the sweep's row is locked.
///
/// # Errors
/// The database is out of reach.
pub async fn step(state: &AppState, sweep: SweepId) -> Result<(), ApiError> {
    let turn = state.schedules.of(sweep);
    let mut turn = turn.lock().await;
    // Should the transaction fail, the log is read anew.
    let kept = turn.take();
    let (log, n_decisions) = run_tx("schedule", &state.pool, move |conn| {
        Box::pin(async move {
            let Some(scheduled) = store::schedule::lock(conn, sweep).await? else {
                return Ok((kept, 0));
            };
            let Some(n_epochs) = scheduled.n_epochs else {
                return Ok((kept, 0));
            };
            let mut log = match kept {
                Some(log) => log,
                None => Log::new(&scheduled.spec, n_epochs).map_err(anyhow::Error::from)?,
            };
            for line in store::schedule::log(&mut *conn, sweep, log.n_lines).await? {
                log.read(&line);
            }
            let news = news(conn, sweep, &scheduled, &mut log).await?;
            if news.is_empty() {
                return Ok((Some(log), 0));
            }
            store::schedule::append(conn, sweep, log.n_lines, &news).await?;
            log.n_lines += news.len() as u64;
            let (mut log, decisions) = decide(log).await?;
            let decided = |decision: &Decision| {
                let trial = log.trials.get(decision.trial as usize).copied();
                let decision = decision.clone();
                log.line(trial, Event::Decided { decision })
            };
            let lines: Vec<Logged> = decisions.iter().map(decided).collect();
            store::schedule::append(conn, sweep, log.n_lines, &lines).await?;
            log.n_lines += lines.len() as u64;
            log.n_steps += 1;
            if !decisions.is_empty() {
                carry_out(conn, sweep, &log.trials, &decisions).await?;
            }
            Ok((Some(log), decisions.len()))
        })
    })
    .await?;
    *turn = log;
    drop(turn);
    if n_decisions > 0 {
        state.queue.notify_waiters();
    }
    Ok(())
}

/// What happened since the last look, taken into the history: who joined, what was reported, how trials stand now.
/// How trials stand is read first, so that of a trial which has given way every report is there.
async fn news(
    conn: &mut PgConnection,
    sweep: SweepId,
    scheduled: &Scheduled,
    log: &mut Log,
) -> Result<Vec<Logged>, ApiError> {
    let is_unsettled = |curve: &scheduler::Curve| !matches!(curve.status, Status::Ended(_));
    let unsettled: Vec<TrialId> = log
        .history
        .numbered()
        .filter(|(_, curve)| is_unsettled(curve))
        .map(|(trial, _)| log.trials[trial as usize])
        .collect();
    let standings = store::schedule::standings(&mut *conn, sweep, &unsettled).await?;
    let mut reports = store::schedule::take_reports(conn, sweep).await?;

    let mut news = Vec::new();
    let joining = standings.iter().map(|standing| standing.id);
    let joining: Vec<TrialId> = joining.filter(|id| !log.numbers.contains_key(id)).collect();
    for (id, point) in points(conn, &scheduled.spec, &joining).await? {
        let trial = log.trials.len() as u32;
        log.trials.push(id);
        log.numbers.insert(id, trial);
        news.push(log.line(Some(id), Event::Joined { trial, point }));
    }
    reports.sort_by_key(|report| (log.numbers.get(&report.trial).copied(), report.epoch));
    for report in reports {
        // Of a trial that settled before it was ever looked at there is nothing to decide.
        if let Some(trial) = log.numbers.get(&report.trial).copied() {
            let event = Event::Report {
                trial,
                epoch: report.epoch,
                value: report.value,
            };
            news.push(log.line(Some(report.trial), event));
        }
    }
    for standing in &standings {
        let trial = log.numbers[&standing.id];
        let known = log.history.curves().get(trial as usize);
        let known = known.map_or(Status::Open, |curve| curve.status);
        let status = status(standing.state);
        if status != known {
            let event = match status {
                Status::Open => Event::Opened { trial },
                Status::Paused => Event::Paused { trial },
                Status::Ended(end) => Event::Ended { trial, end },
            };
            news.push(log.line(Some(standing.id), event));
        }
    }
    if !scheduled.searching && !log.history.is_closed() {
        news.push(log.line(None, Event::Closed {}));
    }
    for line in &news {
        log.history.apply(&line.event);
    }
    Ok(news)
}

fn status(state: TrialState) -> Status {
    match state {
        TrialState::Queued | TrialState::Running => Status::Open,
        TrialState::Paused => Status::Paused,
        TrialState::Completed => Status::Ended(End::Completed),
        TrialState::Pruned => Status::Ended(End::Pruned),
        TrialState::Failed | TrialState::Cancelled => Status::Ended(End::Failed),
    }
}

/// Trials with where they lie in their sweep's space, in the order given.
async fn points(
    conn: &mut PgConnection,
    sweep: &SweepSpec,
    trials: &[TrialId],
) -> Result<Vec<(TrialId, Value)>, ApiError> {
    let mut specs = store::trial::specs(conn, trials).await?;
    let point = |id: &TrialId| {
        let spec = specs.remove(id).unwrap_or_default();
        let point = point_of(&sweep.space, &spec).map_err(anyhow::Error::from)?;
        Ok((*id, point.unwrap_or_default()))
    };
    trials.iter().map(point).collect()
}

async fn spec_of(conn: &mut PgConnection, trial: TrialId) -> Result<TrialSpec, ApiError> {
    let found = store::trial::spec_and_model(conn, trial).await?;
    let (spec, _) = found.ok_or_else(|| ApiError::no_such("trial", trial))?;
    Ok(spec)
}

/// Asks away from the threads that answer requests.
async fn decide(mut log: Log) -> Result<(Log, Vec<Decision>), ApiError> {
    let decided = tokio::task::spawn_blocking(move || {
        let decisions = scheduler::step(&*log.scheduler, &mut log.history);
        (log, decisions)
    });
    decided.await.map_err(|e| ApiError::Internal(e.into()))
}

/// Does what was decided: the last word on each trial counts, a copy is made before anything moves on.
async fn carry_out(
    conn: &mut PgConnection,
    sweep: SweepId,
    trials: &[TrialId],
    decisions: &[Decision],
) -> Result<(), ApiError> {
    let mut last: BTreeMap<u32, &Action> = BTreeMap::new();
    for decision in decisions {
        if let Action::Clone { source, point } = &decision.action {
            let (trial, source) = (trials[decision.trial as usize], trials[*source as usize]);
            exploit(conn, trial, source, decision.epoch, point).await?;
        }
        last.insert(decision.trial, &decision.action);
    }
    let with = |wanted: fn(&Action) -> bool| -> Vec<TrialId> {
        let of = last.iter().filter(|(_, action)| wanted(action));
        of.map(|(trial, _)| trials[*trial as usize]).collect()
    };
    let stopped = with(|action| matches!(action, Action::Stop {}));
    let held = with(|action| matches!(action, Action::Pause {}));
    let released = with(|action| matches!(action, Action::Promote {} | Action::Clone { .. }));

    let ended = store::schedule::stop(conn, &stopped).await?;
    let ids: Vec<TrialId> = ended.iter().map(|trial| trial.id).collect();
    store::trial::keep_metrics(conn, &ids).await?;
    let waiting = store::schedule::hold(conn, &held).await?;
    let queued = store::schedule::release(conn, &released).await?;
    let moved = [&ended[..], &waiting[..], &queued[..]].concat();
    let mut events: Vec<Told> = moved.iter().map(told).collect();
    events.push(Told::Sweep { sweep });
    store::event::append(conn, &events).await?;
    if !queued.is_empty() {
        store::sweep::open(conn, sweep).await?;
        feeder::feed(conn, sweep).await?;
    }
    Ok(())
}

fn told(trial: &Locked) -> Told {
    Told::Trial {
        trial: trial.id,
        sweep: trial.sweep,
        dataset: trial.dataset.clone(),
        state: trial.state,
    }
}

/// Makes a trial a copy of another, at another point of the space, with its own seed. It has trained under several
/// configurations then, so it is a seed of none: its `config_id` is its own.
async fn exploit(
    conn: &mut PgConnection,
    trial: TrialId,
    source: TrialId,
    epoch: u32,
    point: &Value,
) -> Result<(), ApiError> {
    let copied = spec_of(conn, source).await?;
    let own = spec_of(conn, trial).await?;
    let raw = serde_json::to_value(&copied).map_err(anyhow::Error::from)?;
    let spec = match check::trial(&lay_over(&raw, point)) {
        Ok(spec) => spec,
        Err(violations) => {
            tracing::warn!(%trial, %violations, "a step in the space cannot be trained; the copy stays as its source is");
            copied.clone()
        }
    };
    let mut seeded = spec;
    seeded.fit.seed = own.fit.seed;
    let lineage = format!("{} {trial} {source} {epoch}", config_id(&seeded));
    let cloned = Cloned {
        trial,
        source,
        epoch,
        config_id: Sha256Digest::of(lineage.as_bytes()),
        label: format!("pbt {}", label::of_overlay(point, &seeded)),
        checkpoint_spec: Sha256Digest::of(canonical_json(&copied).as_bytes()),
        spec: seeded,
    };
    Ok(store::schedule::become_clone(conn, &cloned).await?)
}
