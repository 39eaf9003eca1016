//! The leases this worker holds, and the heartbeat that keeps them.
//!
//! A lease is believed in only as long as the server must still believe in it too: counted, on this
//! machine's own monotonic clock, from when the last answered heartbeat was *sent*.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cultivar_spec::LeaseId;
use cultivar_spec::wire::{Heartbeat, Order};
use tokio::sync::watch;

use super::Worker;

/// Held leases and the server's orders for each.
#[derive(Debug, Default)]
pub struct Held(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    orders: HashMap<LeaseId, Entry>,
    lease: Duration,
    interval: Duration,
}

#[derive(Debug)]
struct Entry {
    order: watch::Sender<Order>,
    /// When the last call that renewed it was sent.
    renewed: Instant,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            orders: HashMap::new(),
            lease: Duration::from_secs(30),
            interval: Duration::from_secs(5),
        }
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the server's timing.
    pub fn set_timing(&self, lease_s: f64, heartbeat_s: f64) {
        let mut inner = self.lock();
        inner.lease = Duration::from_secs_f64(lease_s.max(0.1));
        inner.interval = Duration::from_secs_f64(heartbeat_s.clamp(0.05, lease_s.max(0.1)));
    }

    /// Starts holding a lease; hear its orders on the returned channel.
    pub fn hold(&self, lease: LeaseId) -> watch::Receiver<Order> {
        let (order, orders) = watch::channel(Order::Continue);
        self.lock().orders.insert(
            lease,
            Entry {
                order,
                renewed: Instant::now(),
            },
        );
        orders
    }

    pub fn release(&self, lease: LeaseId) {
        self.lock().orders.remove(&lease);
    }

    /// Passes on what the server wants of a lease. An order to stop is never taken back.
    pub fn order(&self, lease: LeaseId, order: Order) {
        if let Some(entry) = self.lock().orders.get(&lease) {
            entry.order.send_if_modified(|old| {
                let news = *old == Order::Continue && order != Order::Continue;
                if news {
                    *old = order;
                }
                news
            });
        }
    }

    fn leases(&self) -> Vec<LeaseId> {
        self.lock().orders.keys().copied().collect()
    }

    fn renewed(&self, lease: LeaseId, sent: Instant) {
        if let Some(entry) = self.lock().orders.get_mut(&lease) {
            entry.renewed = sent;
        }
    }

    /// Gives up leases that the server may have given away.
    fn stop_expired(&self) {
        let inner = self.lock();
        let expired = |entry: &&Entry| entry.renewed.elapsed() > inner.lease;
        for entry in inner.orders.values().filter(expired) {
            entry.order.send_if_modified(|order| {
                std::mem::replace(order, Order::Unknown) == Order::Continue
            });
        }
    }

    fn interval(&self) -> Duration {
        self.lock().interval
    }
}

/// Sends a heartbeat every interval, for ever.
pub async fn heartbeats(worker: Arc<Worker>) {
    loop {
        let interval = worker.held.interval();
        tokio::time::sleep(interval).await;
        let leases = worker.held.leases();
        let sent = Instant::now();
        let beat = Heartbeat {
            worker: worker.identity.clone(),
            leases,
        };
        match worker
            .client
            .heartbeat(&beat, interval.max(Duration::from_secs(1)))
            .await
        {
            Ok(reply) => {
                for (lease, order) in reply.orders {
                    if order != Order::Unknown {
                        worker.held.renewed(lease, sent);
                    }
                    worker.held.order(lease, order);
                }
            }
            Err(error) => tracing::warn!("no heartbeat: {error}"),
        }
        worker.held.stop_expired();
    }
}
