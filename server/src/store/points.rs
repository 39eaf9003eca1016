//! Metric values: stored by the batch, read by the run or by the attempt.

use std::collections::{BTreeMap, BTreeSet};

use cultivar_spec::wire::{MetricPoint, MetricSummary, SeriesPoint};
use cultivar_spec::{LeaseId, TrialId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// Values of one metric by step: their epochs and themselves.
type Values = BTreeMap<i64, (f64, f64)>;

/// Stores values; those stored before stay (I4). Rows belong to the lease, so a late one changes nothing
/// of a newer attempt's.
pub async fn insert(conn: &mut PgConnection, lease: LeaseId, points: &[MetricPoint]) -> Result<()> {
    let mut new: BTreeMap<&str, Values> = BTreeMap::new();
    for point in points {
        let values = new.entry(&point.metric).or_default();
        let step = values.entry(point.step as i64);
        step.or_insert((point.epoch, point.value));
    }
    if new.is_empty() {
        return Ok(());
    }
    // Copies of one batch go one after the other, or both would find nothing stored.
    sqlx::query(
        "-- points::one_at_a_time
         SELECT pg_advisory_xact_lock(hashtextextended('metrics of ' || $1::text, 0))",
    )
    .bind(lease.0)
    .execute(&mut *conn)
    .await?;
    let stored = insert_chunks(conn, lease, &new, Overlap::Avoid).await?;
    new.retain(|metric, _| !stored.contains(*metric));
    if new.is_empty() {
        return Ok(());
    }
    for (metric, steps) in overlapping(conn, lease, &new).await? {
        if let Some(values) = new.get_mut(metric.as_str()) {
            values.retain(|step, _| !steps.contains(step));
        }
    }
    new.retain(|_, values| !values.is_empty());
    insert_chunks(conn, lease, &new, Overlap::Allow).await?;
    Ok(())
}

/// Whether a chunk is stored whose range meets that of another: its steps may be there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overlap {
    Avoid,
    Allow,
}

/// Steps in chunks whose range meets that of new values.
async fn overlapping(
    conn: &mut PgConnection,
    lease: LeaseId,
    new: &BTreeMap<&str, Values>,
) -> Result<Vec<(String, BTreeSet<i64>)>> {
    let (metrics, firsts, lasts) = ranges(new);
    sqlx::query(
        "-- points::overlapping
         SELECT c.metric, c.steps
         FROM UNNEST($2::text[], $3::bigint[], $4::bigint[]) AS new (metric, first_step, last_step)
         JOIN metric_chunk c ON c.lease_id = $1 AND c.metric = new.metric
          AND c.last_step >= new.first_step AND c.first_step <= new.last_step",
    )
    .bind(lease.0)
    .bind(metrics)
    .bind(firsts)
    .bind(lasts)
    .try_map(|row: PgRow| {
        let steps: Vec<i64> = row.try_get("steps")?;
        Ok((row.try_get("metric")?, steps.into_iter().collect()))
    })
    .fetch_all(conn)
    .await
}

fn ranges<'m>(new: &BTreeMap<&'m str, Values>) -> (Vec<&'m str>, Vec<i64>, Vec<i64>) {
    let mut ranges = (Vec::new(), Vec::new(), Vec::new());
    for (metric, values) in new {
        if let (Some((first, _)), Some((last, _))) =
            (values.first_key_value(), values.last_key_value())
        {
            ranges.0.push(*metric);
            ranges.1.push(*first);
            ranges.2.push(*last);
        }
    }
    ranges
}

/// One row a metric; answers with the metrics that were stored. Postgres has no ragged arrays, so their values go end to end.
async fn insert_chunks(
    conn: &mut PgConnection,
    lease: LeaseId,
    new: &BTreeMap<&str, Values>,
    overlap: Overlap,
) -> Result<BTreeSet<String>> {
    let (metrics, firsts, lasts) = ranges(new);
    let finite = |values: &Values| -> Vec<f64> {
        let values = values.values().map(|(_, value)| *value);
        values.filter(|value| value.is_finite()).collect()
    };
    let finite: Vec<Vec<f64>> = new.values().map(finite).collect();
    let lowest: Vec<_> = finite
        .iter()
        .map(|all| all.iter().copied().reduce(f64::min))
        .collect();
    let highest: Vec<_> = finite
        .iter()
        .map(|all| all.iter().copied().reduce(f64::max))
        .collect();
    let mut ends = Vec::with_capacity(new.len());
    let (mut steps, mut epochs, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for of_metric in new.values() {
        for (step, (epoch, value)) in of_metric {
            steps.push(*step);
            epochs.push(*epoch);
            values.push(*value);
        }
        ends.push(steps.len() as i32);
    }
    let begins: Vec<_> = std::iter::once(1)
        .chain(ends.iter().map(|end| end + 1))
        .take(ends.len())
        .collect();
    sqlx::query(
        "-- points::insert
         INSERT INTO metric_chunk (lease_id, metric, first_step, last_step, lowest, highest, steps, epochs, values)
         SELECT $1, metric, first_step, last_step, lowest, highest,
                ($9::bigint[])[begins:ends], ($10::float8[])[begins:ends], ($11::float8[])[begins:ends]
         FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::float8[], $6::float8[], $7::integer[], $8::integer[])
              AS new (metric, first_step, last_step, lowest, highest, begins, ends)
         WHERE $12 OR NOT EXISTS (
             SELECT FROM metric_chunk c
             WHERE c.lease_id = $1 AND c.metric = new.metric
               AND c.last_step >= new.first_step AND c.first_step <= new.last_step)
         RETURNING metric",
    )
    .bind(lease.0)
    .bind(metrics)
    .bind(firsts)
    .bind(lasts)
    .bind(lowest)
    .bind(highest)
    .bind(begins)
    .bind(ends)
    .bind(steps)
    .bind(epochs)
    .bind(values)
    .bind(overlap == Overlap::Allow)
    .try_map(|row: PgRow| row.try_get("metric"))
    .fetch_all(conn)
    .await
    .map(|stored| stored.into_iter().collect())
}

/// The attempts of trial `$1` that trained, each with the step up to which its values stand: where a later one resumed from
/// a checkpoint, what was done beyond it was done again.
macro_rules! with_run {
    ($rest:literal) => {
        concat!(
            "WITH run AS (
                 SELECT lease_id, epoch AS attempt, min(resumed_from_step) OVER (
                            ORDER BY epoch ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS redone_after
                 FROM attempt WHERE trial_id = $1 AND job = 'train'
             ) ",
            $rest
        )
    };
}

/// A metric over the run, or all that one attempt said of it, whether or not that was done again.
pub async fn read(
    db: impl PgExecutor<'_>,
    trial: TrialId,
    metric: &str,
    attempt: Option<u64>,
) -> Result<Vec<SeriesPoint>> {
    sqlx::query(concat!("-- points::read
", with_run!(
        "SELECT DISTINCT ON (m.step) m.step, m.epoch, m.value
         FROM run CROSS JOIN LATERAL metric_values(run.lease_id) m
         WHERE m.metric = $2
           AND CASE WHEN $3::bigint IS NULL THEN run.redone_after IS NULL OR m.step <= run.redone_after
                    ELSE run.attempt = $3 END
         ORDER BY m.step, run.attempt"
    )))
    .bind(trial.0)
    .bind(metric)
    .bind(attempt.map(|attempt| attempt as i64))
    .try_map(point)
    .fetch_all(db)
    .await
}

fn point(row: PgRow) -> Result<SeriesPoint> {
    Ok(SeriesPoint {
        step: row.count("step")?,
        epoch: row.try_get("epoch")?,
        value: row.try_get("value")?,
    })
}

/// What each metric came to over the run. Chunks that stand as a whole give what they keep of themselves.
pub async fn summaries(db: impl PgExecutor<'_>, trial: TrialId) -> Result<Vec<MetricSummary>> {
    sqlx::query(concat!("-- points::summaries
", with_run!(
        ", part AS (
             SELECT c.metric, c.last_step AS step, c.epochs[cardinality(c.epochs)] AS epoch,
                    c.values[cardinality(c.values)] AS value, c.lowest, c.highest
             FROM run JOIN metric_chunk c ON c.lease_id = run.lease_id
             WHERE run.redone_after IS NULL OR c.last_step <= run.redone_after
             UNION ALL
             SELECT c.metric, v.step, v.epoch, v.value, finite.value, finite.value
             FROM run JOIN metric_chunk c ON c.lease_id = run.lease_id
             CROSS JOIN LATERAL unnest(c.steps, c.epochs, c.values) AS v (step, epoch, value)
             CROSS JOIN LATERAL (SELECT CASE WHEN v.value NOT IN ('NaN', 'Infinity', '-Infinity') THEN v.value END) AS finite (value)
             WHERE c.last_step > run.redone_after AND v.step <= run.redone_after
             UNION ALL
             SELECT p.metric, p.step, p.epoch, p.value, finite.value, finite.value
             FROM run JOIN metric_point p ON p.lease_id = run.lease_id
             CROSS JOIN LATERAL (SELECT CASE WHEN p.value NOT IN ('NaN', 'Infinity', '-Infinity') THEN p.value END) AS finite (value)
             WHERE run.redone_after IS NULL OR p.step <= run.redone_after
         ), extreme AS (
             SELECT metric, min(lowest) AS lowest, max(highest) AS highest FROM part GROUP BY metric
         )
         SELECT DISTINCT ON (part.metric) part.metric, part.step, part.epoch, part.value, extreme.lowest, extreme.highest
         FROM part JOIN extreme ON extreme.metric = part.metric
         ORDER BY part.metric, part.step DESC"
    )))
    .bind(trial.0)
    .try_map(|row: PgRow| {
        Ok(MetricSummary {
            metric: row.try_get("metric")?,
            lowest: row.try_get("lowest")?,
            highest: row.try_get("highest")?,
            last: point(row)?,
        })
    })
    .fetch_all(db)
    .await
}
