//! What comes of a job, on its way to the server. The slot goes on meanwhile; the lease stays in the
//! heartbeats until this is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cultivar_client::{Client, Error};
use cultivar_spec::trainer::JobResult;
use cultivar_spec::wire::{Finish, MetricValue};
use cultivar_spec::{Outcome, Sha256Digest, TrialId};
use tokio::time::Instant;

use super::checkpoints::Checkpoints;
use super::leases::Hold;
use super::outbox::Outbox;
use super::persist::{Undelivered, persist, persist_file};

/// A job that is over, and all that is left of it.
pub struct Delivery {
    pub client: Client,
    pub hold: Arc<Hold>,
    pub trial: TrialId,
    pub started: Instant,
    pub result: JobResult,
    pub outbox: Outbox,
    pub checkpoints: Checkpoints,
    pub work_dir: PathBuf,
}

impl Delivery {
    /// Delivers everything, the outcome last, and removes the job's folder.
    pub async fn run(mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.result.cost.seconds == 0.0 {
            self.result.cost.seconds = seconds;
        }
        let outcome = self.result.outcome;
        let (trial, lease) = (self.trial, self.hold.lease);
        let error = self.result.error.clone().unwrap_or_default();
        tracing::info!(%trial, %lease, outcome = outcome.name(), seconds, error, "job ended");

        let work_dir = self.work_dir.clone();
        match self.deliver().await {
            Ok(()) => {}
            Err(Undelivered::Lost) => {
                tracing::warn!(%trial, %lease, "the trial went on without this lease: its result is dropped");
            }
            Err(Undelivered::Refused(error)) => {
                tracing::error!(%trial, %lease, %error, "the result cannot be delivered");
            }
        }
        if let Err(error) = tokio::fs::remove_dir_all(&work_dir).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "{} is left behind", work_dir.display());
        }
    }

    async fn deliver(self) -> Result<(), Undelivered> {
        let Self {
            client,
            hold,
            result,
            outbox,
            checkpoints,
            ..
        } = self;
        let outcome = result.outcome;
        outbox.close().await;
        checkpoints.close(is_resumed_after(outcome)).await;
        let mut finish = Finish {
            outcome,
            error: result.error.clone(),
            step: result.step,
            metrics: result
                .metrics
                .iter()
                .map(|(name, value)| (name.clone(), MetricValue(*value)))
                .collect(),
            model: None,
            predictions: None,
            cost: result.cost.clone(),
        };
        if outcome == Outcome::Completed {
            match upload_results(&client, &hold, &result).await {
                Ok((model, predictions)) => {
                    finish.model = model;
                    finish.predictions = predictions;
                }
                Err(Undelivered::Refused(error @ Error::File { .. })) => {
                    fail(&mut finish, Outcome::WorkerFault, &error);
                }
                Err(other) => return Err(other),
            }
        }
        match persist(&hold, || client.finish(hold.lease, &finish)).await {
            // The attempt is still ours to end; with another result it would be the same again.
            Err(Undelivered::Refused(error)) if error.status() == Some(422) => {
                fail(&mut finish, Outcome::Crashed, &error);
                persist(&hold, || client.finish(hold.lease, &finish)).await?;
                Ok(())
            }
            other => other.map(drop),
        }
    }
}

/// The result did not arrive whole; the attempt ends otherwise.
fn fail(finish: &mut Finish, outcome: Outcome, error: &Error) {
    tracing::error!(%error, "the result of a completed job is not accepted");
    finish.outcome = outcome;
    let violations = error.body().map(|body| body.violations.as_slice());
    let details = violations
        .unwrap_or_default()
        .iter()
        .map(|v| format!("; {v}"));
    finish.error = Some(format!(
        "the result was not accepted: {error}{}",
        details.collect::<String>()
    ));
    finish.model = None;
    finish.predictions = None;
}

async fn upload_results(
    client: &Client,
    hold: &Hold,
    result: &JobResult,
) -> Result<(Option<Sha256Digest>, Option<Sha256Digest>), Undelivered> {
    tokio::try_join!(
        upload(client, hold, result.model.as_deref()),
        upload(client, hold, result.predictions.as_deref()),
    )
}

async fn upload(
    client: &Client,
    hold: &Hold,
    path: Option<&Path>,
) -> Result<Option<Sha256Digest>, Undelivered> {
    match path {
        Some(path) => persist_file(hold, || client.upload(path)).await.map(Some),
        None => Ok(None),
    }
}

/// Somebody may go on from its last checkpoint.
fn is_resumed_after(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Completed | Outcome::Cancelled | Outcome::Pruned | Outcome::BadInput
    )
}
