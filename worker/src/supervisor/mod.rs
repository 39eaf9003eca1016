//! The supervisor: claims jobs, has trainers run them, and delivers what comes of them.
//!
//! | module | what it does |
//! | --- | --- |
//! | `crew` | the slots: how many there are |
//! | `room`, `gauge` | whether the device's memory has room for another, and what is taken of it |
//! | `slot` | claims one job after another for one trainer |
//! | `attempt` | sees a job through the trainer, to whatever end |
//! | `delivery` | sends the results, while the slot goes on with the next job |
//! | `leases`, `heartbeat` | which leases are held, until when, and what the server orders |
//! | `child`, `obituary`, `stall` | the trainer process: its life, its death, its silence |
//! | `files`, `own_files`, `checkpoints`, `outbox` | what goes down to a job, also from this machine, and up from it |

mod attempt;
mod checkpoints;
mod child;
mod crew;
mod delivery;
mod files;
mod gauge;
mod heartbeat;
mod leases;
mod obituary;
mod outbox;
mod own_files;
mod persist;
mod room;
mod slot;
mod stall;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use cultivar_client::{ArtifactCache, Client};
use cultivar_spec::wire::{Claim, DeviceInfo, WorkerIdentity};
use cultivar_spec::{BootId, Sha256Digest};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::home::{self, Home};
use crate::options::{RunOptions, Slots};
use child::TrainerCommand;
use crew::Crew;
use leases::Leases;
use own_files::OwnFiles;

/// From the first signal to the end, whatever is left: trainers store a checkpoint and it is uploaded.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(40);

/// Datasets that a claim names as being at hand.
const MAX_DATASETS: usize = 32;

/// What all parts of the supervisor share.
struct Shared {
    client: Client,
    artifacts: ArtifactCache,
    home: Home,
    leases: Arc<Leases>,
    boot: BootId,
    name: String,
    /// Known once a trainer has started.
    device: OnceLock<DeviceInfo>,
    trainer: TrainerCommand,
    min_stall: Duration,
    labels: Vec<String>,
    own_files: OwnFiles,
    /// Open slots: trainers that share the device.
    n_slots: AtomicUsize,
    /// Whether slots may be closed: their number follows the memory.
    adapts: bool,
    /// A trial ran out of memory beside others: a slot has to close.
    squeezed: AtomicBool,
    /// Versions of datasets used last, newest last.
    datasets: Mutex<VecDeque<Sha256Digest>>,
    once: bool,
    /// Set by the first signal, or by a slot that cannot go on. Each slot has one below it.
    stopping: CancellationToken,
}

impl Shared {
    fn identity(&self) -> WorkerIdentity {
        WorkerIdentity {
            id: self.home.id,
            boot: self.boot,
            name: self.name.clone(),
            device: self.device.get().cloned().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// A claim for one job, and what this machine has to offer for it: its slot's share of the device's memory, and no more than
    /// is `free` of it now, where that is known.
    fn claim(&self, request: Uuid, wait_s: f64, free: Option<u64>) -> Claim {
        let worker = self.identity();
        let datasets = self.datasets();
        let n_slots = self.n_slots.load(Ordering::Relaxed).max(1) as u64;
        let share = worker.device.memory_bytes.map(|n_bytes| n_bytes / n_slots);
        Claim {
            request,
            max: 1,
            wait_s,
            labels: self.labels.clone(),
            memory_bytes: share.map(|share| free.map_or(share, |free| share.min(free))),
            datasets: datasets.iter().copied().collect(),
            worker,
        }
    }

    /// A trial ran out of memory. True where it shared the device and fewer will from now on, so that it is worth another try.
    fn gives_up_a_slot(&self) -> bool {
        let may = self.adapts && self.n_slots.load(Ordering::Relaxed) > 1;
        if may {
            self.squeezed.store(true, Ordering::Relaxed);
        }
        may
    }

    /// Remembers that a dataset is at hand.
    fn has_dataset(&self, version: Sha256Digest) {
        let mut datasets = self.datasets();
        datasets.retain(|other| *other != version);
        datasets.push_back(version);
        if datasets.len() > MAX_DATASETS {
            datasets.pop_front();
        }
    }

    fn datasets(&self) -> MutexGuard<'_, VecDeque<Sha256Digest>> {
        self.datasets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the daemon until it is told to stop, or with `once` until the queue is empty.
///
/// # Errors
/// The folder or the server cannot be used, or trainers do not start.
pub fn main(options: RunOptions) -> anyhow::Result<()> {
    // It holds a token, and its trainers, which hold none, read what strangers submit: they shall not read its memory or its
    // environment, though they are of the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The cores belong to the trainers.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(run(options));
    // Whatever is still blocked on a disk must not keep the process.
    runtime.shutdown_background();
    done
}

async fn run(options: RunOptions) -> anyhow::Result<()> {
    let cultivar_home = match &options.home {
        Some(home) => home.clone(),
        None => home::default()?,
    };
    let home = Home::open(&cultivar_home)?;
    // Every wait for the server has its own end, told by the lease; the client need not have one.
    let client = options.connect(&home).await?.with_patience(Duration::ZERO);
    let stopping = CancellationToken::new();
    let shared = Arc::new(Shared {
        artifacts: ArtifactCache::new(client.clone(), home.artifacts()),
        client,
        leases: Arc::new(Leases::default()),
        boot: BootId::new(),
        name: options.name.clone().unwrap_or_else(host_name),
        device: OnceLock::new(),
        trainer: TrainerCommand::new(&options.trainer_command)?,
        min_stall: options.min_stall,
        labels: options.labels.clone(),
        own_files: OwnFiles::new(options.files.clone()),
        n_slots: AtomicUsize::new(1),
        adapts: options.slots == Slots::Auto,
        squeezed: AtomicBool::new(false),
        datasets: Mutex::default(),
        once: options.once,
        stopping: stopping.clone(),
        home,
    });
    listen_for_signals(stopping.clone())?;
    tracing::info!(
        worker = %shared.home.id,
        name = shared.name,
        server = shared.client.url(),
        slots = %options.slots,
        "worker starts"
    );

    let heartbeat = tokio::spawn(heartbeat::run(shared.clone()));
    let crew = Crew::new(shared.clone());
    let done = crew.work(options.slots, options.look_every).await;
    heartbeat.abort();
    tracing::info!("worker ends");
    done
}

/// The first SIGTERM or SIGINT asks to stop; the second ends the process where it stands.
fn listen_for_signals(stopping: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for n in 1.. {
            let number = tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            };
            if n > 1 {
                std::process::exit(128 + number.as_raw_value());
            }
            tracing::info!("stopping: handing back what runs; a second signal ends at once");
            stopping.cancel();
        }
    });
    Ok(())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "worker".to_owned(),
        name => name.to_owned(),
    }
}
