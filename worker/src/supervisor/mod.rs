//! The daemon: claims leases, keeps them alive, and sees each job through.

mod child;
mod held;
mod home;
mod job;
mod reporter;
mod stall;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use cultivar_client::{ArtifactCache, Backoff, Client};
use cultivar_spec::BootId;
use cultivar_spec::wire::{Claim, DeviceInfo, Lease, WorkerIdentity};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args::RunOptions;
use child::Trainer;
use held::Held;
use home::Home;

/// How long a claim may hang while the queue is empty.
const CLAIM_WAIT_S: f64 = 20.0;

/// What every part of the daemon shares.
#[derive(Debug)]
struct Worker {
    client: Client,
    identity: WorkerIdentity,
    home: Home,
    artifacts: ArtifactCache,
    held: Held,
    /// Turns true when the daemon was told to go.
    leaving: watch::Receiver<bool>,
}

/// Runs until told to stop.
pub fn run(options: RunOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: RunOptions) -> anyhow::Result<()> {
    let token = token(&options)?;
    let home = Home::open(options.home.as_deref())?;
    let (leave, leaving) = watch::channel(false);
    listen_for_signals(leave)?;

    // The first trainer says what this machine computes with.
    let first = Trainer::start()
        .await
        .context("the trainer does not start")?;
    let identity = WorkerIdentity {
        id: home.worker_id()?,
        boot: BootId::new(),
        name: options.name.clone().unwrap_or_else(host_name),
        device: first.device().clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    describe(&identity, &options);
    let client = Client::new(&options.url, token)?;
    let worker = Arc::new(Worker {
        artifacts: ArtifactCache::new(client.clone(), home.artifacts()),
        client,
        identity,
        home,
        held: Held::default(),
        leaving,
    });

    let heartbeats = tokio::spawn(held::heartbeats(Arc::clone(&worker)));
    let mut slots = tokio::task::JoinSet::new();
    let mut trainer = Some(first);
    for slot in 0..options.slots {
        slots.spawn(run_slot(
            Arc::clone(&worker),
            slot,
            trainer.take(),
            options.once,
        ));
    }
    while let Some(ended) = slots.join_next().await {
        ended.context("a slot panicked")??;
    }
    heartbeats.abort();
    tracing::info!("the worker is done");
    Ok(())
}

/// Claims and runs one job after another.
async fn run_slot(
    worker: Arc<Worker>,
    slot: u32,
    mut trainer: Option<Trainer>,
    once: bool,
) -> anyhow::Result<()> {
    let mut leaving = worker.leaving.clone();
    let mut backoff = Backoff::new(Duration::from_secs(10));
    let mut request = uuid::Uuid::new_v4();
    while !*leaving.borrow() {
        let claim = Claim {
            worker: worker.identity.clone(),
            request,
            max: 1,
            wait_s: if once { 0.0 } else { CLAIM_WAIT_S },
        };
        let reply = tokio::select! {
            reply = worker.client.claim(&claim) => reply,
            () = told_to_leave(&mut leaving) => break,
        };
        match reply {
            Ok(reply) => {
                // Only an answered claim is over: a lost answer is asked for again under the same name.
                request = uuid::Uuid::new_v4();
                backoff.reset();
                worker.held.set_timing(reply.lease_s, reply.heartbeat_s);
                if reply.leases.is_empty() && once {
                    return Ok(());
                }
                for lease in reply.leases {
                    run_lease(&worker, slot, &mut trainer, lease).await;
                }
            }
            Err(error) if error.is_transient() => {
                let wait = backoff.next(&mut rand::rng());
                tracing::warn!(
                    "no claim: {error}; trying again in {:.1} s",
                    wait.as_secs_f64()
                );
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = told_to_leave(&mut leaving) => {}
                }
            }
            Err(error) => bail!("the server refuses this worker: {error}"),
        }
    }
    Ok(())
}

async fn run_lease(worker: &Arc<Worker>, slot: u32, trainer: &mut Option<Trainer>, lease: Lease) {
    let (id, trial) = (lease.id, lease.trial);
    tracing::info!(slot, %trial, lease = %id, "job starts");
    let outcome = job::run(worker, trainer, lease).await;
    worker.held.release(id);
    tracing::info!(slot, %trial, lease = %id, outcome = outcome.name(), "job ends");
}

/// Waits until the daemon was told to go.
async fn told_to_leave(leaving: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could tell.
    let _ = leaving.wait_for(|leaving| *leaving).await;
}

/// SIGTERM and SIGINT ask for a graceful end; a second one is not asked twice.
fn listen_for_signals(leave: watch::Sender<bool>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for told_before in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told_before {
                std::process::exit(130);
            }
            tracing::info!("told to stop: checkpointing and giving back what runs");
            leave.send_replace(true);
        }
    });
    Ok(())
}

fn token(options: &RunOptions) -> anyhow::Result<String> {
    if let Some(token) = &options.token {
        return Ok(token.clone());
    }
    let Some(path) = &options.token_file else {
        bail!(
            "no token: set CULTIVAR_TOKEN, or CULTIVAR_TOKEN_FILE to a file that holds it (cultivar token create --scope worker makes one)"
        );
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the token file {}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() {
        "worker".into()
    } else {
        name.trim().to_owned()
    }
}

fn describe(identity: &WorkerIdentity, options: &RunOptions) {
    let DeviceInfo {
        name, n_threads, ..
    } = &identity.device;
    tracing::info!(worker = %identity.id, device = %name, n_threads, slots = options.slots, "worker {} pulls from {}", identity.name, options.url);
}
