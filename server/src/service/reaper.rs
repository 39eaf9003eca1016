//! The loops behind every replica: lost leases, waiting claims, old events. Safe beside other replicas'.

use std::time::Duration;

use chrono::{DateTime, Utc};
use cultivar_spec::{LeaseId, Outcome};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::error::ApiError;
use crate::metrics::OutcomeLabel;
use crate::service::{feeder, lifecycle, scheduling, settle};
use crate::state::AppState;
use crate::store;
use crate::store::attempt::{Busy, Ending};
use crate::tx::run_tx;

/// The shortest time between two looks at the queue: what many finishes ask for in between is done by one.
const FEED_PAUSE: Duration = Duration::from_millis(50);
/// How often the queue is looked at for work that another replica queued, or whose wait is over.
const QUEUE_POLL: Duration = Duration::from_millis(500);
/// How often old events are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Settles attempts whose lease ran out, until shutdown.
pub async fn reap_lost(state: AppState) {
    let lease_s = state.config.lease_s;
    let mut ticks = interval(Duration::from_secs_f64((lease_s / 4.0).clamp(0.02, 5.0)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_good: Option<(Instant, DateTime<Utc>)> = None;
    while tick(&state, &mut ticks).await {
        // Heartbeats that met a dead database or a stopped process must not cost their senders the lease:
        // after a gap, everybody gets a whole lease to be heard again.
        let healthy_since = match last_good {
            Some((at, since)) if at.elapsed().as_secs_f64() < lease_s / 2.0 => Some(since),
            _ => None,
        };
        match reap_once(&state, healthy_since).await {
            Ok(since) => last_good = Some((Instant::now(), since)),
            Err(error) => {
                tracing::warn!(%error, "cannot look for lost leases");
                last_good = None;
            }
        }
    }
}

/// One round; returns since when this replica has been healthy.
async fn reap_once(
    state: &AppState,
    healthy_since: Option<DateTime<Utc>>,
) -> Result<DateTime<Utc>, ApiError> {
    let since = match healthy_since {
        Some(since) => since,
        None => store::attempt::now(&state.pool).await?,
    };
    if cfg!(feature = "broken-reaper") {
        return Ok(since);
    }
    let lease_s = state.config.lease_s;
    for lease in store::attempt::overdue(&state.pool, since, lease_s).await? {
        if lose(state, lease).await? {
            tracing::warn!(%lease, "lease lost: no heartbeat for {lease_s} s");
            let label = OutcomeLabel {
                outcome: Outcome::Lost.name(),
            };
            state.metrics.attempts_ended.get_or_create(&label).inc();
            state.queue.notify_waiters();
        }
    }
    Ok(since)
}

/// Ends an attempt whose lease ran out, if it is still active; whether it was.
///
/// # Errors
/// The database is out of reach.
pub async fn lose(state: &AppState, lease: LeaseId) -> Result<bool, ApiError> {
    let lease_s = state.config.lease_s;
    run_tx("reap", &state.pool, move |conn| {
        Box::pin(async move {
            let held = store::attempt::lock(conn, &[lease], Busy::Wait)
                .await?
                .pop();
            let Some(held) = held.filter(|held| held.outcome.is_none()) else {
                return Ok(false);
            };
            let error = format!("the worker was not heard of for {lease_s} s");
            let ending = Ending {
                held: &held,
                outcome: Outcome::Lost,
                error: Some(&error),
                finish: None,
                accepted: None,
            };
            settle::settle(conn, &[ending]).await?;
            Ok(true)
        })
    })
    .await
}

/// Feeds sweeps that have room, ends those whose time is over, and wakes waiting claims when there is work, until
/// shutdown.
pub async fn watch_queue(state: AppState) {
    let mut ticks = interval(QUEUE_POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.feeder.notified() => {}
            () = state.shutdown.cancelled() => return,
        }
        if let Err(error) = feed(&state).await {
            tracing::warn!(%error, "cannot feed the queue");
        }
        match store::queue::has_work(&state.pool).await {
            Ok(true) => state.queue.notify_waiters(),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "cannot look at the queue"),
        }
        tokio::time::sleep(FEED_PAUSE).await;
    }
}

async fn feed(state: &AppState) -> Result<(), ApiError> {
    lifecycle::end_overdue(state).await?;
    scheduling::step_all(state).await?;
    feeder::feed_all(state).await
}

/// Removes old events and answers, until shutdown.
pub async fn prune(state: AppState) {
    let mut ticks = interval(PRUNE_EVERY);
    while tick(&state, &mut ticks).await {
        if let Err(error) = store::event::prune(&state.pool).await {
            tracing::warn!(%error, "cannot remove old events");
        }
    }
}

/// Waits for the next tick; false at shutdown.
async fn tick(state: &AppState, ticks: &mut tokio::time::Interval) -> bool {
    tokio::select! {
        _ = ticks.tick() => true,
        () = state.shutdown.cancelled() => false,
    }
}
