//! Heartbeats: a worker says which leases it holds, and hears what to do with each.

use std::collections::BTreeMap;

use cultivar_spec::LeaseId;
use cultivar_spec::wire::{Heartbeat, HeartbeatReply, Order};

use crate::error::ApiError;
use crate::service::fence::{self, Standing};
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// Renews exactly the leases listed.
///
/// # Errors
/// The database is out of reach.
pub async fn renew(state: &AppState, beat: Heartbeat) -> Result<HeartbeatReply, ApiError> {
    if !store::worker::beat(&state.pool, &beat.worker, &beat.leases).await? {
        let beat = beat.clone();
        run_tx("enlist", &state.pool, move |conn| {
            Box::pin(async move {
                store::worker::greet(conn, &[&beat.worker]).await?;
                store::worker::beat(&mut *conn, &beat.worker, &beat.leases).await?;
                Ok(())
            })
        })
        .await?;
    }
    let mut orders: BTreeMap<_, _> = beat
        .leases
        .iter()
        .map(|lease| (*lease, Order::Unknown))
        .collect();
    if orders.is_empty() {
        return Ok(HeartbeatReply { orders });
    }
    for (lease, order, expired) in store::attempt::orders(&state.pool, &beat.leases).await? {
        let order = if expired {
            take_up_again(state, lease).await?
        } else {
            order
        };
        orders.insert(lease, order);
    }
    Ok(HeartbeatReply { orders })
}

async fn take_up_again(state: &AppState, lease: LeaseId) -> Result<Order, ApiError> {
    let metrics = state.metrics.clone();
    run_tx("revive", &state.pool, move |conn| {
        Box::pin(async move {
            Ok(match fence::enter(conn, lease, &metrics).await? {
                Standing::Active(_) => Order::Continue,
                Standing::Finished(_) | Standing::Superseded(_) => Order::Unknown,
            })
        })
    })
    .await
}
