//! The slots of a worker: as many as were asked for, or as many as the device has room for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cultivar_spec::wire::DeviceInfo;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::gauge::{self, Gauge};
use super::room::{Room, Verdict};
use super::{SHUTDOWN_GRACE, Shared, slot};
use crate::options::Slots;

/// Trials that share a GPU at most; a CPU takes as many as its cores have threads for.
const MAX_SLOTS: usize = 16;

pub(super) struct Crew {
    shared: Arc<Shared>,
    tasks: JoinSet<(u64, anyhow::Result<()>)>,
    open: Vec<Slot>,
    n_opened: u64,
    /// Of the machine's memory and the GPU's; made once the device is known.
    rooms: Vec<Room>,
    /// That the memory cannot be seen was said.
    is_blind: bool,
}

/// An open slot.
struct Slot {
    id: u64,
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
            n_opened: 0,
            rooms: Vec::new(),
            is_blind: false,
        }
    }

    /// Works until every slot has ended. One that fails stops the others, and its error is the worker's; but one that was
    /// opened beside others because there was room only closes.
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
        let mut looks = tokio::time::interval(look_every.max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => {
                    let failed = match ended {
                        None => return first_error,
                        Some(Ok((id, done))) => {
                            self.open.retain(|slot| slot.id != id);
                            self.count();
                            done
                        }
                        Some(Err(panic)) => Err(panic.into()),
                    };
                    match failed {
                        Ok(()) => {}
                        Err(error) if slots == Slots::Auto && !self.open.is_empty() => {
                            tracing::warn!("a slot closes: {error:#}");
                        }
                        Err(error) => {
                            stopping.cancel();
                            first_error = first_error.and(Err(error));
                        }
                    }
                }
                _ = looks.tick(), if slots == Slots::Auto && !stopping.is_cancelled() => {
                    tokio::select! {
                        () = self.look() => {}
                        () = stopping.cancelled() => {}
                    }
                }
                () = &mut late => {
                    tracing::warn!("gave up on what is not delivered after {} s", SHUTDOWN_GRACE.as_secs());
                    return first_error;
                }
            }
        }
    }

    fn open(&mut self) {
        self.n_opened += 1;
        let slot = Slot {
            id: self.n_opened,
            gauge: Arc::default(),
            stopping: self.shared.stopping.child_token(),
        };
        let (shared, gauge) = (self.shared.clone(), slot.gauge.clone());
        let (id, stopping) = (slot.id, slot.stopping.clone());
        self.tasks
            .spawn(async move { (id, slot::run(shared, gauge, stopping).await) });
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

    /// Looks at the memories and opens a slot where each has room, or closes one where any has not.
    async fn look(&mut self) {
        let Some(device) = self.shared.device.get() else {
            return;
        };
        let trainers: Vec<_> = self.open.iter().map(|slot| slot.gauge.trainer()).collect();
        let Some(seen) = gauge::look(&device.kind, &trainers).await else {
            if !std::mem::replace(&mut self.is_blind, true) {
                tracing::warn!(
                    "the memory of the {} device cannot be seen (is nvidia-smi there?): the number of slots stays {}",
                    device.kind,
                    self.open.len()
                );
            }
            return;
        };
        if self.rooms.is_empty() {
            let max_slots = max_slots(device);
            self.rooms = seen.iter().map(|_| Room::new(max_slots)).collect();
        }
        let squeezed = self.shared.squeezed.swap(false, Ordering::Relaxed);
        let now = Instant::now();
        let verdicts: Vec<_> = self
            .rooms
            .iter_mut()
            .zip(&seen)
            .map(|(room, seen)| room.look(seen, squeezed, now))
            .collect();
        let gib = |n_bytes: u64| format!("{:.1} GiB", n_bytes as f64 / f64::from(1 << 30));
        let free: Vec<_> = seen.iter().map(|seen| gib(seen.free)).collect();
        let largest: Vec<_> = self.rooms.iter().map(|room| gib(room.largest())).collect();
        let (free, largest) = (free.join(" and "), largest.join(" and "));
        if verdicts.contains(&Verdict::Close) {
            self.close();
            let slots = self.open.len();
            tracing::info!(
                slots,
                free,
                largest,
                "a slot closes: memory is short, or nothing trains"
            );
        } else if verdicts.iter().all(|verdict| *verdict == Verdict::Open) {
            self.open();
            let slots = self.open.len();
            tracing::info!(
                slots,
                free,
                largest,
                "a slot opens: there is room for another trial"
            );
        }
    }
}

fn max_slots(device: &DeviceInfo) -> usize {
    if device.kind == "cuda" {
        return MAX_SLOTS;
    }
    let n_cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    (n_cores / (device.n_threads as usize).max(1)).max(1)
}
