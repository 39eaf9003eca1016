//! One lease from claim to outcome.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cultivar_spec::trainer::{
    Cost, EvaluateJob, FromTrainer, JobFiles, JobResult, StopWhy, ToTrainer, TrainJob,
};
use cultivar_spec::wire::{DatasetFiles, Finish, Job, Lease, MetricValue, Order};
use cultivar_spec::{Outcome, Sha256Digest};

use super::Worker;
use super::child::Trainer;
use super::reporter::{self, Reporter};
use super::stall::StallWatch;

/// How long a finished job waits for a server that is away.
const FINISH_PATIENCE: Duration = Duration::from_secs(3600);
/// How long a stopped trainer may take to write its checkpoint.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// How a lease ended here, before the server hears of it.
struct Ending {
    result: JobResult,
    log: Vec<String>,
}

/// Runs a lease and reports its outcome. `trainer` is reused, and replaced when it dies.
pub async fn run(worker: &Arc<Worker>, trainer: &mut Option<Trainer>, lease: Lease) -> Outcome {
    let mut orders = worker.held.hold(lease.id);
    let reporter = Reporter::start(Arc::clone(worker), lease.id);
    let ending = match prepare(worker, &lease).await {
        Err(error) => Ending {
            result: failure(Outcome::WorkerFault, error),
            log: Vec::new(),
        },
        Ok(order) => match ready(trainer).await {
            Err(error) => Ending {
                result: failure(Outcome::WorkerFault, error),
                log: Vec::new(),
            },
            Ok(()) => attend(worker, trainer, &lease, order, &mut orders, &reporter).await,
        },
    };
    reporter.close().await;
    let outcome = ending.result.outcome;
    // A lease that the server gave away: nothing of it counts, and nobody waits for it.
    if *orders.borrow() != Order::Unknown {
        finish(worker, &lease, ending).await;
    }
    let _ = tokio::fs::remove_dir_all(worker.home.work(lease.id)).await;
    outcome
}

/// A live trainer in the slot.
async fn ready(trainer: &mut Option<Trainer>) -> Result<(), String> {
    if trainer.as_mut().is_some_and(Trainer::is_alive) {
        return Ok(());
    }
    *trainer = None;
    *trainer = Some(
        Trainer::start()
            .await
            .map_err(|error| format!("the trainer does not start: {error:#}"))?,
    );
    Ok(())
}

/// Downloads what the job needs and words the order to the trainer.
async fn prepare(worker: &Worker, lease: &Lease) -> Result<ToTrainer, String> {
    let work_dir = worker.home.work(lease.id);
    tokio::fs::create_dir_all(&work_dir)
        .await
        .map_err(|error| format!("{}: {error}", work_dir.display()))?;
    let tag = lease.id.to_string();
    match &lease.job {
        Job::Train {
            spec,
            dataset,
            weights,
            resume,
        } => {
            let files = files(worker, dataset, work_dir).await?;
            let weights = fetch_some(worker, *weights).await?;
            let resume =
                fetch_some(worker, resume.as_ref().map(|checkpoint| checkpoint.sha256)).await?;
            let job = TrainJob {
                tag,
                spec: spec.as_ref().clone(),
                files,
                weights,
                resume,
            };
            Ok(ToTrainer::Train { jobs: vec![job] })
        }
        Job::Evaluate {
            spec,
            dataset,
            model,
            split,
        } => {
            let files = files(worker, dataset, work_dir).await?;
            let model = fetch(worker, *model).await?;
            let job = EvaluateJob {
                tag,
                spec: spec.as_ref().clone(),
                files,
                model,
                split: *split,
            };
            Ok(ToTrainer::Evaluate { job })
        }
    }
}

async fn files(
    worker: &Worker,
    dataset: &DatasetFiles,
    work_dir: PathBuf,
) -> Result<JobFiles, String> {
    let manifest = fetch(worker, dataset.manifest).await?;
    let mut data = Vec::new();
    for file in &dataset.data {
        data.push(fetch(worker, *file).await?);
    }
    Ok(JobFiles {
        manifest,
        data,
        cache_dir: worker.home.cache(),
        work_dir,
    })
}

async fn fetch(worker: &Worker, sha256: Sha256Digest) -> Result<PathBuf, String> {
    worker
        .artifacts
        .get(sha256)
        .await
        .map_err(|error| format!("artifact {sha256}: {error}"))
}

async fn fetch_some(
    worker: &Worker,
    sha256: Option<Sha256Digest>,
) -> Result<Option<PathBuf>, String> {
    match sha256 {
        Some(sha256) => fetch(worker, sha256).await.map(Some),
        None => Ok(None),
    }
}

/// Gives the order and listens until the job is over, one way or another.
async fn attend(
    worker: &Worker,
    slot: &mut Option<Trainer>,
    lease: &Lease,
    order: ToTrainer,
    orders: &mut tokio::sync::watch::Receiver<Order>,
    reporter: &Reporter,
) -> Ending {
    let tag = lease.id.to_string();
    let mut trainer = slot.take().expect("the slot has a live trainer");
    let mut leaving = worker.leaving.clone();
    let mut watch = StallWatch::new(Instant::now());
    let mut stopping: Option<(StopWhy, Instant)> = None;
    if trainer.order(&order).await.is_err() {
        return died(trainer, Outcome::Crashed).await;
    }
    loop {
        let stalled_at = stopping.map_or(watch.deadline(), |(_, since)| since + STOP_PATIENCE);
        let wanted = tokio::select! {
            event = trainer.events.recv() => {
                match event {
                    None => return died(trainer, Outcome::Crashed).await,
                    Some(FromTrainer::Done { result, .. }) => {
                        *slot = Some(trainer);
                        return Ending { result, log: Vec::new() };
                    }
                    Some(FromTrainer::Progress { progress, .. }) => {
                        watch.step(progress.step, Instant::now());
                        reporter.progress(progress);
                    }
                    Some(FromTrainer::Metrics { points, .. }) => {
                        watch.sign(Instant::now());
                        reporter.metrics(points);
                    }
                    Some(FromTrainer::Checkpoint { path, epoch, step, .. }) => {
                        watch.sign(Instant::now());
                        reporter.checkpoint(path, epoch, step);
                    }
                    Some(FromTrainer::Ready { .. }) => {}
                }
                continue;
            }
            Ok(()) = orders.changed(), if stopping.is_none() => match *orders.borrow_and_update() {
                Order::Continue => continue,
                Order::Prune => StopWhy::Prune,
                Order::Cancel | Order::Unknown => StopWhy::Cancel,
            },
            () = super::told_to_leave(&mut leaving), if stopping.is_none() => StopWhy::Preempt,
            () = tokio::time::sleep_until(stalled_at.into()) => {
                let mut ending = Ending::of(trainer.kill().await, Outcome::Stalled);
                ending.result.error = Some("the trainer made no step for too long and was ended".into());
                return ending;
            }
        };
        stopping = Some((wanted, Instant::now()));
        if trainer
            .order(&ToTrainer::Stop {
                tag: tag.clone(),
                why: wanted,
            })
            .await
            .is_err()
        {
            return died(trainer, Outcome::Crashed).await;
        }
    }
}

async fn died(trainer: Trainer, outcome: Outcome) -> Ending {
    Ending::of(trainer.obituary().await, outcome)
}

impl Ending {
    fn of(obituary: super::child::Obituary, outcome: Outcome) -> Self {
        Self {
            result: failure(outcome, obituary.cause),
            log: obituary.last_words,
        }
    }
}

fn failure(outcome: Outcome, error: String) -> JobResult {
    JobResult {
        outcome,
        error: Some(error),
        step: 0,
        metrics: BTreeMap::new(),
        model: None,
        predictions: None,
        cost: Cost::default(),
    }
}

/// Uploads what the job made and reports its outcome.
async fn finish(worker: &Worker, lease: &Lease, ending: Ending) {
    let client = worker.client.clone().with_patience(FINISH_PATIENCE);
    reporter::logs(&client, lease.id, ending.log).await;
    let mut result = ending.result;
    let mut uploaded = [None, None];
    for (slot, path) in uploaded
        .iter_mut()
        .zip([&result.model, &result.predictions])
    {
        let Some(path) = path else { continue };
        match reporter::upload(&client, path).await {
            Ok(sha256) => *slot = Some(sha256),
            Err(error) => {
                result.outcome = Outcome::WorkerFault;
                result.error = Some(format!("the result was not uploaded: {error}"));
            }
        }
    }
    let [model, predictions] = uploaded;
    let metrics = result
        .metrics
        .into_iter()
        .map(|(name, value)| (name, MetricValue(value)))
        .collect();
    let finish = Finish {
        outcome: result.outcome,
        error: result.error,
        step: result.step,
        metrics,
        model,
        predictions,
        cost: result.cost,
    };
    match client.finish(lease.id, &finish).await {
        Ok(_) => {}
        Err(error) if error.is_superseded() => {
            tracing::info!(lease = %lease.id, "somebody else has the trial by now")
        }
        Err(error) => tracing::error!(lease = %lease.id, "the outcome was not taken: {error}"),
    }
}
