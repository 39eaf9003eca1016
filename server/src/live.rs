//! Live events: one poller a replica reads what all replicas wrote, and feeds the pages that are open here.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse;
use cultivar_spec::TrialId;
use cultivar_spec::wire::Event;
use futures::Stream;
use futures::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

/// How often the database is asked.
const POLL: Duration = Duration::from_millis(250);
/// Events a slow page may lag behind before it reads from the database again.
const CAPACITY: usize = 1024;
/// Events read at once.
const PAGE: i64 = 500;

/// Where an event stands in the one order all replicas agree on. As an SSE id: `xid-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The transaction that wrote it.
    pub xid: u64,
    /// Its place within.
    pub id: u64,
}

/// The text is no [`Position`].
#[derive(Debug, thiserror::Error)]
#[error("want the id of an event of this stream, as 1234-56")]
pub struct NotAPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.xid, self.id)
    }
}

impl FromStr for Position {
    type Err = NotAPosition;
    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (xid, id) = text.split_once('-').ok_or(NotAPosition)?;
        let number = |text: &str| text.parse().map_err(|_| NotAPosition);
        let id = number(id)?;
        // It is compared with a bigint.
        if id > i64::MAX as u64 {
            return Err(NotAPosition);
        }
        Ok(Self {
            xid: number(xid)?,
            id,
        })
    }
}

/// An event on its way to a page. Progress has no position: only the latest matters.
#[derive(Clone, Debug)]
pub struct Item {
    pub position: Option<Position>,
    pub event: Event,
}

impl Item {
    /// As the browser's `EventSource` reads it.
    pub fn to_sse(&self) -> sse::Event {
        let name = match &self.event {
            Event::Trial { .. } => "trial",
            Event::Progress { .. } => "progress",
            Event::Evaluation { .. } => "evaluation",
            Event::Sweep { .. } => "sweep",
            Event::Dataset { .. } => "dataset",
            Event::Sota { .. } => "sota",
        };
        let data = serde_json::to_string(&self.event).expect("events serialize");
        let event = sse::Event::default().event(name).data(data);
        match self.position {
            Some(position) => event.id(position.to_string()),
            None => event,
        }
    }
}

/// The feed of this replica; cheap to clone.
#[derive(Clone)]
pub struct Live {
    sender: broadcast::Sender<Arc<Item>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
        }
    }
}

/// Reads what happened and feeds the open pages, until shutdown.
pub async fn run(state: AppState) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut poller = Poller::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.shutdown.cancelled() => return,
        }
        if let Err(error) = poller.poll(&state).await {
            tracing::warn!(%error, "cannot read events");
        }
    }
}

#[derive(Default)]
struct Poller {
    position: Option<Position>,
    last_progress: HashMap<TrialId, chrono::DateTime<chrono::Utc>>,
}

impl Poller {
    async fn poll(&mut self, state: &AppState) -> Result<(), sqlx::Error> {
        let sender = &state.live.sender;
        let mut position = match self.position {
            Some(position) => position,
            None => store::event::now(&state.pool).await?,
        };
        loop {
            self.position = Some(position);
            let events = store::event::after(&state.pool, position, PAGE).await?;
            let is_last = events.len() < PAGE as usize;
            for (at, event) in events {
                position = at;
                let item = Item {
                    position: Some(at),
                    event,
                };
                // An error only says that no page is open.
                sender.send(Arc::new(item)).ok();
            }
            self.position = Some(position);
            if is_last {
                break;
            }
        }
        if sender.receiver_count() > 0 {
            self.poll_progress(state).await?;
        }
        Ok(())
    }

    async fn poll_progress(&mut self, state: &AppState) -> Result<(), sqlx::Error> {
        let mut current = HashMap::new();
        for (updated_at, event) in store::event::recent_progress(&state.pool).await? {
            let Event::Progress { trial, .. } = &event else {
                continue;
            };
            let trial = *trial;
            current.insert(trial, updated_at);
            if self.last_progress.get(&trial) != Some(&updated_at) {
                let item = Item {
                    position: None,
                    event,
                };
                state.live.sender.send(Arc::new(item)).ok();
            }
        }
        self.last_progress = current;
        Ok(())
    }
}

/// One page's view of the stream.
struct Follower {
    state: AppState,
    receiver: broadcast::Receiver<Arc<Item>>,
    /// The last event passed on.
    position: Position,
    /// Read from the database, not yet passed on.
    backlog: VecDeque<Arc<Item>>,
    /// The database holds events that the feed will not bring.
    behind: bool,
}

/// Events after `after`, or from now on, without gaps or repetitions.
///
/// # Errors
/// The database is out of reach.
pub async fn follow(
    state: &AppState,
    after: Option<Position>,
) -> Result<impl Stream<Item = Arc<Item>> + use<>, ApiError> {
    // Subscribe first: what is written while the past is read arrives by both ways, and is passed on once.
    let receiver = state.live.sender.subscribe();
    let position = match after {
        Some(position) => position,
        None => store::event::now(&state.pool).await?,
    };
    let follower = Follower {
        state: state.clone(),
        receiver,
        position,
        backlog: VecDeque::new(),
        behind: after.is_some(),
    };
    Ok(stream::unfold(follower, |mut follower| async move {
        let item = follower.next().await?;
        Some((item, follower))
    }))
}

impl Follower {
    /// The next event; `None` ends the stream, and the page comes back with its last id.
    async fn next(&mut self) -> Option<Arc<Item>> {
        loop {
            if let Some(item) = self.backlog.pop_front() {
                return Some(item);
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            let received = tokio::select! {
                received = self.receiver.recv() => received,
                () = self.state.shutdown.cancelled() => return None,
            };
            match received {
                Ok(item) => match item.position {
                    Some(position) if position <= self.position => {}
                    Some(position) => {
                        self.position = position;
                        return Some(item);
                    }
                    None => return Some(item),
                },
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        let events = match store::event::after(&self.state.pool, self.position, PAGE).await {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(%error, "cannot read events for a page");
                return None;
            }
        };
        self.behind = events.len() == PAGE as usize;
        for (position, event) in events {
            self.position = position;
            self.backlog.push_back(Arc::new(Item {
                position: Some(position),
                event,
            }));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip_and_order() {
        let position: Position = "12-3".parse().unwrap();
        assert_eq!(position.to_string(), "12-3");
        assert!(position < "12-4".parse().unwrap());
        assert!(position < "13-1".parse().unwrap());
        for wrong in ["", "12", "a-b", "12-", "-1-2", "1-9223372036854775808"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }
}
