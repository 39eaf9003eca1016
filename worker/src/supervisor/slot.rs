//! A slot: one trainer, and one job after another for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use cultivar_client::Backoff;
use cultivar_spec::trainer::JobResult;
use cultivar_spec::wire::{Job, JobKind, Lease};
use cultivar_spec::{Outcome, Sha256Digest, TrialSpec};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::attempt::{Attempt, interruption, without_result};
use super::checkpoints::Checkpoints;
use super::child::Trainer;
use super::delivery::Delivery;
use super::files;
use super::gauge::{self, Gauge};
use super::outbox::Outbox;
use super::persist::Undelivered;

/// How long the server may hold a claim while its queue is empty, in seconds.
const CLAIM_WAIT_S: f64 = 20.0;
/// The longest pause between tries to reach the server, or to start a trainer.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Trainers that may die before they are ready, in a row.
const MAX_FALSE_STARTS: u32 = 5;
/// The longest pause after the machine's own faults.
const MAX_FAULT_WAIT: Duration = Duration::from_secs(60);
/// What is free of the device's memory is asked for again after so long: the driver takes a while to say.
const FREE_FOR: Duration = Duration::from_secs(10);
/// Results on their way while the next job runs.
const MAX_DELIVERIES: usize = 2;

/// Works until told to stop, or with `once` until the queue is empty.
///
/// # Errors
/// Trainers do not start, or the server refuses to hand out work.
pub(super) async fn run(
    shared: Arc<Shared>,
    gauge: Arc<Gauge>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut slot = Slot {
        shared,
        gauge,
        stopping,
        trainer: None,
        deliveries: JoinSet::new(),
        n_faults: 0,
        quarantine: None,
        free: None,
    };
    let done = slot.work().await;
    // Its memory is for others now; results lie in files.
    slot.trainer = None;
    slot.gauge.set_pid(None);
    // Also after an error: what was trained is not thrown away.
    while slot.deliveries.join_next().await.is_some() {}
    done
}

struct Slot {
    shared: Arc<Shared>,
    gauge: Arc<Gauge>,
    /// The worker stops, or this slot closes.
    stopping: CancellationToken,
    trainer: Option<Trainer>,
    deliveries: JoinSet<()>,
    /// Faults of this machine in a row.
    n_faults: u32,
    /// Why the server puts this worker aside, as it last said.
    quarantine: Option<String>,
    /// What was free of the device's memory, and when.
    free: Option<(Instant, Option<u64>)>,
}

/// The worker was told to stop.
struct Stopped;

/// A lease, and a time by our clock before which it was not handed out.
struct Granted {
    lease: Lease,
    at: Instant,
}

/// `seconds` after a time, or before it where they are negative.
fn moved(time: Instant, seconds: f64) -> Instant {
    let by = Duration::try_from_secs_f64(seconds.abs()).unwrap_or_default();
    match seconds < 0.0 {
        true => time.checked_sub(by).unwrap_or(time),
        false => time + by,
    }
}

fn spec_of(job: &Job) -> &TrialSpec {
    match job {
        Job::Train { spec, .. } | Job::Evaluate { spec, .. } => spec,
    }
}

fn dataset_of(job: &Job) -> Sha256Digest {
    match job {
        Job::Train { dataset, .. } | Job::Evaluate { dataset, .. } => dataset.version,
    }
}

impl Slot {
    async fn work(&mut self) -> anyhow::Result<()> {
        loop {
            if self.pause().await.is_err() {
                return Ok(());
            }
            let Some(lease) = self.claim().await? else {
                return Ok(());
            };
            if let Some(granted) = lease {
                self.run_job(granted).await;
            } else if self.shared.once && self.deliveries.join_next().await.is_none() {
                // Had there been a delivery, its trial might be in the queue again.
                return Ok(());
            }
        }
    }

    /// Before the next claim: too many results under way, or a machine that only produces faults.
    async fn pause(&mut self) -> Result<(), Stopped> {
        let stopping = self.stopping.clone();
        while self.deliveries.try_join_next().is_some() {}
        if self.n_faults > 0 {
            let wait = Duration::from_secs(2_u64.saturating_pow(self.n_faults - 1));
            let wait = wait.min(MAX_FAULT_WAIT);
            tracing::warn!(
                ?wait,
                "waiting before the next claim: this machine failed the last job"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopping.cancelled() => return Err(Stopped),
            }
        }
        while self.deliveries.len() >= MAX_DELIVERIES {
            tokio::select! {
                _ = self.deliveries.join_next() => {}
                () = stopping.cancelled() => return Err(Stopped),
            }
        }
        match stopping.is_cancelled() {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    /// What the next job could have of the device's memory: others use it too. Short jobs need not ask each time.
    async fn free_memory(&mut self) -> Option<u64> {
        let device = self.shared.device.get()?;
        device.memory_bytes?;
        if let Some((at, free)) = self.free
            && at.elapsed() < FREE_FOR
        {
            return free;
        }
        let pid = self.trainer.as_ref().and_then(Trainer::pid);
        let free = gauge::free(&device.kind, pid).await;
        self.free = Some((Instant::now(), free));
        free
    }

    /// Asks for a job until there is an answer: `Some(None)` where the queue is empty, `None` when told
    /// to stop. Every try of a claim has the same name, so a lost answer is given once more.
    async fn claim(&mut self) -> anyhow::Result<Option<Option<Granted>>> {
        let request = uuid::Uuid::new_v4();
        let mut backoff = Backoff::new(MAX_WAIT);
        let mut is_away = false;
        loop {
            if !self.has_trainer().await? {
                return Ok(None);
            }
            let stopping = self.stopping.clone();
            let free = tokio::select! {
                free = self.free_memory() => free,
                // A sick driver takes its time to say.
                () = stopping.cancelled() => return Ok(None),
            };
            let trainer = self.trainer.as_mut().expect("it is ready");
            let shared = &self.shared;
            let wait_s = if shared.once { 0.0 } else { CLAIM_WAIT_S };
            let claim = shared.claim(request, wait_s, free);
            let sent = Instant::now();
            let error = tokio::select! {
                answer = shared.client.claim(&claim) => match answer {
                    Ok(reply) => {
                        if is_away {
                            tracing::info!("the server answers again");
                        }
                        shared.leases.set_terms(reply.lease_s, reply.heartbeat_s);
                        if reply.quarantine.is_some() && reply.quarantine != self.quarantine {
                            tracing::warn!(
                                reason = reply.quarantine,
                                "this worker is quarantined and gets no work until an admin releases it"
                            );
                        }
                        self.quarantine = reply.quarantine;
                        let at = moved(sent, reply.granted_after_s);
                        let lease = reply.leases.into_iter().next();
                        return Ok(Some(lease.map(|lease| Granted { lease, at })));
                    }
                    Err(error) => error,
                },
                obituary = trainer.died() => {
                    tracing::warn!("idle {}", obituary.summary());
                    self.trainer = None;
                    self.gauge.set_pid(None);
                    continue;
                }
                () = self.stopping.cancelled() => return Ok(None),
            };
            if !error.is_transient() && !error.is_server_fault() {
                return Err(error).context("the server hands out no work");
            }
            if !is_away {
                tracing::warn!(%error, "waiting for the server");
            }
            is_away = true;
            let stopping = self.stopping.clone();
            tokio::select! {
                // Results first: a trial that was requeued meanwhile would supersede its own.
                () = async { while self.deliveries.join_next().await.is_some() {} },
                    if !self.deliveries.is_empty() => {}
                () = tokio::time::sleep(backoff.next(&mut rand::rng())),
                    if self.deliveries.is_empty() => {}
                () = stopping.cancelled() => return Ok(None),
            }
        }
    }

    /// Starts a trainer if there is none. False when told to stop first.
    async fn has_trainer(&mut self) -> anyhow::Result<bool> {
        let shared = &self.shared;
        let mut backoff = Backoff::new(MAX_WAIT);
        let mut n_false_starts = 0;
        while self.trainer.is_none() {
            let started = tokio::select! {
                started = Trainer::start(&shared.trainer) => started,
                () = self.stopping.cancelled() => return Ok(false),
            };
            match started {
                Ok((trainer, device)) => {
                    tracing::info!(
                        device = device.name,
                        threads = device.n_threads,
                        "trainer ready"
                    );
                    shared.device.get_or_init(|| device);
                    self.gauge.set_pid(trainer.pid());
                    self.trainer = Some(trainer);
                }
                Err(error) => {
                    n_false_starts += 1;
                    if n_false_starts == MAX_FALSE_STARTS {
                        bail!("the trainer does not start: {error:#}");
                    }
                    tracing::warn!("the trainer does not start, trying again: {error:#}");
                    tokio::select! {
                        () = tokio::time::sleep(backoff.next(&mut rand::rng())) => {}
                        () = self.stopping.cancelled() => return Ok(false),
                    }
                }
            }
        }
        Ok(true)
    }

    /// Sees a lease through its job and leaves the delivery to a task.
    async fn run_job(&mut self, Granted { lease, at }: Granted) {
        let shared = self.shared.clone();
        let (stopping, gauge) = (self.stopping.clone(), self.gauge.clone());
        let started = Instant::now();
        let hold = Arc::new(shared.leases.hold(lease.id, at));
        let kind = match &lease.job {
            Job::Train { .. } => JobKind::Train,
            Job::Evaluate { .. } => JobKind::Evaluate,
        };
        tracing::info!(trial = %lease.trial, lease = %lease.id, job = kind.name(), "job starts");
        let work_dir = shared.home.work(lease.id);
        let outbox = Outbox::open(shared.client.clone(), hold.clone());
        let checkpoints = Checkpoints::open(shared.client.clone(), hold.clone(), &work_dir);
        let attempt = Attempt {
            hold: &hold,
            stopping: &stopping,
            gauge: &gauge,
            outbox: &outbox,
            checkpoints: &checkpoints,
            min_stall: shared.min_stall,
        };
        let mut result = self.train(&lease.job, &attempt, &work_dir).await;
        gauge.set_trains(false);
        if result.outcome == Outcome::OutOfMemory && shared.gives_up_a_slot() {
            tracing::warn!(trial = %lease.trial, "out of memory beside other trials: it goes back to the queue, and a slot closes");
            result.outcome = Outcome::Preempted;
        }
        self.n_faults = match result.outcome {
            Outcome::WorkerFault => self.n_faults + 1,
            _ => 0,
        };
        let delivery = Delivery {
            client: shared.client.clone(),
            hold,
            trial: lease.trial,
            started,
            result,
            outbox,
            checkpoints,
            work_dir,
        };
        self.deliveries.spawn(delivery.run());
    }

    async fn train(&mut self, job: &Job, attempt: &Attempt<'_>, work_dir: &Path) -> JobResult {
        let shared = self.shared.clone();
        let failed = |outcome, error| without_result(outcome, error, 0);
        if let Err(error) = tokio::fs::create_dir(work_dir).await {
            let error = format!("cannot make {}: {error}", work_dir.display());
            return failed(Outcome::WorkerFault, Some(error));
        }
        let own = match shared.own_files.find(&spec_of(job).backbone).await {
            Ok(own) => own,
            Err(why) => return failed(Outcome::BadInput, Some(why)),
        };
        let (client, artifacts) = (&shared.client, &shared.artifacts);
        let cache_dir = shared.home.cache();
        let message = tokio::select! {
            prepared = files::prepare(client, artifacts, attempt.hold, job, own, cache_dir, work_dir) => match prepared {
                Ok(message) => {
                    shared.has_dataset(dataset_of(job));
                    message
                }
                Err(Undelivered::Lost) => return failed(Outcome::Cancelled, None),
                Err(Undelivered::Refused(error)) => {
                    // What the server refuses, or sends damaged again and again, is no fault of this machine.
                    let is_ours = error.status().is_none() && !error.is_damage();
                    let outcome = match is_ours {
                        true => Outcome::WorkerFault,
                        false => Outcome::Crashed,
                    };
                    return failed(outcome, Some(format!("cannot fetch the job's files: {error}")));
                }
            },
            why = interruption(attempt.hold, attempt.stopping) => return failed(why.outcome(), None),
        };
        // It may have died while the files came.
        match self.has_trainer().await {
            Ok(true) => {}
            Ok(false) => return failed(Outcome::Preempted, None),
            Err(error) => return failed(Outcome::WorkerFault, Some(format!("{error:#}"))),
        }
        let trainer = self.trainer.as_mut().expect("it is ready");
        let (result, obituary) = attempt.run(trainer, &message).await;
        if obituary.is_some() {
            self.trainer = None;
            self.gauge.set_pid(None);
        }
        result
    }
}
