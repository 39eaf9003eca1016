//! Sweeps.

use std::collections::HashSet;

use cultivar_spec::queueing::Queueing;
use cultivar_spec::wire::{SweepDetail, SweepView};
use cultivar_spec::{LeaseId, SweepId, SweepSpec, TrialId, TrialState};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, Row};

use super::Result;
use super::attempt::Busy;
use super::columns::Columns;

/// Sweeps listed at most.
const MAX_LISTED: i64 = 200;

pub async fn insert(
    conn: &mut PgConnection,
    id: SweepId,
    dataset: &str,
    spec: &SweepSpec,
) -> Result<()> {
    let queueing = &spec.queueing;
    sqlx::query(
        "-- sweep::insert
         INSERT INTO sweep (id, name, dataset, spec, priority, weight, parallel, start_after, deadline, needs, open)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true)",
    )
    .bind(id.0)
    .bind(&spec.name)
    .bind(dataset)
    .bind(Json(spec))
    .bind(queueing.priority)
    .bind(queueing.weight)
    .bind(queueing.parallel.map(|n| n as i32))
    .bind(queueing.start_after)
    .bind(queueing.deadline)
    .bind(queueing.needs.or_none().map(Json))
    .execute(conn)
    .await?;
    Ok(())
}

/// What [`view`] reads of a sweep `s` and the counts `c` of its trials. By name: a statement that a connection has prepared fails
/// there for good once a newer server gives `*` another column.
macro_rules! columns {
    () => {
        "s.id, s.name, s.dataset, s.created_at, s.cancelled_at, s.paused_at, s.priority, s.weight, s.parallel, s.start_after,
         s.deadline, s.needs, s.searching, s.search_note, s.n_planned, c.counts"
    };
}

/// Newest first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<SweepView>> {
    sqlx::query(concat!(
        "-- sweep::list
         SELECT ",
        columns!(),
        " FROM (SELECT * FROM sweep ORDER BY id DESC LIMIT $1) s
         CROSS JOIN LATERAL (
             SELECT coalesce(jsonb_object_agg(state, n), '{}') AS counts
             FROM (SELECT state, count(*) AS n FROM trial WHERE sweep_id = s.id GROUP BY state) AS by_state
         ) c
         ORDER BY s.id DESC",
    ))
    .bind(MAX_LISTED)
    .try_map(|row: PgRow| view(&row))
    .fetch_all(db)
    .await
}

/// Its trials are counted by the number given and not by the row's: of a value that it does not know Postgres thinks that every
/// sweep is as large as the largest, and reads the whole table.
pub async fn detail(db: impl PgExecutor<'_>, id: SweepId) -> Result<Option<SweepDetail>> {
    sqlx::query(concat!(
        "-- sweep::detail
         SELECT s.spec, ",
        columns!(),
        " FROM sweep s
         CROSS JOIN LATERAL (
             SELECT coalesce(jsonb_object_agg(state, n), '{}') AS counts
             FROM (SELECT state, count(*) AS n FROM trial WHERE sweep_id = $1 GROUP BY state) AS by_state
         ) c
         WHERE s.id = $1",
    ))
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(SweepDetail {
            sweep: view(&row)?,
            spec: row.json("spec")?,
            budget: Default::default(),
        })
    })
    .fetch_optional(db)
    .await
}

/// What its feeding depends on. The row stays locked.
pub struct Feeding {
    pub priority: i32,
    pub weight: f64,
    pub parallel: Option<u32>,
    /// Place in line of the last trial it queued.
    pub fair_at: f64,
    /// Neither paused nor cancelled, and its time has come.
    pub may_begin: bool,
}

/// Locks an open sweep; `None` if it is not open, or if somebody else is feeding it.
pub async fn lock_open(conn: &mut PgConnection, id: SweepId) -> Result<Option<Feeding>> {
    sqlx::query(
        "-- sweep::lock_open
         SELECT priority, weight, parallel, fair_at,
                paused_at IS NULL AND cancelled_at IS NULL AND coalesce(start_after <= now(), true) AS may_begin
         FROM sweep WHERE id = $1 AND open
         FOR UPDATE SKIP LOCKED",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        let parallel: Option<i32> = row.try_get("parallel")?;
        Ok(Feeding {
            priority: row.try_get("priority")?,
            weight: row.try_get("weight")?,
            parallel: parallel.map(|n| n as u32),
            fair_at: row.try_get("fair_at")?,
            may_begin: row.try_get("may_begin")?,
        })
    })
    .fetch_optional(conn)
    .await
}

/// After a feeding: the place in line of what was queued last, and whether more may wait outside. Where any does, the sweep
/// stays open whatever is said.
pub async fn fed(conn: &mut PgConnection, id: SweepId, fair_at: f64, open: bool) -> Result<()> {
    sqlx::query(
        // By key, whatever the statistics: see `claim::in_line`.
        "-- sweep::fed
         UPDATE sweep SET fair_at = $2, open = $3 OR EXISTS (
             SELECT FROM trial t WHERE t.sweep_id = $1 AND t.state = 'queued'
               AND NOT EXISTS (SELECT FROM trial_queue q WHERE q.trial_id = t.id AND q.job = 'train' OFFSET 0))
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(fair_at)
    .bind(open)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sweeps with trials that wait outside the queue and might enter it.
pub async fn hungry(db: impl PgExecutor<'_>) -> Result<Vec<SweepId>> {
    sqlx::query(
        "-- sweep::hungry
         SELECT id FROM sweep
         WHERE (open OR searching) AND paused_at IS NULL AND cancelled_at IS NULL AND coalesce(start_after <= now(), true)
         ORDER BY id",
    )
    .try_map(|row: PgRow| Ok(SweepId(row.try_get("id")?)))
    .fetch_all(db)
    .await
}

/// Sweeps whose deadline has passed with trials left, or with some to come.
pub async fn overdue(db: impl PgExecutor<'_>) -> Result<Vec<SweepId>> {
    sqlx::query(
        "-- sweep::overdue
         SELECT s.id FROM sweep s
         WHERE s.deadline <= now() AND s.cancelled_at IS NULL
           AND (s.searching
                OR EXISTS (SELECT FROM trial t WHERE t.sweep_id = s.id AND t.state IN ('queued', 'running', 'paused')))
         ORDER BY s.id",
    )
    .try_map(|row: PgRow| Ok(SweepId(row.try_get("id")?)))
    .fetch_all(db)
    .await
}

/// Locks a sweep whose deadline has passed and that was not cancelled. Whether it is one.
pub async fn lock_overdue(conn: &mut PgConnection, id: SweepId) -> Result<bool> {
    let done = sqlx::query(
        "-- sweep::lock_overdue
         SELECT FROM sweep WHERE id = $1 AND deadline <= now() AND cancelled_at IS NULL FOR UPDATE",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Locks a sweep against its feeder. Whether there is one, and whether it may still change.
pub async fn lock(conn: &mut PgConnection, id: SweepId) -> Result<Option<Standing>> {
    sqlx::query(
        "-- sweep::lock
         SELECT cancelled_at IS NOT NULL AS cancelled FROM sweep WHERE id = $1 FOR UPDATE",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(Standing {
            cancelled: row.try_get("cancelled")?,
        })
    })
    .fetch_optional(conn)
    .await
}

/// The same for the sweep of a trial, if it has one.
pub async fn lock_of(conn: &mut PgConnection, trial: TrialId) -> Result<Option<Standing>> {
    sqlx::query(
        "-- sweep::lock_of
         SELECT cancelled_at IS NOT NULL AS cancelled FROM sweep
         WHERE id = (SELECT sweep_id FROM trial WHERE id = $1) FOR UPDATE",
    )
    .bind(trial.0)
    .try_map(|row: PgRow| {
        Ok(Standing {
            cancelled: row.try_get("cancelled")?,
        })
    })
    .fetch_optional(conn)
    .await
}

/// Keeps the sweeps of leases as they are until the transaction ends: whether trials may enter the queue again depends on it.
/// Called before their trials are locked, as by whoever changes a sweep. Returns the sweeps that it keeps.
pub async fn hold(
    conn: &mut PgConnection,
    leases: &[LeaseId],
    busy: Busy,
) -> Result<HashSet<SweepId>> {
    if leases.is_empty() {
        return Ok(HashSet::new());
    }
    let skip = match busy {
        Busy::Wait => {
            // Whoever has the sweep may need one of the connections that would all wait here.
            sqlx::query(
                "-- sweep::hold
                 SET LOCAL lock_timeout = '2s'",
            )
            .execute(&mut *conn)
            .await?;
            ""
        }
        Busy::Skip => "SKIP LOCKED",
    };
    sqlx::query(AssertSqlSafe(format!(
        "-- sweep::hold
         SELECT id FROM sweep
         WHERE id IN (SELECT t.sweep_id FROM attempt a JOIN trial t ON t.id = a.trial_id WHERE a.lease_id = ANY($1))
         ORDER BY id FOR SHARE {skip}",
    )))
    .bind(leases.iter().map(|lease| lease.0).collect::<Vec<_>>())
    .try_map(|row: PgRow| Ok(SweepId(row.try_get("id")?)))
    .fetch_all(conn)
    .await
    .map(|sweeps| sweeps.into_iter().collect())
}

/// Whether somebody ended a sweep.
pub struct Standing {
    pub cancelled: bool,
}

/// Pauses a sweep or lets it go on; the first pause keeps its time.
pub async fn set_paused(conn: &mut PgConnection, id: SweepId, paused: bool) -> Result<()> {
    sqlx::query(
        "-- sweep::set_paused
         UPDATE sweep SET paused_at = CASE WHEN $2 THEN coalesce(paused_at, now()) END, open = true WHERE id = $1",
    )
    .bind(id.0)
    .bind(paused)
    .execute(conn)
    .await?;
    Ok(())
}

/// Some of its trials wait outside the queue again.
pub async fn open(conn: &mut PgConnection, id: SweepId) -> Result<()> {
    sqlx::query(
        "-- sweep::open
         UPDATE sweep SET open = true WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Opens a sweep that may have been cancelled, and forgets a deadline that has passed. A search goes on where that ended it
/// early; not under a scheduler, which was told that no more trials would come.
pub async fn reopen(conn: &mut PgConnection, id: SweepId) -> Result<()> {
    sqlx::query(
        "-- sweep::reopen
         UPDATE sweep SET open = true, paused_at = CASE WHEN cancelled_at IS NULL THEN paused_at END,
                          searching = searching OR (cancelled_at IS NOT NULL AND spec #>> '{scheduler,kind}' = 'none'
                              AND coalesce((SELECT count(*) FROM trial WHERE sweep_id = $1) < n_planned, false)),
                          cancelled_at = NULL, deadline = CASE WHEN deadline > now() THEN deadline END
         WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn set_queueing(conn: &mut PgConnection, id: SweepId, queueing: &Queueing) -> Result<()> {
    sqlx::query(
        "-- sweep::set_queueing
         UPDATE sweep SET priority = $2, weight = $3, parallel = $4, start_after = $5, deadline = $6, needs = $7,
                          open = true
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(queueing.priority)
    .bind(queueing.weight)
    .bind(queueing.parallel.map(|n| n as i32))
    .bind(queueing.start_after)
    .bind(queueing.deadline)
    .bind(queueing.needs.or_none().map(Json))
    .execute(conn)
    .await?;
    Ok(())
}

/// Cancels a sweep; the first cancellation keeps its time.
pub async fn cancel(conn: &mut PgConnection, id: SweepId) -> Result<()> {
    sqlx::query(
        "-- sweep::cancel
         UPDATE sweep SET cancelled_at = coalesce(cancelled_at, now()), paused_at = NULL, open = false, searching = false
         WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}

fn view(row: &PgRow) -> Result<SweepView> {
    let parallel: Option<i32> = row.try_get("parallel")?;
    let mut view = SweepView {
        id: SweepId(row.try_get("id")?),
        name: row.try_get("name")?,
        dataset: row.try_get("dataset")?,
        created_at: row.try_get("created_at")?,
        cancelled_at: row.try_get("cancelled_at")?,
        paused_at: row.try_get("paused_at")?,
        queueing: Queueing {
            priority: row.try_get("priority")?,
            weight: row.try_get("weight")?,
            parallel: parallel.map(|n| n as u32),
            start_after: row.try_get("start_after")?,
            deadline: row.try_get("deadline")?,
            needs: row.maybe_json("needs")?.unwrap_or_default(),
        },
        n_trials: 0,
        n_planned: 0,
        searching: row.try_get("searching")?,
        search_note: row.try_get("search_note")?,
        counts: row.json("counts")?,
        finished: false,
    };
    view.n_trials = view.counts.values().sum();
    let settled = TrialState::ALL
        .into_iter()
        .filter(|state| state.is_terminal());
    let n_settled = settled.map(|state| view.count(state)).sum::<u64>();
    view.finished = !view.searching && view.n_trials == n_settled;
    let n_planned: Option<i32> = row.try_get("n_planned")?;
    view.n_planned = match (view.searching, n_planned) {
        (true, Some(n)) => view.n_trials.max(n as u64),
        _ => view.n_trials,
    };
    Ok(view)
}
