//! Drawing the board: moving bars on a terminal, plain lines anywhere else.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use cultivar_spec::TrialId;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::board::Board;

/// How often plain output repeats the summary, in seconds.
const SUMMARY_EVERY_S: f64 = 15.0;

/// Where progress goes. Everything is written to standard error, so that results can be piped.
pub enum Screen {
    Bars(Bars),
    Plain(Plain),
}

/// One bar a running trial, and one for all.
pub struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    trials: BTreeMap<TrialId, ProgressBar>,
}

/// A line when something changes, and a summary now and then.
pub struct Plain {
    /// When the last summary was written, in seconds.
    last_summary: Option<f64>,
}

impl Screen {
    /// Bars where somebody is looking.
    pub fn new() -> Self {
        if std::io::stderr().is_terminal() {
            Self::bars()
        } else {
            Self::Plain(Plain { last_summary: None })
        }
    }

    fn bars() -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(1));
        total.set_style(style("{bar:24} {msg}"));
        Self::Bars(Bars {
            all,
            total,
            trials: BTreeMap::new(),
        })
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        match self {
            // Lost only where the terminal is gone.
            Self::Bars(bars) => {
                let _ = bars.all.println(line);
            }
            Self::Plain(_) => eprintln!("{line}"),
        }
    }

    /// Brings what is seen up to the board.
    pub fn draw(&mut self, board: &Board, now: f64) {
        match self {
            Self::Bars(bars) => bars.draw(board, now),
            Self::Plain(plain) => plain.draw(board, now),
        }
    }

    /// Takes the bars away.
    pub fn close(self) {
        if let Self::Bars(bars) = self {
            bars.trials.values().for_each(ProgressBar::finish_and_clear);
            bars.total.finish_and_clear();
        }
    }
}

impl Bars {
    fn draw(&mut self, board: &Board, now: f64) {
        self.trials.retain(|id, bar| {
            let runs = board.running().contains_key(id);
            if !runs {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            runs
        });
        for (id, running) in board.running() {
            let bar = self.trials.entry(*id).or_insert_with(|| {
                let bar = self.all.insert_before(&self.total, ProgressBar::new(1));
                bar.set_style(style("{prefix} {bar:16} {msg}"));
                // The clock moves even while the trainer computes.
                bar.enable_steady_tick(Duration::from_millis(500));
                bar
            });
            let (step, n_steps) = running.steps();
            bar.set_length(n_steps);
            bar.set_position(step);
            bar.set_prefix(running.name());
            bar.set_message(running.status());
        }
        let tally = board.tally();
        self.total.set_length(tally.n_trials.max(1));
        self.total.set_position(tally.settled());
        self.total.set_message(board.summary(now));
    }
}

impl Plain {
    fn draw(&mut self, board: &Board, now: f64) {
        let due = |then: f64| now - then >= SUMMARY_EVERY_S;
        if self.last_summary.is_none_or(due) {
            eprintln!("{}", board.summary(now));
            for running in board.running().values() {
                eprintln!("  {}  {}", running.name(), running.status());
            }
            self.last_summary = Some(now);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the template is valid")
        .progress_chars("━━┄")
}
