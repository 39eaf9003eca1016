//! One job, from the trainer's first step to whatever end it finds.

use std::time::Duration;

use cultivar_spec::Outcome;
use cultivar_spec::trainer::{Cost, FromTrainer, JobResult, StopWhy, ToTrainer};
use cultivar_spec::wire::Order;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::checkpoints::Checkpoints;
use super::child::Trainer;
use super::gauge::Gauge;
use super::leases::Hold;
use super::obituary::Obituary;
use super::outbox::Outbox;
use super::stall::StallWatch;

/// How long a trainer that was told to stop may take: the step it is at, and a checkpoint.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Between two looks at the trainer's log.
const LOG_PERIOD: Duration = Duration::from_secs(1);

/// What a job reports to.
pub struct Attempt<'a> {
    pub hold: &'a Hold,
    pub stopping: &'a CancellationToken,
    pub gauge: &'a Gauge,
    pub outbox: &'a Outbox,
    pub checkpoints: &'a Checkpoints,
    pub min_stall: Duration,
}

/// Why a job must stop now: the server says so, the lease is running out while no heartbeat is answered, or
/// the worker was told to go.
pub async fn interruption(hold: &Hold, stopping: &CancellationToken) -> StopWhy {
    tokio::select! {
        order = hold.ordered() => why(order),
        () = hold.run_out() => {
            tracing::warn!(lease = %hold.lease, "no heartbeat was answered for most of a lease: stopping");
            StopWhy::Preempt
        }
        () = stopping.cancelled() => StopWhy::Preempt,
    }
}

fn why(order: Order) -> StopWhy {
    match order {
        Order::Prune => StopWhy::Prune,
        Order::Yield => StopWhy::Yield,
        // Of a lost lease nothing is wanted; nothing of it will be reported either.
        Order::Cancel | Order::Unknown | Order::Continue => StopWhy::Cancel,
    }
}

/// The result of a job that has none of its own.
pub fn without_result(outcome: Outcome, error: Option<String>, step: u64) -> JobResult {
    JobResult {
        outcome,
        error,
        step,
        metrics: Default::default(),
        model: None,
        predictions: None,
        cost: Cost {
            code_version: env!("CARGO_PKG_VERSION").into(),
            ..Cost::default()
        },
    }
}

impl Attempt<'_> {
    /// Hands `message` to the trainer and sees the job through. Answers with the result and, where the
    /// trainer is not fit for another job, what became of it. What it logs meanwhile goes into the outbox.
    pub async fn run(
        &self,
        trainer: &mut Trainer,
        message: &ToTrainer,
    ) -> (JobResult, Option<Obituary>) {
        let log = trainer.log();
        let mut n_lines = log.n_lines();
        let done = {
            let seen_through = self.see_through(trainer, message);
            tokio::pin!(seen_through);
            loop {
                tokio::select! {
                    done = &mut seen_through => break done,
                    () = tokio::time::sleep(LOG_PERIOD) => self.outbox.lines(log.read_on(&mut n_lines)),
                }
            }
        };
        self.outbox.lines(log.read_on(&mut n_lines));
        done
    }

    async fn see_through(
        &self,
        trainer: &mut Trainer,
        message: &ToTrainer,
    ) -> (JobResult, Option<Obituary>) {
        let tag = self.hold.lease.to_string();
        let mut stall = StallWatch::new(self.min_stall, Instant::now());
        // Why it must stop, and by when.
        let mut told: Option<(StopWhy, Instant)> = None;
        let mut step = 0;
        trainer.send(message).await;
        loop {
            // Once it is to stop, at the latest before the trial can be given to somebody else.
            let deadline = |stall: &StallWatch| match told {
                Some((_, by)) => by.min(self.hold.end()),
                None => stall.deadline(),
            };
            let order = tokio::select! {
                event = trainer.next() => {
                    match event {
                        Ok(FromTrainer::Done { tag: of, result }) if of == tag => {
                            return self.done(trainer, result).await;
                        }
                        Ok(event) => self.take(event, &mut stall, &mut step),
                        Err(obituary) => {
                            let outcome = outcome_of(told, Outcome::Crashed);
                            let error = Some(obituary.summary());
                            return (without_result(outcome, error, step), Some(obituary));
                        }
                    }
                    None
                }
                why = interruption(self.hold, self.stopping), if told.is_none() => Some(why),
                // Somebody may change their mind about what is being stored.
                order = self.hold.ordered_beyond(heeded(told)), if told.is_some_and(|(why, _)| why.checkpoints()) => {
                    Some(why(order))
                }
                () = tokio::time::sleep_until(deadline(&stall)) => {
                    if Instant::now() < deadline(&stall) {
                        // The lease was renewed.
                        continue;
                    }
                    let obituary = trainer.kill().await;
                    let error = match told {
                        None => format!("no sign of life for {:.0} s", stall.limit().as_secs_f64()),
                        Some(_) => "did not stop in time and was killed".to_owned(),
                    };
                    let outcome = outcome_of(told, Outcome::Stalled);
                    return (without_result(outcome, Some(error), step), Some(obituary));
                }
            };
            if let Some(why) = order {
                let by = Instant::now() + STOP_GRACE;
                let by = told.map_or(by, |(_, earlier)| earlier.min(by));
                // One that reads nothing any more is killed like one that does not stop.
                tokio::time::timeout_at(by.min(self.hold.end()), trainer.stop(&tag, why))
                    .await
                    .ok();
                told = Some((why, by));
            }
        }
    }

    fn take(&self, event: FromTrainer, stall: &mut StallWatch, step: &mut u64) {
        let now = Instant::now();
        stall.heard(now);
        match event {
            FromTrainer::Progress { progress, .. } => {
                *step = progress.step;
                if progress.phase == "training" {
                    self.gauge.set_trains(true);
                }
                stall.stepped(*step, now);
                self.outbox.progress(progress);
            }
            FromTrainer::Metrics { points, .. } => self.outbox.points(points),
            FromTrainer::Checkpoint {
                path,
                epoch,
                step: at,
                ..
            } => {
                *step = at.max(*step);
                if let Err(error) = self.checkpoints.offer(&path, epoch, at) {
                    tracing::warn!(%error, "the checkpoint {} cannot be read", path.display());
                }
            }
            FromTrainer::Ready { .. } | FromTrainer::Done { .. } => {}
        }
    }

    /// After these the process may be damaged: a poisoned GPU context, memory that stays taken.
    async fn done(
        &self,
        trainer: &mut Trainer,
        result: JobResult,
    ) -> (JobResult, Option<Obituary>) {
        let is_fit = !matches!(
            result.outcome,
            Outcome::Crashed | Outcome::OutOfMemory | Outcome::WorkerFault
        );
        if is_fit {
            return (result, None);
        }
        let obituary = trainer.kill().await;
        (result, Some(obituary))
    }
}

/// The order that a job was told to stop by; only a graver one changes anything.
fn heeded(told: Option<(StopWhy, Instant)>) -> Order {
    match told {
        None | Some((StopWhy::Preempt, _)) => Order::Continue,
        Some((StopWhy::Yield, _)) => Order::Yield,
        Some((StopWhy::Prune, _)) => Order::Prune,
        Some((StopWhy::Cancel, _)) => Order::Cancel,
    }
}

/// A job that was told to stop has stopped, however roughly.
fn outcome_of(told: Option<(StopWhy, Instant)>, otherwise: Outcome) -> Outcome {
    told.map_or(otherwise, |(why, _)| why.outcome())
}
