//! Transactions that a client's disconnect cannot cut short.

use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use tracing::Instrument;

use crate::error::ApiError;

/// Runs `body` in a transaction named `name` in the log, and commits if it succeeds.
///
/// The transaction runs in a task of its own: axum drops a handler when its client goes away, and a
/// `BEGIN` dropped half-way leaves the pooled connection in an unknown state.
///
/// # Errors
/// What `body` returned, after a rollback; or why the database could not begin or commit.
pub async fn run_tx<T, F>(name: &'static str, pool: &PgPool, body: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, ApiError>> + Send + 'static,
{
    let pool = pool.clone();
    let span = tracing::debug_span!("tx", name);
    let task = async move {
        let mut tx = pool.begin().await?;
        let value = body(&mut tx).await?;
        tx.commit().await?;
        Ok(value)
    };
    match tokio::spawn(task.instrument(span)).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::Internal(anyhow::anyhow!(
            "transaction {name}: {error}"
        ))),
    }
}
