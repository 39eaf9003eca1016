//! The slots of a worker: as many as were asked for, or as many as the device has room for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::gauge::{self, Gauge};
use super::room::{Room, Verdict};
use super::{SHUTDOWN_GRACE, Shared, slot};
use crate::options::Slots;

/// Trials that share a GPU at most; those that share a CPU are at most as many as its threads.
const MAX_SLOTS: usize = 16;

pub(super) struct Crew {
    shared: Arc<Shared>,
    tasks: JoinSet<anyhow::Result<()>>,
    open: Vec<Slot>,
}

/// An open slot.
struct Slot {
    gauge: Arc<Gauge>,
    /// Closes it: its trial goes back to the queue with a checkpoint.
    stopping: CancellationToken,
}

impl Crew {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            tasks: JoinSet::new(),
            open: Vec::new(),
        }
    }

    /// Works until every slot has ended. One that fails stops the others, and its error is the worker's.
    pub async fn work(mut self, slots: Slots, look_every: Duration) -> anyhow::Result<()> {
        let n_slots = match slots {
            Slots::Fixed(n) => n.get(),
            Slots::Auto => 1,
        };
        for _ in 0..n_slots {
            self.open();
        }
        let mut first_error = Ok(());
        let stopping = self.shared.stopping.clone();
        let late = async {
            stopping.cancelled().await;
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        };
        tokio::pin!(late);
        let mut room = None;
        let mut looks = tokio::time::interval(look_every.max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => {
                    let failed = match ended {
                        None => return first_error,
                        Some(Ok(done)) => done,
                        Some(Err(panic)) => Err(panic.into()),
                    };
                    if failed.is_err() {
                        stopping.cancel();
                        first_error = first_error.and(failed);
                    }
                }
                _ = looks.tick(), if slots == Slots::Auto && !stopping.is_cancelled() => {
                    self.look(&mut room).await;
                }
                () = &mut late => {
                    tracing::warn!("gave up on what is not delivered after {} s", SHUTDOWN_GRACE.as_secs());
                    return first_error;
                }
            }
        }
    }

    fn open(&mut self) {
        let slot = Slot {
            gauge: Arc::default(),
            stopping: self.shared.stopping.child_token(),
        };
        let (shared, gauge) = (self.shared.clone(), slot.gauge.clone());
        self.tasks
            .spawn(slot::run(shared, gauge, slot.stopping.clone()));
        self.open.push(slot);
        self.count();
    }

    /// Closes the youngest.
    fn close(&mut self) {
        if let Some(slot) = self.open.pop() {
            slot.stopping.cancel();
        }
        self.count();
    }

    fn count(&self) {
        self.shared
            .n_slots
            .store(self.open.len(), Ordering::Relaxed);
    }

    /// Looks at the memory and opens or closes a slot. `room` is made once the device is known.
    async fn look(&mut self, room: &mut Option<Room>) {
        let Some(device) = self.shared.device.get() else {
            return;
        };
        let pids: Vec<_> = self
            .open
            .iter()
            .map(|slot| slot.gauge.training_pid())
            .collect();
        let Some(seen) = gauge::look(&device.kind, &pids).await else {
            return;
        };
        let room = room.get_or_insert_with(|| {
            Room::new(match device.kind.as_str() {
                "cuda" => MAX_SLOTS,
                _ => device.n_threads as usize,
            })
        });
        let verdict = room.look(&seen, Instant::now());
        match verdict {
            Verdict::Stay => return,
            Verdict::Open => self.open(),
            Verdict::Close => self.close(),
        }
        let gib = |n_bytes: u64| format!("{:.1} GiB", n_bytes as f64 / f64::from(1 << 30));
        tracing::info!(
            slots = self.open.len(),
            free = gib(seen.free),
            largest_trial = gib(room.largest()),
            "{}",
            match verdict {
                Verdict::Close => "a slot closes: the device's memory is nearly full",
                _ => "a slot opens: there is room for another trial",
            }
        );
    }
}
