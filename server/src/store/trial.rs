//! Trials: the cold table of everything ever submitted.

use std::collections::{BTreeMap, HashMap, HashSet};

use cultivar_spec::queueing::Needs;
use cultivar_spec::trial::Weights;
use cultivar_spec::wire::{AttemptView, TrialDetail, TrialView};
use cultivar_spec::{LeaseId, Sha256Digest, SweepId, TrialId, TrialSpec, TrialState, WorkerId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// A trial about to be queued.
pub struct NewRow {
    pub id: TrialId,
    pub sweep: Option<SweepId>,
    /// The sampler's proposal it comes from.
    pub proposal: Option<u32>,
    pub config_id: Sha256Digest,
    pub label: String,
    /// None of an external trial.
    pub version: Option<Sha256Digest>,
    pub spec: TrialSpec,
    /// Of a trial by itself: what a machine must have to be handed it.
    pub needs: Option<Needs>,
}

/// Which trials to list.
#[derive(Default)]
pub struct Filter {
    pub id: Option<TrialId>,
    pub sweep: Option<SweepId>,
    pub state: Option<TrialState>,
    pub dataset: Option<String>,
    pub after: Option<TrialId>,
    pub limit: i64,
}

/// The weights that a trial starts from, where they are kept here: a file of the worker's own is not.
pub fn kept_weights(spec: &TrialSpec) -> Option<Sha256Digest> {
    let is_here = !matches!(spec.backbone.weights, Weights::File(_));
    spec.backbone.weights_sha256.filter(|_| is_here)
}

/// Rows inserted by one statement.
const CHUNK: usize = 2000;

/// Inserts trials as `queued`; their jobs are queued apart.
pub async fn insert(conn: &mut PgConnection, rows: &[NewRow]) -> Result<()> {
    let weights = rows.iter().filter_map(|row| kept_weights(&row.spec));
    let weights: Vec<_> = weights.collect::<HashSet<_>>().into_iter().collect();
    super::artifact::pin(conn, &weights, "trials").await?;
    for rows in rows.chunks(CHUNK) {
        sqlx::query(
            "-- trial::insert
             INSERT INTO trial (id, sweep_id, config_id, seed, label, dataset, dataset_version, spec, spec_version, state, proposal, needs)
             SELECT id, sweep_id, config_id, seed, label, dataset, version, spec, 1, 'queued', proposal, needs
             FROM UNNEST($1::uuid[], $2::uuid[], $3::bytea[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::jsonb[],
                         $9::integer[], $10::jsonb[])
                  AS new (id, sweep_id, config_id, seed, label, dataset, version, spec, proposal, needs)",
        )
        .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.sweep.map(|id| id.0)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.config_id.0.to_vec()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.spec.fit.seed as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.label.clone()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.spec.data.dataset.clone()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version.map(|version| version.0.to_vec())).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| Json(&row.spec)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.proposal.map(|n| n as i32)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.needs.as_ref().map(Json)).collect::<Vec<_>>())
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// A page of trials, oldest first.
pub async fn list(db: impl PgExecutor<'_>, filter: &Filter) -> Result<Vec<TrialView>> {
    let mut query = QueryBuilder::<Postgres>::new(
        "-- trial::list
         SELECT t.id, t.sweep_id, t.config_id, t.state, t.label, t.dataset, t.seed, t.created_at, t.started_at,
                t.finished_at, t.metrics, t.error, p.progress,
                (SELECT count(*) FROM attempt a WHERE a.trial_id = t.id AND a.job = 'train') AS n_attempts
         FROM trial t LEFT JOIN trial_progress p ON p.trial_id = t.id
         WHERE true",
    );
    if let Some(id) = filter.id {
        query.push(" AND t.id = ").push_bind(id.0);
    }
    if let Some(sweep) = filter.sweep {
        query.push(" AND t.sweep_id = ").push_bind(sweep.0);
    }
    if let Some(state) = filter.state {
        query.push(" AND t.state = ").push_bind(state.name());
    }
    if let Some(dataset) = &filter.dataset {
        query.push(" AND t.dataset = ").push_bind(dataset);
    }
    if let Some(after) = filter.after {
        query.push(" AND t.id > ").push_bind(after.0);
    }
    query.push(" ORDER BY t.id LIMIT ").push_bind(filter.limit);
    query
        .build()
        .try_map(|row: PgRow| view(&row))
        .fetch_all(db)
        .await
}

pub async fn find(db: impl PgExecutor<'_>, id: TrialId) -> Result<Option<TrialView>> {
    let filter = Filter {
        id: Some(id),
        limit: 1,
        ..Filter::default()
    };
    Ok(list(db, &filter).await?.pop())
}

fn view(row: &PgRow) -> Result<TrialView> {
    let sweep: Option<Uuid> = row.try_get("sweep_id")?;
    Ok(TrialView {
        id: TrialId(row.try_get("id")?),
        sweep: sweep.map(SweepId),
        config_id: row.digest("config_id")?,
        state: row.word("state")?,
        label: row.try_get("label")?,
        dataset: row.try_get("dataset")?,
        seed: row.count("seed")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        n_attempts: row.count("n_attempts")? as u32,
        progress: row.maybe_json("progress")?,
        metrics: row.json("metrics")?,
        error: row.try_get("error")?,
    })
}

/// A trial with everything known of it.
pub async fn detail(conn: &mut PgConnection, id: TrialId) -> Result<Option<TrialDetail>> {
    let Some(trial) = find(&mut *conn, id).await? else {
        return Ok(None);
    };
    let attempts = attempts(&mut *conn, id).await?;
    let evaluations = super::evaluation::of_trial(&mut *conn, id).await?;
    let row = sqlx::query(
        "-- trial::detail
         SELECT spec, model_sha256, predictions_sha256, cost FROM trial WHERE id = $1",
    )
    .bind(id.0)
    .fetch_one(conn)
    .await?;
    Ok(Some(TrialDetail {
        trial,
        spec: row.json("spec")?,
        attempts,
        evaluations,
        model: row.maybe_digest("model_sha256")?,
        predictions: row.maybe_digest("predictions_sha256")?,
        cost: row.maybe_json("cost")?,
    }))
}

async fn attempts(db: impl PgExecutor<'_>, id: TrialId) -> Result<Vec<AttemptView>> {
    sqlx::query(
        "-- trial::attempts
         SELECT a.lease_id, a.job, a.epoch, a.worker_id, w.name AS worker_name, a.claimed_at, a.ended_at, a.outcome,
                a.error, a.resumed_from_step, a.checkpoint_step
         FROM attempt a JOIN worker w ON w.id = a.worker_id
         WHERE a.trial_id = $1 ORDER BY a.epoch",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(AttemptView {
            lease: LeaseId(row.try_get("lease_id")?),
            job: row.word("job")?,
            epoch: row.count("epoch")?,
            worker: WorkerId(row.try_get("worker_id")?),
            worker_name: row.try_get("worker_name")?,
            claimed_at: row.try_get("claimed_at")?,
            ended_at: row.try_get("ended_at")?,
            outcome: row.maybe_word("outcome")?,
            error: row.try_get("error")?,
            resumed_from_step: row.count("resumed_from_step")?,
            checkpoint_step: row.maybe_count("checkpoint_step")?,
        })
    })
    .fetch_all(db)
    .await
}

/// The resolved spec of a trial and its final model.
pub async fn spec_and_model(
    db: impl PgExecutor<'_>,
    id: TrialId,
) -> Result<Option<(TrialSpec, Option<Sha256Digest>)>> {
    sqlx::query(
        "-- trial::spec_and_model
         SELECT spec, model_sha256 FROM trial WHERE id = $1",
    )
    .bind(id.0)
    .try_map(|row: PgRow| Ok((row.json("spec")?, row.maybe_digest("model_sha256")?)))
    .fetch_optional(db)
    .await
}

/// Specs of trials, as stored.
pub async fn specs(db: impl PgExecutor<'_>, ids: &[TrialId]) -> Result<HashMap<TrialId, Value>> {
    sqlx::query(
        "-- trial::specs
         SELECT id, spec FROM trial WHERE id = ANY($1)",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .try_map(|row: PgRow| Ok((TrialId(row.try_get("id")?), row.json("spec")?)))
    .fetch_all(db)
    .await
    .map(|specs| specs.into_iter().collect())
}

/// Locks completed and pruned trials of sweeps that are not among the best `keep_best` of theirs, pruned ones last, and still
/// have a model or a checkpoint. Those that somebody else holds are left for the next time.
pub async fn lock_beyond_best(conn: &mut PgConnection, keep_best: u32) -> Result<Vec<TrialId>> {
    sqlx::query(
        "-- trial::lock_beyond_best
         SELECT t.id FROM trial t JOIN (
             SELECT id, row_number() OVER (
                 PARTITION BY sweep_id
                 ORDER BY state = 'pruned', objective * CASE spec #>> '{objective,direction}' WHEN 'minimize' THEN 1 ELSE -1 END NULLS LAST, id
             ) AS place
             FROM trial WHERE sweep_id IS NOT NULL AND state IN ('completed', 'pruned')
         ) ranked ON ranked.id = t.id
         WHERE ranked.place > $1 AND (t.model_sha256 IS NOT NULL OR t.checkpoint_sha256 IS NOT NULL)
         LIMIT 1000 FOR UPDATE OF t SKIP LOCKED",
    )
    .bind(i64::from(keep_best))
    .try_map(|row: PgRow| Ok(TrialId(row.try_get("id")?)))
    .fetch_all(conn)
    .await
}

/// Forgets model and checkpoint of locked trials, but for those that are being evaluated. How many there were.
pub async fn forget_models(conn: &mut PgConnection, ids: &[TrialId]) -> Result<u64> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let done = sqlx::query(
        "-- trial::forget_models
         UPDATE trial SET model_sha256 = NULL, checkpoint_sha256 = NULL, checkpoint_epoch = NULL, checkpoint_step = NULL
         WHERE id = ANY($1) AND NOT EXISTS (
             SELECT FROM evaluation e WHERE e.trial_id = trial.id AND e.state IN ('queued', 'running'))",
    )
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// What an accepted training result sets.
pub struct Accepted {
    /// Final values by name, finite ones only.
    pub metrics: BTreeMap<String, f64>,
    pub objective: Option<f64>,
    /// None of an external trial.
    pub model: Option<Sha256Digest>,
    pub predictions: Option<Sha256Digest>,
    pub cost: serde_json::Value,
}

/// Moves a trial on after an attempt. `error` is why the attempt failed, if it did.
pub async fn set_state(
    conn: &mut PgConnection,
    id: TrialId,
    state: TrialState,
    error: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "-- trial::set_state
         UPDATE trial SET state = $2, error = $3, finished_at = CASE WHEN $4 THEN now() END WHERE id = $1",
    )
    .bind(id.0)
    .bind(state.name())
    .bind(error)
    .bind(state.is_terminal())
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives pruned trials what they last reported of each metric, and as objective the last one their scheduler heard.
pub async fn keep_metrics(conn: &mut PgConnection, ids: &[TrialId]) -> Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query(
        "-- trial::keep_metrics
         UPDATE trial t SET
             metrics = coalesce((
                 SELECT jsonb_object_agg(metric, value) FROM (
                     SELECT DISTINCT ON (p.metric) p.metric, p.value
                     FROM attempt a CROSS JOIN LATERAL metric_values(a.lease_id) p
                     WHERE a.trial_id = t.id AND a.job = 'train' AND p.value NOT IN ('NaN', 'Infinity', '-Infinity')
                     ORDER BY p.metric, p.step DESC, a.epoch DESC
                 ) AS last
             ), '{}'),
             objective = (
                 SELECT r.value FROM epoch_report r
                 WHERE r.trial_id = t.id AND r.value NOT IN ('NaN', 'Infinity', '-Infinity')
                 ORDER BY r.epoch DESC LIMIT 1
             )
         WHERE t.id = ANY($1)",
    )
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Names the checkpoint the next attempt goes on from; never an older one.
pub async fn set_checkpoint(
    conn: &mut PgConnection,
    id: TrialId,
    checkpoint: &cultivar_spec::wire::CheckpointRef,
) -> Result<()> {
    sqlx::query(
        "-- trial::set_checkpoint
         UPDATE trial SET checkpoint_sha256 = $2, checkpoint_epoch = $3, checkpoint_step = $4, checkpoint_spec = NULL
         WHERE id = $1 AND coalesce(checkpoint_step, -1) <= $4",
    )
    .bind(id.0)
    .bind(&checkpoint.sha256.0[..])
    .bind(checkpoint.epoch as i32)
    .bind(checkpoint.step as i64)
    .execute(conn)
    .await?;
    Ok(())
}
