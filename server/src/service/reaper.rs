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
    let mut last: Option<Look> = None;
    while tick(&state, &mut ticks).await {
        match reap_once(&state, last.take()).await {
            Ok(look) => last = Some(look),
            Err(error) => tracing::warn!(%error, "cannot look for lost leases"),
        }
    }
}

/// A round that went well.
#[derive(Clone, Copy, Debug)]
struct Look {
    began: Instant,
    ended: Instant,
    /// What the database's clock said when it began.
    now: DateTime<Utc>,
    /// By that clock: since when this replica could hear heartbeats.
    healthy_since: DateTime<Utc>,
}

impl Look {
    /// Heartbeats that met a dead database or a stopped process must not cost their senders the lease, and neither must a
    /// database whose clock was put forward: after a gap, everybody gets a whole lease to be heard again.
    fn begin(last: Option<Self>, began: Instant, now: DateTime<Utc>, lease_s: f64) -> Self {
        let is_sound = |last: &Self| {
            let gap = (began - last.ended).as_secs_f64();
            let ours = (began - last.began).as_secs_f64();
            let theirs = (now - last.now).as_seconds_f64();
            gap < lease_s / 2.0 && theirs - ours < lease_s / 4.0
        };
        let healthy_since = last
            .filter(is_sound)
            .map_or(now, |last| last.healthy_since.min(now));
        Self {
            began,
            ended: began,
            now,
            healthy_since,
        }
    }
}

async fn reap_once(state: &AppState, last: Option<Look>) -> Result<Look, ApiError> {
    let lease_s = state.config.lease_s;
    let now = store::attempt::now(&state.pool).await?;
    let look = Look::begin(last, Instant::now(), now, lease_s);
    if cfg!(feature = "broken-reaper") {
        return Ok(look);
    }
    let since = look.healthy_since;
    for lease in store::attempt::overdue(&state.pool, since, lease_s).await? {
        if end_lost(state, lease, Some(since)).await? {
            tracing::warn!(%lease, "lease lost: no heartbeat for {lease_s} s");
            let label = OutcomeLabel {
                outcome: Outcome::Lost.name(),
            };
            state.metrics.attempts_ended.get_or_create(&label).inc();
            state.queue.notify_waiters();
        }
    }
    Ok(Look {
        ended: Instant::now(),
        ..look
    })
}

/// Ends an attempt whose lease ran out, if it is still active; whether it was. Waits for whoever changes its sweep.
///
/// # Errors
/// The database is out of reach.
pub async fn lose(state: &AppState, lease: LeaseId) -> Result<bool, ApiError> {
    end_lost(state, lease, None).await
}

/// The same; where it is told since when this replica has been healthy, only if nobody has renewed the lease meanwhile or changes
/// its sweep: the next round sees to it.
async fn end_lost(
    state: &AppState,
    lease: LeaseId,
    healthy_since: Option<DateTime<Utc>>,
) -> Result<bool, ApiError> {
    let lease_s = state.config.lease_s;
    run_tx("reap", &state.pool, move |conn| {
        Box::pin(async move {
            let busy = match healthy_since {
                Some(_) => Busy::Skip,
                None => Busy::Wait,
            };
            let kept = store::sweep::hold(conn, &[lease], busy).await?;
            let held = store::attempt::lock(conn, &[lease], Busy::Wait)
                .await?
                .pop();
            let Some(held) = held.filter(|held| held.outcome.is_none()) else {
                return Ok(false);
            };
            if held.sweep.is_some_and(|sweep| !kept.contains(&sweep)) {
                return Ok(false);
            }
            if let Some(since) = healthy_since
                && !store::attempt::is_overdue(conn, lease, since, lease_s).await?
            {
                return Ok(false);
            }
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
        for done in [
            lifecycle::end_overdue(&state).await,
            scheduling::step_all(&state).await,
            feeder::feed_all(&state).await,
        ] {
            if let Err(error) = done {
                tracing::warn!(%error, "cannot feed the queue");
            }
        }
        match store::queue::has_work(&state.pool).await {
            Ok(true) => state.queue.notify_waiters(),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "cannot look at the queue"),
        }
        tokio::time::sleep(FEED_PAUSE).await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_could_not_be_heard_gets_a_whole_lease() {
        let (start, now) = (Instant::now(), Utc::now());
        let first = Look::begin(None, start, now, 30.0);
        assert_eq!(first.healthy_since, now);
        let check = |ours: u64, theirs: i64, is_sound: bool| {
            let began = start + Duration::from_secs(ours);
            let later = now + chrono::Duration::seconds(theirs);
            let look = Look::begin(Some(first), began, later, 30.0);
            let expect = if is_sound { now.min(later) } else { later };
            assert_eq!(
                look.healthy_since, expect,
                "{ours} s here, {theirs} s there"
            );
        };
        check(5, 5, true);
        check(14, 14, true);
        // This process stood still, or the database was away.
        check(16, 16, false);
        // The database's clock was put forward, or back.
        check(5, 13, false);
        check(5, 3600, false);
        check(5, -3600, true);
    }
}
