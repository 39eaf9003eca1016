//! Heartbeats: a worker says which leases it holds, and hears what to do with each.

use std::collections::{BTreeMap, BTreeSet};

use cultivar_spec::wire::{Heartbeat, HeartbeatReply, Order};
use cultivar_spec::{LeaseId, WorkerId};

use crate::error::ApiError;
use crate::service::combine::Combiner;
use crate::service::fence::{self, Standing};
use crate::state::AppState;
use crate::store;
use crate::store::attempt::Busy;
use crate::tx::run_tx;

/// Where heartbeats wait to be written together: a fleet of ten thousand sends two thousand a second.
pub type Pulse = Combiner<Heartbeat, HeartbeatReply>;

/// Heartbeats of one round.
const MAX_BATCH: usize = 256;

pub fn pulse() -> Pulse {
    Combiner::new(MAX_BATCH)
}

/// Renews exactly the leases listed.
///
/// # Errors
/// The database is out of reach.
pub async fn renew(state: &AppState, beat: Heartbeat) -> Result<HeartbeatReply, ApiError> {
    let serve = |batch, turn| {
        let state = state.clone();
        async move {
            let replies = serve(&state, batch).await;
            drop(turn);
            replies
        }
    };
    state.pulse.join(beat).answered(serve).await
}

async fn serve(state: &AppState, beats: Vec<Heartbeat>) -> Result<Vec<HeartbeatReply>, ApiError> {
    let orders = renew_all(state, &beats).await?;
    let reply = |beat: &Heartbeat| {
        let order = |lease: &LeaseId| orders.get(&(*lease, beat.worker.id)).copied();
        let leases = beat.leases.iter();
        let orders = leases
            .filter_map(|lease| Some((*lease, order(lease).unwrap_or(Some(Order::Unknown))?)));
        HeartbeatReply {
            orders: orders.collect(),
        }
    };
    Ok(beats.iter().map(reply).collect())
}

/// What is to become of every lease that is listed by its holder; nothing where that cannot be said now, and the lease is not
/// renewed. Lease ids are no secret, so others may list it too.
async fn renew_all(
    state: &AppState,
    beats: &[Heartbeat],
) -> Result<BTreeMap<(LeaseId, WorkerId), Option<Order>>, ApiError> {
    // Of two of one worker the later counts.
    let latest: BTreeMap<WorkerId, &Heartbeat> =
        beats.iter().map(|beat| (beat.worker.id, beat)).collect();
    let mut conn = state.hot.lend().await?;
    let known = store::worker::beat(&mut *conn, latest.values().copied()).await?;
    conn.keep();
    let unknown: Vec<Heartbeat> = latest
        .values()
        .filter(|beat| !known.contains(&beat.worker.id))
        .map(|beat| Heartbeat::clone(beat))
        .collect();
    if !unknown.is_empty() {
        run_tx("enlist", &state.hot, move |conn| {
            Box::pin(async move {
                let workers: Vec<_> = unknown.iter().map(|beat| &beat.worker).collect();
                store::worker::greet(conn, &workers).await?;
                store::worker::beat(&mut *conn, unknown.iter()).await?;
                Ok(())
            })
        })
        .await?;
    }
    let listed: BTreeSet<_> = beats
        .iter()
        .flat_map(|beat| beat.leases.iter().map(|lease| (*lease, beat.worker.id)))
        .collect();
    let mut orders = BTreeMap::new();
    if listed.is_empty() {
        return Ok(orders);
    }
    let leases: Vec<_> = listed.iter().map(|(lease, _)| *lease).collect();
    let mut conn = state.hot.lend().await?;
    let standings = store::attempt::standings(&mut *conn, &leases).await?;
    conn.keep();
    for standing in standings {
        let held = (standing.lease, standing.worker);
        if !listed.contains(&held) {
            continue;
        }
        let order = match standing.is_expired {
            true => take_up_again(state, standing.lease).await?,
            false => Some(standing.order),
        };
        orders.insert(held, order);
    }
    Ok(orders)
}

/// Says nothing while somebody else changes the trial: everybody's heartbeats would wait with this one.
async fn take_up_again(state: &AppState, lease: LeaseId) -> Result<Option<Order>, ApiError> {
    let metrics = state.metrics.clone();
    run_tx("revive", &state.hot, move |conn| {
        Box::pin(async move {
            let free = store::attempt::lock(conn, &[lease], Busy::Skip).await?;
            let Some(held) = free.into_iter().next() else {
                return Ok(None);
            };
            Ok(Some(match fence::stand(conn, held, &metrics).await? {
                Standing::Active(_) => Order::Continue,
                Standing::Finished(_) | Standing::Superseded(_) => Order::Unknown,
            }))
        })
    })
    .await
}
