//! The event stream, opened again whenever it breaks.

use std::time::Duration;

use cultivar_client::Client;
use cultivar_spec::wire::Event;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Between two tries; polling goes on meanwhile.
const REOPEN_AFTER: Duration = Duration::from_secs(2);
/// Events that may wait for a slow terminal.
const MAX_WAITING: usize = 1024;

/// Events as they come. Ends its task when dropped.
pub struct Feed {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Feed {
    pub fn open(client: Client) -> Self {
        let (sender, events) = mpsc::channel(MAX_WAITING);
        let task = tokio::spawn(async move {
            loop {
                if let Ok(stream) = client.events(None).await {
                    let mut stream = std::pin::pin!(stream);
                    while let Some(Ok(event)) = stream.next().await {
                        if sender.send(event.event).await.is_err() {
                            return;
                        }
                    }
                }
                tokio::time::sleep(REOPEN_AFTER).await;
            }
        });
        Self { events, task }
    }

    /// The next event; waits for ever where none comes.
    pub async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
