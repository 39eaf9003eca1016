//! Evaluations of finished trials on a held-out split.

use std::collections::BTreeMap;

use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{EvaluationView, NewEvaluation};
use cultivar_spec::{Sha256Digest, TrialId, TrialState};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// What [`view`] reads, by name: see `sweep::list`.
macro_rules! columns {
    () => {
        "split, state, reason, metrics, predictions_sha256, requested_at, finished_at, error"
    };
}

pub async fn of_trial(db: impl PgExecutor<'_>, trial: TrialId) -> Result<Vec<EvaluationView>> {
    sqlx::query(concat!(
        "-- evaluation::of_trial
         SELECT ",
        columns!(),
        " FROM evaluation WHERE trial_id = $1 ORDER BY split",
    ))
    .bind(trial.0)
    .try_map(|row: PgRow| view(&row))
    .fetch_all(db)
    .await
}

pub async fn find(
    db: impl PgExecutor<'_>,
    trial: TrialId,
    split: Split,
) -> Result<Option<EvaluationView>> {
    sqlx::query(concat!(
        "-- evaluation::find
         SELECT ",
        columns!(),
        " FROM evaluation WHERE trial_id = $1 AND split = $2",
    ))
    .bind(trial.0)
    .bind(split.name())
    .try_map(|row: PgRow| view(&row))
    .fetch_optional(db)
    .await
}

fn view(row: &PgRow) -> Result<EvaluationView> {
    Ok(EvaluationView {
        split: row.word("split")?,
        state: row.word("state")?,
        reason: row.try_get("reason")?,
        metrics: row.json("metrics")?,
        predictions: row.maybe_digest("predictions_sha256")?,
        requested_at: row.try_get("requested_at")?,
        finished_at: row.try_get("finished_at")?,
        error: row.try_get("error")?,
    })
}

/// Opens an evaluation, or one that failed again.
pub async fn open(conn: &mut PgConnection, trial: TrialId, new: &NewEvaluation) -> Result<()> {
    sqlx::query(
        "-- evaluation::open
         INSERT INTO evaluation (trial_id, split, state, reason) VALUES ($1, $2, 'queued', $3)
         ON CONFLICT (trial_id, split) DO UPDATE
         SET state = 'queued', reason = excluded.reason, error = NULL, finished_at = NULL, requested_at = now()",
    )
    .bind(trial.0)
    .bind(new.split.name())
    .bind(&new.reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts one opening of a test split.
pub async fn count_test_access(
    conn: &mut PgConnection,
    dataset: &str,
    trial: TrialId,
    reason: &str,
) -> Result<()> {
    sqlx::query(
        "-- evaluation::count_test_access
         INSERT INTO test_access (dataset, trial_id, reason) VALUES ($1, $2, $3)",
    )
    .bind(dataset)
    .bind(trial.0)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves an evaluation on after an attempt.
pub async fn set_state(
    conn: &mut PgConnection,
    trial: TrialId,
    split: Split,
    state: TrialState,
    error: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "-- evaluation::set_state
         UPDATE evaluation SET state = $3, error = $4, finished_at = CASE WHEN $5 THEN now() END
         WHERE trial_id = $1 AND split = $2",
    )
    .bind(trial.0)
    .bind(split.name())
    .bind(state.name())
    .bind(error)
    .bind(state.is_terminal())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the accepted result.
pub async fn accept(
    conn: &mut PgConnection,
    trial: TrialId,
    split: Split,
    metrics: &BTreeMap<String, f64>,
    predictions: &Sha256Digest,
) -> Result<()> {
    sqlx::query(
        "-- evaluation::accept
         UPDATE evaluation SET metrics = $3, predictions_sha256 = $4 WHERE trial_id = $1 AND split = $2",
    )
    .bind(trial.0)
    .bind(split.name())
    .bind(Json(metrics))
    .bind(&predictions.0[..])
    .execute(conn)
    .await?;
    Ok(())
}
