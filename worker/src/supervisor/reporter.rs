//! Tells the server how a job goes, without holding the job up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cultivar_client::{Client, Error};
use cultivar_spec::wire::{CheckpointRef, LogBatch, MetricBatch, MetricPoint, Order, Progress};
use cultivar_spec::{LeaseId, Sha256Digest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Worker;

/// Progress is told at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(900);
/// How long a write waits for a server that is away, before the next one takes over.
const PATIENCE: Duration = Duration::from_secs(600);

enum News {
    Progress(Progress),
    Metrics(Vec<MetricPoint>),
    Checkpoint {
        path: PathBuf,
        epoch: u32,
        step: u64,
    },
}

/// The voice of one lease.
#[derive(Debug)]
pub struct Reporter {
    news: mpsc::UnboundedSender<News>,
    task: JoinHandle<()>,
}

impl Reporter {
    pub fn start(worker: Arc<Worker>, lease: LeaseId) -> Self {
        let (news, mut inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let client = worker.client.clone().with_patience(PATIENCE);
            let mut told = None;
            while let Some(item) = inbox.recv().await {
                let reply = match item {
                    News::Progress(_)
                        if told.is_some_and(|at: Instant| at.elapsed() < PROGRESS_INTERVAL) =>
                    {
                        continue;
                    }
                    News::Progress(progress) => {
                        told = Some(Instant::now());
                        client
                            .report_metrics(
                                lease,
                                &MetricBatch {
                                    points: Vec::new(),
                                    progress: Some(progress),
                                },
                            )
                            .await
                    }
                    News::Metrics(points) => {
                        client
                            .report_metrics(
                                lease,
                                &MetricBatch {
                                    points,
                                    progress: None,
                                },
                            )
                            .await
                    }
                    News::Checkpoint { path, epoch, step } => match upload(&client, &path).await {
                        Ok(sha256) => {
                            let _ = tokio::fs::remove_file(&path).await;
                            client
                                .report_checkpoint(
                                    lease,
                                    &CheckpointRef {
                                        sha256,
                                        epoch,
                                        step,
                                    },
                                )
                                .await
                        }
                        Err(error) => Err(error),
                    },
                };
                match reply {
                    Ok(reply) => worker.held.order(lease, reply.order),
                    Err(error) if error.is_superseded() => worker.held.order(lease, Order::Unknown),
                    Err(error) => {
                        tracing::warn!(%lease, "the server did not take a report: {error}")
                    }
                }
            }
        });
        Self { news, task }
    }

    pub fn progress(&self, progress: Progress) {
        self.say(News::Progress(progress));
    }

    pub fn metrics(&self, points: Vec<MetricPoint>) {
        self.say(News::Metrics(points));
    }

    pub fn checkpoint(&self, path: PathBuf, epoch: u32, step: u64) {
        self.say(News::Checkpoint { path, epoch, step });
    }

    fn say(&self, news: News) {
        // The task ends only after this sender is gone.
        let _ = self.news.send(news);
    }

    /// Waits until everything was told.
    pub async fn close(self) {
        drop(self.news);
        let _ = self.task.await;
    }
}

/// Stores a file on the server under its digest.
pub async fn upload(client: &Client, path: &Path) -> Result<Sha256Digest, Error> {
    client.upload(path).await
}

/// The end of a trainer's log, for whoever asks why.
pub async fn logs(client: &Client, lease: LeaseId, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    if let Err(error) = client
        .report_logs(
            lease,
            &LogBatch {
                first_line: 0,
                lines,
            },
        )
        .await
    {
        tracing::warn!(%lease, "the server did not take the log: {error}");
    }
}
