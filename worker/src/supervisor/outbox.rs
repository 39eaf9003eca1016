//! Progress and metrics on their way up: gathered, sent about once a second, never in the trainer's way.

use std::sync::Arc;
use std::time::Duration;

use cultivar_client::Client;
use cultivar_spec::wire::{MetricBatch, MetricPoint, Progress};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::leases::Hold;
use super::persist::{Undelivered, persist};

/// Between two batches.
const PERIOD: Duration = Duration::from_secs(1);
/// Points a request; the server takes more.
const MAX_POINTS: usize = 5000;

enum Item {
    Progress(Progress),
    Points(Vec<MetricPoint>),
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
    while let Some(first) = items.recv().await {
        let mut batch = MetricBatch::default();
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Progress(progress) => batch.progress = Some(progress),
                Item::Points(points) => batch.points.extend(points),
            }
            let has_room = batch.points.len() < MAX_POINTS;
            next = has_room.then(|| items.try_recv().ok()).flatten();
        }
        match persist(&hold, || client.report_metrics(hold.lease, &batch)).await {
            Ok(reply) => hold.obey(reply.order),
            Err(Undelivered::Lost) => return,
            Err(Undelivered::Refused(error)) => {
                tracing::warn!(%error, lease = %hold.lease, "metrics are lost");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = closing.cancelled() => {}
        }
    }
}
