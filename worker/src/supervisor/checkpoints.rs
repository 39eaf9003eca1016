//! Checkpoints on their way up: the latest one counts, and one at a time is sent.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cultivar_client::Client;
use cultivar_spec::wire::CheckpointRef;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::leases::Hold;
use super::persist::{Undelivered, persist, persist_file};

/// The checkpoints of one job.
#[derive(Debug)]
pub struct Checkpoints {
    waiting: Arc<Waiting>,
    work_dir: PathBuf,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<Checkpoint>,
    is_closing: bool,
}

/// A file of ours: gone when dropped.
#[derive(Debug)]
struct Checkpoint {
    path: PathBuf,
    epoch: u32,
    step: u64,
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        // The folder it lies in is removed in the end, whatever happens here.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Checkpoints {
    /// `work_dir` is the job's folder.
    pub fn open(client: Client, hold: Arc<Hold>, work_dir: &Path) -> Self {
        let waiting = Arc::new(Waiting::default());
        let task = tokio::spawn(send_all(client, hold, waiting.clone()));
        Self {
            waiting,
            work_dir: work_dir.to_owned(),
            task,
        }
    }

    /// Takes a checkpoint that the trainer wrote; it replaces one that still waits. The file gets a
    /// second name, so that the trainer may remove or replace its own.
    ///
    /// # Errors
    /// The file is not there.
    pub fn offer(&self, file: &Path, epoch: u32, step: u64) -> std::io::Result<()> {
        let path = self.work_dir.join(format!("upload-{step}"));
        if path.exists() {
            return Ok(());
        }
        std::fs::hard_link(file, &path)?;
        self.waiting.state().latest = Some(Checkpoint { path, epoch, step });
        self.waiting.changed.notify_one();
        Ok(())
    }

    /// Ends; with `keep`, the checkpoint that still waits is sent first.
    pub async fn close(self, keep: bool) {
        if !keep {
            self.task.abort();
        }
        self.waiting.state().is_closing = true;
        self.waiting.changed.notify_one();
        // It was aborted, or a panic was reported by the runtime: the trial starts further back.
        let _ = self.task.await;
    }
}

impl Waiting {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one to send; none after the last.
    async fn next(&self) -> Option<Checkpoint> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                let next = state.latest.take();
                if next.is_some() || state.is_closing {
                    return next;
                }
            }
            changed.await;
        }
    }
}

async fn send_all(client: Client, hold: Arc<Hold>, waiting: Arc<Waiting>) {
    while let Some(checkpoint) = waiting.next().await {
        match send(&client, &hold, &checkpoint).await {
            Ok(()) => {
                tracing::debug!(lease = %hold.lease, step = checkpoint.step, "checkpoint stored")
            }
            Err(Undelivered::Lost) => return,
            Err(Undelivered::Refused(error)) => {
                tracing::warn!(%error, lease = %hold.lease, "a checkpoint is lost");
            }
        }
    }
}

/// The file first, then its name: what is named exists (I5).
async fn send(client: &Client, hold: &Hold, checkpoint: &Checkpoint) -> Result<(), Undelivered> {
    let sha256 = persist_file(hold, || client.upload(&checkpoint.path)).await?;
    let named = CheckpointRef {
        sha256,
        epoch: checkpoint.epoch,
        step: checkpoint.step,
    };
    let reply = persist(hold, || client.report_checkpoint(hold.lease, &named)).await?;
    hold.obey(reply.order);
    Ok(())
}
