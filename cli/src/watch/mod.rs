//! Following sweeps to their end, live.
//!
//! The event stream says at once what moves; the sweep's own counts, asked for every few seconds, are
//! the authority, so that a lost event loses nothing.

mod board;
mod feed;
mod screen;

use std::collections::BTreeSet;
use std::time::Duration;

use cultivar_client::{Client, TrialFilter};
use cultivar_spec::wire::{Event, TrialView};
use cultivar_spec::{SweepId, TrialId, TrialState};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub use board::{Tally, best_first, metric};
use board::{Board, changed};
use feed::Feed;
use screen::Screen;

/// How often the sweeps are asked about, events or not.
const POLL: Duration = Duration::from_secs(3);
/// After an event, others tend to follow: one question for all of them.
const SETTLE: Duration = Duration::from_millis(250);
/// How long the server may be away.
const PATIENCE: Duration = Duration::from_secs(300);
/// Running trials listed.
const MAX_RUNNING: u32 = 1000;

/// Follows sweeps until every trial of them is settled, and says how they stand.
///
/// # Errors
/// A sweep does not exist, the token is refused, or the server stays away.
pub async fn sweeps(client: &Client, ids: &[SweepId], quiet: bool) -> anyhow::Result<Tally> {
    let mut watcher = Watcher {
        client,
        ids,
        board: Board::default(),
        screen: (!quiet).then(Screen::new),
        announced: BTreeSet::new(),
        started: Instant::now(),
        answered: Instant::now(),
    };
    let mut feed = Feed::open(client.clone());
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refresh_at: Option<Instant> = None;
    loop {
        let soon = async {
            match refresh_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = poll.tick() => {
                watcher.refresh().await?;
                refresh_at = None;
            }
            () = soon => {
                watcher.refresh().await?;
                refresh_at = None;
            }
            event = feed.next() => {
                if watcher.take(event).await? {
                    refresh_at.get_or_insert(Instant::now() + SETTLE);
                }
            }
        }
        watcher.draw();
        if watcher.board.finished() {
            break;
        }
    }
    if let Some(screen) = watcher.screen {
        screen.close();
    }
    Ok(watcher.board.tally())
}

struct Watcher<'a> {
    client: &'a Client,
    ids: &'a [SweepId],
    board: Board,
    screen: Option<Screen>,
    /// State changes already told: trial, its attempts, and the state.
    announced: BTreeSet<(TrialId, u32, &'static str)>,
    started: Instant,
    /// When the server last answered.
    answered: Instant,
}

impl Watcher<'_> {
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn draw(&mut self) {
        let now = self.now();
        if let Some(screen) = &mut self.screen {
            screen.draw(&self.board, now);
        }
    }

    /// Takes an event. Answers whether the sweeps should be asked about soon.
    async fn take(&mut self, event: Event) -> anyhow::Result<bool> {
        match event {
            Event::Progress {
                trial,
                sweep: Some(sweep),
                progress,
            } if self.ids.contains(&sweep) => Ok(!self.board.set_progress(trial, progress)),
            Event::Trial {
                trial,
                sweep: Some(sweep),
                ..
            } if self.ids.contains(&sweep) => {
                if self.screen.is_some()
                    && let Ok(detail) = self.client.trial(trial).await
                {
                    self.announce(&detail.trial);
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Asks how the sweeps stand. A server that is away for a while is waited for.
    async fn refresh(&mut self) -> anyhow::Result<()> {
        match self.ask().await {
            Ok(()) => self.answered = Instant::now(),
            Err(error) if error.is_transient() && self.answered.elapsed() < PATIENCE => {
                tracing::debug!(%error, "the server does not answer: asking again");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), cultivar_client::Error> {
        let mut running = Vec::new();
        for &id in self.ids {
            let detail = self.client.sweep(id).await?;
            self.board.set_sweep(detail.sweep, self.now());
            let filter = TrialFilter {
                sweep: Some(id),
                state: Some(TrialState::Running),
                limit: Some(MAX_RUNNING),
                ..TrialFilter::default()
            };
            running.extend(self.client.trials(&filter).await?.trials);
        }
        for trial in &running {
            self.announce(trial);
        }
        for left in self.board.set_running(&running) {
            if self.screen.is_some() {
                let detail = self.client.trial(left).await?;
                self.announce(&detail.trial);
            }
        }
        Ok(())
    }

    /// Tells a change of state, once.
    fn announce(&mut self, trial: &TrialView) {
        let Some(screen) = &self.screen else { return };
        let told = match trial.state {
            TrialState::Queued => trial.n_attempts > 0,
            // A bar shows it.
            TrialState::Running => matches!(screen, Screen::Plain(_)),
            _ => true,
        };
        let change = (trial.id, trial.n_attempts, trial.state.name());
        if told && self.announced.insert(change) {
            screen.say(&changed(trial));
        }
    }
}
