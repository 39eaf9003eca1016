//! Transactions that a client's disconnect cannot cut short.

use std::ops::DerefMut;

use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tracing::Instrument;

use crate::error::ApiError;
use crate::hot::{Hot, Lent};

/// Where connections come from, and go when a transaction has ended.
pub trait Source: Clone + Send + 'static {
    type Conn: DerefMut<Target = PgConnection> + Send;

    fn take(&self) -> impl Future<Output = sqlx::Result<Self::Conn>> + Send;

    /// Takes a connection back that is in order.
    fn keep(&self, conn: Self::Conn);
}

impl Source for PgPool {
    type Conn = PoolConnection<Postgres>;

    async fn take(&self) -> sqlx::Result<Self::Conn> {
        self.acquire().await
    }

    /// The pool takes it back by itself.
    fn keep(&self, _: Self::Conn) {}
}

impl Source for Hot {
    type Conn = Lent;

    async fn take(&self) -> sqlx::Result<Lent> {
        self.lend().await
    }

    fn keep(&self, conn: Lent) {
        conn.keep();
    }
}

/// Runs `body` in a transaction named `name` in the log, and commits if it succeeds.
///
/// The transaction runs in a task of its own: axum drops a handler when its client goes away, and a
/// `BEGIN` dropped half-way leaves the pooled connection in an unknown state.
///
/// # Errors
/// What `body` returned, after a rollback; or why the database could not begin or commit.
pub async fn run_tx<T, F>(name: &'static str, source: &impl Source, body: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, ApiError>> + Send + 'static,
{
    let source = source.clone();
    let span = tracing::debug_span!("tx", name);
    let task = async move {
        let mut conn = source.take().await?;
        let (result, is_over) = transact(&mut conn, body).await?;
        if is_over {
            source.keep(conn);
        }
        result
    };
    match tokio::spawn(task.instrument(span)).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::Internal(anyhow::anyhow!(
            "transaction {name}: {error}"
        ))),
    }
}

/// What `body` returned, and whether the transaction is over for certain.
async fn transact<T, F>(
    conn: &mut PgConnection,
    body: F,
) -> sqlx::Result<(Result<T, ApiError>, bool)>
where
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, ApiError>>,
{
    let mut tx = conn.begin().await?;
    let result = body(&mut tx).await;
    let is_over = match &result {
        Ok(_) => {
            tx.commit().await?;
            true
        }
        Err(_) => tx.rollback().await.is_ok(),
    };
    Ok((result, is_over))
}
