//! Connections for what happens many times a second: tokens, claims, heartbeats, finishes.
//!
//! Pages and long lists do not keep them waiting. A pool asks Postgres after every use whether the connection is still
//! good, which costs as much as a small statement does; here the use itself tells.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a caller waits for a connection.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that was used this short a time ago is taken to be alive.
pub const RESTED: Duration = Duration::from_secs(1);
/// What a firewall has forgotten gives no answer at all.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// A few connections, opened as they are needed; cheap to clone.
#[derive(Clone)]
pub struct Hot {
    /// Opens them, and tries again while Postgres starts.
    pool: PgPool,
    places: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// The last one used is at the end.
#[derive(Default)]
struct Idle(Mutex<Vec<(PgConnection, Instant)>>);

impl Idle {
    fn lock(&self) -> MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hot {
    /// At most `n` at once.
    pub fn new(pool: PgPool, n: u32) -> Self {
        Self {
            pool,
            places: Arc::new(Semaphore::new(n as usize)),
            idle: Arc::default(),
        }
    }

    /// A connection for one use. It is closed afterwards, unless the user says [`Lent::keep`].
    ///
    /// # Errors
    /// All are in use for too long, or Postgres is out of reach.
    pub async fn lend(&self) -> sqlx::Result<Lent> {
        let place = tokio::time::timeout(PATIENCE, self.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let lent = |conn| Lent {
            conn,
            idle: self.idle.clone(),
            _place: place,
        };
        loop {
            let rested = self.idle.lock().pop();
            let Some((mut conn, since)) = rested else {
                break;
            };
            let is_alive = since.elapsed() < RESTED
                || matches!(
                    tokio::time::timeout(SIGN_OF_LIFE, conn.ping()).await,
                    Ok(Ok(()))
                );
            if is_alive {
                return Ok(lent(conn));
            }
        }
        Ok(lent(self.pool.acquire().await?.detach()))
    }

    /// Says goodbye to Postgres.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        for (conn, _) in idle {
            conn.close().await.ok();
        }
        self.pool.close().await;
    }
}

/// A connection in use.
pub struct Lent {
    conn: PgConnection,
    idle: Arc<Idle>,
    _place: OwnedSemaphorePermit,
}

impl Lent {
    /// Every answer was read and no transaction is open: the next may have it.
    pub fn keep(self) {
        self.idle.lock().push((self.conn, Instant::now()));
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}
