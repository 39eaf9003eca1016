//! Trainings that completed as they should: nearly all that end.

use std::collections::HashSet;

use cultivar_spec::wire::{Event, Finish};
use cultivar_spec::{LeaseId, Sha256Digest};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::token::is_usable;
use super::trial::Accepted;
use crate::service::scoring::Scored;

/// The accepted result of a training, as its holder sent it.
pub struct Completion<'a> {
    pub lease: LeaseId,
    /// Of whoever sent it.
    pub token: Uuid,
    pub finish: &'a Finish,
    pub accepted: &'a Accepted,
    /// What it predicted of the images held out.
    pub val: Option<&'a (Sha256Digest, Scored)>,
    pub event: Event,
}

/// Ends trainings that completed, all that this takes in one statement: of those that are as they should be, that nobody has
/// locked and whose token may be used. Returns which; of the others nothing is stored. Each lease once.
///
/// As to the words that match no index, see [`settle`](super::attempt::settle).
pub async fn complete(
    db: impl PgExecutor<'_>,
    completions: &[Completion<'_>],
) -> Result<HashSet<LeaseId>> {
    let results = || completions.iter().map(|completion| completion.accepted);
    let bytes = |digest: Option<Sha256Digest>| digest.map(|digest| digest.0.to_vec());
    let vals = || completions.iter().map(|completion| completion.val);
    let rows = sqlx::query(concat!(
        "-- completion::complete
         WITH held AS (
             SELECT a.lease_id, a.trial_id
             FROM UNNEST($1::uuid[], $12::uuid[]) AS sent (lease_id, token_id)
             JOIN token k ON k.id = sent.token_id AND ",
        is_usable!("k"),
        "
             JOIN attempt a ON a.lease_id = sent.lease_id AND a.job = 'train' AND num_nulls(a.outcome) = 1
             JOIN trial t ON t.id = a.trial_id AND t.state || '' = 'running' AND t.model_sha256 IS NULL
             FOR NO KEY UPDATE OF t, a SKIP LOCKED
         ), ended AS (
             SELECT held.trial_id, said.*
             FROM UNNEST($1::uuid[], $2::jsonb[], $3::jsonb[], $4::float8[], $5::bytea[], $6::bytea[], $7::jsonb[],
                         $8::integer[], $9::float8[], $10::bytea[], $11::jsonb[])
                 AS said (lease_id, finish, metrics, objective, model, predictions, cost, n_images, top1, correct, event)
             JOIN held ON held.lease_id = said.lease_id
         ), word AS (
             DELETE FROM trial_progress p USING held WHERE p.trial_id = held.trial_id AND p.lease_id = held.lease_id
         ), attempts AS (
             UPDATE attempt a SET outcome = 'completed', ended_at = now(), finish = ended.finish
             FROM ended WHERE a.lease_id = ended.lease_id
         ), trials AS (
             UPDATE trial t SET
                 state = 'completed', error = NULL, finished_at = now(), metrics = ended.metrics, cost = ended.cost,
                 objective = ended.objective, model_sha256 = ended.model, predictions_sha256 = ended.predictions
             FROM ended WHERE t.id = ended.trial_id
         ), scored AS (
             INSERT INTO prediction (trial_id, split, sha256, n_images, top1, correct)
             SELECT trial_id, 'val', predictions, n_images, top1, correct FROM ended WHERE n_images IS NOT NULL
             ON CONFLICT (trial_id, split) DO NOTHING
         ), told AS (
             INSERT INTO event (body) SELECT event FROM ended
         )
         SELECT lease_id FROM held",
    ))
    .bind(completions.iter().map(|completion| completion.lease.0).collect::<Vec<_>>())
    .bind(completions.iter().map(|completion| Json(completion.finish)).collect::<Vec<_>>())
    .bind(results().map(|result| Json(&result.metrics)).collect::<Vec<_>>())
    .bind(results().map(|result| result.objective).collect::<Vec<_>>())
    .bind(results().map(|result| bytes(result.model)).collect::<Vec<_>>())
    .bind(results().map(|result| bytes(result.predictions)).collect::<Vec<_>>())
    .bind(results().map(|result| &result.cost).collect::<Vec<_>>())
    .bind(vals().map(|val| val.map(|(_, scored)| scored.n_images as i32)).collect::<Vec<_>>())
    .bind(vals().map(|val| val.map(|(_, scored)| scored.top1)).collect::<Vec<_>>())
    .bind(vals().map(|val| val.map(|(_, scored)| &scored.correct)).collect::<Vec<_>>())
    .bind(super::event::bodies(completions.iter().map(|completion| &completion.event)))
    .bind(completions.iter().map(|completion| completion.token).collect::<Vec<_>>())
    .try_map(|row: PgRow| Ok(LeaseId(row.try_get("lease_id")?)))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}
