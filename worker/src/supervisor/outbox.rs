//! Progress, metrics and log lines on their way up: gathered, sent about once a second, never in the trainer's way.

use std::sync::Arc;
use std::time::Duration;

use cultivar_client::Client;
use cultivar_spec::wire::{LeaseReply, LogBatch, MetricBatch, MetricPoint, Progress};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::leases::Hold;
use super::persist::{Undelivered, persist};

/// Between two batches.
const PERIOD: Duration = Duration::from_secs(1);
/// Points or lines a request; the server takes more.
const MAX_ITEMS: usize = 5000;

enum Item {
    Progress(Progress),
    Points(Vec<MetricPoint>),
    Lines(Vec<String>),
}

/// What a job says of itself.
#[derive(Debug)]
pub struct Outbox {
    items: mpsc::UnboundedSender<Item>,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl Outbox {
    pub fn open(client: Client, hold: Arc<Hold>) -> Self {
        let (items, receiver) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let task = tokio::spawn(send_all(client, hold, receiver, closing.clone()));
        Self {
            items,
            closing,
            task,
        }
    }

    /// Where the job is; only the latest is sent.
    pub fn progress(&self, progress: Progress) {
        // A receiver that is gone lost its lease, and nobody wants to know.
        let _ = self.items.send(Item::Progress(progress));
    }

    /// Values to store; all are sent.
    pub fn points(&self, points: Vec<MetricPoint>) {
        let _ = self.items.send(Item::Points(points));
    }

    /// Lines of the log; all are sent.
    pub fn lines(&self, lines: Vec<String>) {
        if !lines.is_empty() {
            let _ = self.items.send(Item::Lines(lines));
        }
    }

    /// Sends the rest.
    pub async fn close(self) {
        self.closing.cancel();
        drop(self.items);
        // A panic there was reported by the runtime, and costs metrics, not results.
        let _ = self.task.await;
    }
}

async fn send_all(
    client: Client,
    hold: Arc<Hold>,
    mut items: mpsc::UnboundedReceiver<Item>,
    closing: CancellationToken,
) {
    let mut n_lines = 0;
    while let Some(first) = items.recv().await {
        let mut batch = MetricBatch::default();
        let mut lines = Vec::new();
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Progress(progress) => batch.progress = Some(progress),
                Item::Points(points) => batch.points.extend(points),
                Item::Lines(more) => lines.extend(more),
            }
            let has_room = batch.points.len().max(lines.len()) < MAX_ITEMS;
            next = has_room.then(|| items.try_recv().ok()).flatten();
        }
        if batch.progress.is_some() || !batch.points.is_empty() {
            let sent = persist(&hold, || client.report_metrics(hold.lease, &batch)).await;
            if is_lost(sent, &hold, "metrics") {
                return;
            }
        }
        if !lines.is_empty() {
            let first_line = n_lines;
            n_lines += lines.len() as u64;
            let batch = LogBatch { first_line, lines };
            let sent = persist(&hold, || client.report_logs(hold.lease, &batch)).await;
            if is_lost(sent, &hold, "log lines") {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = closing.cancelled() => {}
        }
    }
}

/// Does as the server says. True where the lease is no more, and nothing of it is wanted.
fn is_lost(sent: Result<LeaseReply, Undelivered>, hold: &Hold, what: &str) -> bool {
    match sent {
        Ok(reply) => hold.obey(reply.order),
        Err(Undelivered::Lost) => return true,
        Err(Undelivered::Refused(error)) => {
            tracing::warn!(%error, lease = %hold.lease, "{what} are lost");
        }
    }
    false
}
