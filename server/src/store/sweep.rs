//! Sweeps.

use cultivar_spec::wire::{SweepDetail, SweepView};
use cultivar_spec::{SweepId, SweepSpec, TrialState};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// Sweeps listed at most.
const MAX_LISTED: i64 = 200;

pub async fn insert(
    conn: &mut PgConnection,
    id: SweepId,
    dataset: &str,
    spec: &SweepSpec,
) -> Result<()> {
    sqlx::query(
        "-- sweep::insert
         INSERT INTO sweep (id, name, dataset, spec) VALUES ($1, $2, $3, $4)",
    )
    .bind(id.0)
    .bind(&spec.name)
    .bind(dataset)
    .bind(Json(spec))
    .execute(conn)
    .await?;
    Ok(())
}

/// Newest first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<SweepView>> {
    sqlx::query(
        "-- sweep::list
         SELECT s.id, s.name, s.dataset, s.created_at, s.cancelled_at, c.counts
         FROM (SELECT * FROM sweep ORDER BY id DESC LIMIT $1) s
         CROSS JOIN LATERAL (
             SELECT coalesce(jsonb_object_agg(state, n), '{}') AS counts
             FROM (SELECT state, count(*) AS n FROM trial WHERE sweep_id = s.id GROUP BY state) AS by_state
         ) c
         ORDER BY s.id DESC",
    )
    .bind(MAX_LISTED)
    .try_map(|row: PgRow| view(&row))
    .fetch_all(db)
    .await
}

pub async fn detail(db: impl PgExecutor<'_>, id: SweepId) -> Result<Option<SweepDetail>> {
    sqlx::query(
        "-- sweep::detail
         SELECT s.id, s.name, s.dataset, s.created_at, s.cancelled_at, s.spec, c.counts
         FROM sweep s
         CROSS JOIN LATERAL (
             SELECT coalesce(jsonb_object_agg(state, n), '{}') AS counts
             FROM (SELECT state, count(*) AS n FROM trial WHERE sweep_id = s.id GROUP BY state) AS by_state
         ) c
         WHERE s.id = $1",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(SweepDetail {
            sweep: view(&row)?,
            spec: row.json("spec")?,
        })
    })
    .fetch_optional(db)
    .await
}

/// Whether there is such a sweep; the first cancellation keeps its time.
pub async fn cancel(conn: &mut PgConnection, id: SweepId) -> Result<bool> {
    let done = sqlx::query(
        "-- sweep::cancel
         UPDATE sweep SET cancelled_at = coalesce(cancelled_at, now()) WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn view(row: &PgRow) -> Result<SweepView> {
    let mut view = SweepView {
        id: SweepId(row.try_get("id")?),
        name: row.try_get("name")?,
        dataset: row.try_get("dataset")?,
        created_at: row.try_get("created_at")?,
        cancelled_at: row.try_get("cancelled_at")?,
        n_trials: 0,
        counts: row.json("counts")?,
        finished: false,
    };
    view.n_trials = view.counts.values().sum();
    let settled = TrialState::ALL
        .into_iter()
        .filter(|state| state.is_terminal());
    view.finished = view.n_trials == settled.map(|state| view.count(state)).sum::<u64>();
    Ok(view)
}
