//! Metrics over a run, thinned to what a chart can show.

use cultivar_spec::TrialId;
use cultivar_spec::wire::{MetricSummaries, Series, SeriesPoint};

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

/// A metric of a trial in at most about `n_points` points: over the run, or of one attempt alone.
///
/// # Errors
/// There is no such trial. A metric nobody reported is an empty series.
pub async fn read(
    state: &AppState,
    trial: TrialId,
    metric: &str,
    attempt: Option<u64>,
    n_points: usize,
) -> Result<Series, ApiError> {
    let points = store::points::read(&state.pool, trial, metric, attempt).await?;
    if points.is_empty() {
        must_exist(state, trial).await?;
    }
    Ok(Series {
        metric: metric.to_owned(),
        points: thin(points, n_points),
    })
}

/// What each metric of a trial came to so far.
///
/// # Errors
/// There is no such trial.
pub async fn summaries(state: &AppState, trial: TrialId) -> Result<MetricSummaries, ApiError> {
    let metrics = store::points::summaries(&state.pool, trial).await?;
    if metrics.is_empty() {
        must_exist(state, trial).await?;
    }
    Ok(MetricSummaries { metrics })
}

async fn must_exist(state: &AppState, trial: TrialId) -> Result<(), ApiError> {
    match store::trial::find(&state.pool, trial).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::no_such("trial", trial)),
    }
}

/// Keeps the first point, the last, and of each bucket between them the lowest and the highest, so that
/// no spike vanishes.
fn thin(points: Vec<SeriesPoint>, n_points: usize) -> Vec<SeriesPoint> {
    if points.len() <= n_points || points.len() < 3 {
        return points;
    }
    let inner = &points[1..points.len() - 1];
    let n_buckets = (n_points.saturating_sub(2) / 2).max(1);
    let bucket_len = inner.len().div_ceil(n_buckets);
    let mut kept = vec![points[0].clone()];
    for bucket in inner.chunks(bucket_len) {
        let by_value = |a: &&SeriesPoint, b: &&SeriesPoint| a.value.total_cmp(&b.value);
        let lowest = bucket
            .iter()
            .min_by(by_value)
            .expect("chunks are not empty");
        let highest = bucket
            .iter()
            .max_by(by_value)
            .expect("chunks are not empty");
        let (first, second) = match lowest.step <= highest.step {
            true => (lowest, highest),
            false => (highest, lowest),
        };
        kept.push(first.clone());
        if second.step != first.step {
            kept.push(second.clone());
        }
    }
    kept.push(points[points.len() - 1].clone());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64, value: f64) -> SeriesPoint {
        SeriesPoint {
            step,
            epoch: step as f64,
            value,
        }
    }

    #[test]
    fn thinning_keeps_ends_order_and_spikes() {
        let mut points: Vec<_> = (0..10_000).map(|step| point(step, 0.0)).collect();
        points[4321].value = 9.0;
        points[4322].value = f64::NAN;
        let thinned = thin(points, 100);
        assert!(thinned.len() <= 100);
        assert_eq!(
            (thinned[0].step, thinned[thinned.len() - 1].step),
            (0, 9_999)
        );
        assert!(thinned.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert!(thinned.iter().any(|point| point.value.is_nan()));
    }

    #[test]
    fn a_short_series_is_left_alone() {
        let points = vec![point(0, 1.0), point(1, 2.0)];
        assert_eq!(thin(points, 2).len(), 2);
    }
}
