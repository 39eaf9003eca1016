//! The feeder: the one way from a sweep into the queue. A sweep's trials wait outside the queue while it is paused, while
//! its time has not come, and beyond the number it may have in flight.
//!
//! Sweeps of one priority share the workers by weight: each trial enters the queue with a start tag, as in start-time
//! fair queueing (Goyal, Vin and Cheng 1996, with every trial of length 1). The claim takes the smallest tag, and
//! needs to know nothing of sweeps.

use cultivar_spec::SweepId;
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::{scheduling, search};
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// Moves the trials that may be handed out now from a sweep into the queue; returns how many. Somebody else feeding
/// the same sweep is left to it.
///
/// # Errors
/// The database is out of reach.
pub async fn feed(conn: &mut PgConnection, sweep: SweepId) -> Result<u64, ApiError> {
    let Some(feeding) = store::sweep::lock_open(conn, sweep).await? else {
        return Ok(0);
    };
    if !feeding.may_begin {
        return Ok(0);
    }
    let room = match feeding.parallel {
        None => None,
        Some(parallel) => {
            let in_flight = store::queue::in_flight(conn, sweep).await?;
            Some(u64::from(parallel).saturating_sub(in_flight))
        }
    };
    if room == Some(0) {
        return Ok(0);
    }
    let front = store::queue::front(conn, feeding.priority).await?;
    let start = front.max(feeding.fair_at);
    let n_pushed = store::queue::push_waiting(conn, sweep, &feeding, start, room).await?;
    let fair_at = start + n_pushed as f64 / feeding.weight;
    let more_wait = room == Some(n_pushed);
    store::sweep::fed(conn, sweep, fair_at, more_wait).await?;
    Ok(n_pushed)
}

/// Feeds every sweep that might have room. One that cannot be fed keeps no other from it.
///
/// # Errors
/// The database is out of reach.
pub async fn feed_all(state: &AppState) -> Result<(), ApiError> {
    let mut n_fed = 0;
    for sweep in store::sweep::hungry(&state.pool).await? {
        match refill_and_feed(state, sweep).await {
            Ok(n) => n_fed += n,
            Err(error) => tracing::error!(%sweep, %error, "cannot feed the sweep"),
        }
    }
    if n_fed > 0 {
        state.queue.notify_waiters();
    }
    Ok(())
}

async fn refill_and_feed(state: &AppState, sweep: SweepId) -> Result<u64, ApiError> {
    let shared = state.clone();
    let forecasts = scheduling::forecasts(state, sweep).await;
    run_tx("feed", &state.pool, move |conn| {
        Box::pin(async move {
            search::refill(&shared, conn, sweep, &forecasts).await?;
            feed(conn, sweep).await
        })
    })
    .await
}
