//! The leases this worker holds: until when, and what the server wants of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cultivar_spec::LeaseId;
use cultivar_spec::wire::Order;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The last share of a lease, in which a job that is cut off stops: a step and a checkpoint.
const STOPPING: f64 = 0.2;

/// All leases held. What is not in here is not renewed.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<BTreeMap<LeaseId, Held>>,
    terms: Mutex<Terms>,
    /// Wakes the heartbeat before its time.
    pub due: Notify,
}

/// The server's conditions, as the last claim told them.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// A lease not renewed for this long is given to somebody else.
    pub lease: Duration,
    pub heartbeat: Duration,
}

impl Default for Terms {
    /// Until the server has spoken there is no lease to lose.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            heartbeat: Duration::from_secs(10),
        }
    }
}

#[derive(Debug)]
struct Held {
    /// When the last request that renewed it was *sent*: the server's clock started no earlier.
    renewed: watch::Sender<Instant>,
    order: watch::Sender<Order>,
}

impl Leases {
    pub fn terms(&self) -> Terms {
        *lock(&self.terms)
    }

    pub fn set_terms(&self, lease_s: f64, heartbeat_s: f64) {
        let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or(Duration::from_secs(1));
        *lock(&self.terms) = Terms {
            lease: seconds(lease_s),
            heartbeat: seconds(heartbeat_s).max(Duration::from_millis(100)),
        };
    }

    /// Takes a lease into the heartbeats that was handed out at `granted` or later; the next one comes at once, since the
    /// answer may have been long under way.
    pub fn hold(self: &Arc<Self>, lease: LeaseId, granted: Instant) -> Hold {
        let (renewed_sender, renewed) = watch::channel(granted);
        let (order_sender, order) = watch::channel(Order::Continue);
        let held = Held {
            renewed: renewed_sender,
            order: order_sender,
        };
        lock(&self.held).insert(lease, held);
        self.due.notify_one();
        Hold {
            lease,
            leases: self.clone(),
            renewed,
            order,
        }
    }

    /// What a heartbeat lists.
    pub fn ids(&self) -> Vec<LeaseId> {
        lock(&self.held).keys().copied().collect()
    }

    /// Takes the answer to a heartbeat that was sent at `sent`.
    pub fn renew(&self, sent: Instant, orders: &BTreeMap<LeaseId, Order>) {
        for (lease, order) in orders {
            if *order != Order::Unknown
                && let Some(held) = lock(&self.held).get(lease)
            {
                held.renewed.send_replace(sent);
            }
            self.obey(*lease, *order);
        }
    }

    /// Takes an order. A graver one stands against a later, lesser one.
    pub fn obey(&self, lease: LeaseId, order: Order) {
        if let Some(held) = lock(&self.held).get(&lease) {
            held.order.send_if_modified(|standing| {
                let graver = gravity(order) > gravity(*standing);
                if graver {
                    *standing = order;
                }
                graver
            });
        }
    }
}

fn gravity(order: Order) -> u8 {
    match order {
        Order::Continue => 0,
        Order::Yield => 1,
        Order::Prune => 2,
        Order::Cancel => 3,
        Order::Unknown => 4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lease in the heartbeats, until dropped.
#[derive(Debug)]
pub struct Hold {
    pub lease: LeaseId,
    leases: Arc<Leases>,
    renewed: watch::Receiver<Instant>,
    order: watch::Receiver<Order>,
}

impl Hold {
    /// Takes an order that came with another answer than a heartbeat's.
    pub fn obey(&self, order: Order) {
        self.leases.obey(self.lease, order);
    }

    /// The trial is somebody else's: nothing of ours counts any more.
    pub fn is_lost(&self) -> bool {
        *self.order.borrow() == Order::Unknown
    }

    /// Waits for any order but to continue.
    pub async fn ordered(&self) -> Order {
        self.ordered_beyond(Order::Continue).await
    }

    /// Waits for an order that is graver than one that was heeded.
    pub async fn ordered_beyond(&self, heeded: Order) -> Order {
        self.until(|order| gravity(*order) > gravity(heeded)).await
    }

    /// Waits until the trial is somebody else's.
    pub async fn lost(&self) {
        self.until(|order| *order == Order::Unknown).await;
    }

    async fn until(&self, condition: impl FnMut(&Order) -> bool) -> Order {
        let mut order = self.order.clone();
        let found = order.wait_for(condition).await.map(|order| *order);
        match found {
            Ok(order) => order,
            Err(_) => std::future::pending().await,
        }
    }

    /// Until when nobody else can have been given the trial, by our own clock.
    pub fn end(&self) -> Instant {
        *self.renewed.borrow() + self.leases.terms().lease
    }

    /// When a job must begin to stop, to have stopped by then.
    fn brink(&self) -> Instant {
        self.end() - self.leases.terms().lease.mul_f64(STOPPING)
    }

    /// Waits for the brink.
    pub async fn run_out(&self) {
        let mut renewed = self.renewed.clone();
        loop {
            renewed.mark_unchanged();
            let brink = self.brink();
            tokio::select! {
                () = tokio::time::sleep_until(brink) => return,
                Ok(()) = renewed.changed() => {}
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.leases.held).remove(&self.lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(lease_s: f64) -> (Arc<Leases>, Hold) {
        let leases = Arc::new(Leases::default());
        leases.set_terms(lease_s, 1.0);
        let hold = leases.hold(LeaseId::new(), Instant::now());
        (leases, hold)
    }

    #[tokio::test]
    async fn a_lesser_order_does_not_take_a_graver_one_back() {
        let (leases, hold) = held(60.0);
        for (order, stands) in [
            (Order::Yield, Order::Yield),
            (Order::Prune, Order::Prune),
            (Order::Continue, Order::Prune),
            (Order::Cancel, Order::Cancel),
            (Order::Unknown, Order::Unknown),
            (Order::Cancel, Order::Unknown),
        ] {
            leases.obey(hold.lease, order);
            assert_eq!(hold.ordered().await, stands);
            let beyond = hold.ordered_beyond(stands);
            assert!(
                futures::poll!(Box::pin(beyond)).is_pending(),
                "{stands:?} was heeded"
            );
        }
        assert!(hold.is_lost());
    }

    #[tokio::test]
    async fn a_lease_runs_out_unless_renewed() {
        let started = Instant::now();
        let (leases, hold) = held(0.05);
        hold.run_out().await;
        assert!(started.elapsed() >= Duration::from_millis(40));
        assert!(Instant::now() >= hold.brink() && hold.end() > started + Duration::from_millis(49));
        // Renewed by a request sent now, it lasts again; a lost one does not.
        let sent = Instant::now() + Duration::from_secs(60);
        leases.renew(sent, &[(hold.lease, Order::Unknown)].into());
        hold.run_out().await;
        leases.renew(sent, &[(hold.lease, Order::Continue)].into());
        let again = tokio::time::timeout(Duration::from_millis(100), hold.run_out()).await;
        assert!(again.is_err(), "the lease ran out though it was renewed");
    }

    #[test]
    fn only_what_is_held_is_listed() {
        let (leases, hold) = held(1.0);
        assert_eq!(leases.ids(), [hold.lease]);
        drop(hold);
        assert!(leases.ids().is_empty());
    }
}
