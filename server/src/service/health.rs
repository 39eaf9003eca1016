//! Whether this replica can do its work, and the figures it shows.

use crate::error::ApiError;
use crate::metrics::StateLabel;
use crate::state::AppState;
use crate::store;

/// Looks whether database and blob store answer.
///
/// # Errors
/// One of them does not.
pub async fn check(state: &AppState) -> Result<(), ApiError> {
    store::health::ping(&state.pool).await?;
    state.blobs.probe().await.map_err(|error| {
        tracing::warn!(%error, "the blob store cannot be written");
        ApiError::Unavailable("the blob store cannot be written".into())
    })
}

/// The Prometheus page, gauges read afresh.
///
/// # Errors
/// The database is out of reach.
pub async fn metrics(state: &AppState) -> Result<String, ApiError> {
    state
        .metrics
        .queue_depth
        .set(store::health::queue_depth(&state.pool).await?);
    let unsettled = store::health::unsettled(&state.pool).await?;
    state.metrics.unsettled_trials.clear();
    for (name, n_trials) in unsettled {
        state
            .metrics
            .unsettled_trials
            .get_or_create(&StateLabel { state: name })
            .set(n_trials);
    }
    Ok(state.metrics.render())
}
