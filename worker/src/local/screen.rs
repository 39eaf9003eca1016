//! How a local run is shown, on standard error: a line an epoch, and on a terminal one that moves.

use std::io::{IsTerminal, Write};

use cultivar_spec::trainer::FromTrainer;
use cultivar_spec::wire::{MetricPoint, Progress};
use cultivar_spec::words;

/// Where lines go.
pub struct Screen {
    quiet: bool,
    /// Somebody is looking: a line may move.
    moves: bool,
    /// The trainer's latest word.
    latest: Option<Progress>,
}

impl Screen {
    /// `quiet`: nothing is shown, the result alone is wanted.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            moves: !quiet && std::io::stderr().is_terminal(),
            latest: None,
        }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        self.close();
        eprintln!("{line}");
    }

    /// A line that the next one replaces; only where somebody is looking.
    pub fn moving(&self, line: &str) {
        if self.moves {
            let mut out = std::io::stderr().lock();
            // Lost only where the terminal is gone.
            let _ = write!(out, "\r\x1b[K{line}");
            let _ = out.flush();
        }
    }

    /// Takes the moving line away.
    pub fn close(&self) {
        self.moving("");
    }

    /// Shows what the trainer says.
    pub fn hear(&mut self, event: &FromTrainer) {
        match event {
            FromTrainer::Progress { progress, .. } => {
                self.moving(&words::progress(progress));
                self.latest = Some(progress.clone());
            }
            FromTrainer::Metrics { points, .. } => {
                if let Some(latest) = &self.latest {
                    self.say(&epoch_line(latest, points));
                }
            }
            _ => {}
        }
    }
}

/// The epoch that has just ended, in the words of a progress line.
fn epoch_line(latest: &Progress, points: &[MetricPoint]) -> String {
    let value = |metric: &str| {
        let mut points = points.iter();
        points.find_map(|point| (point.metric == metric).then_some(point.value))
    };
    let first = points.first();
    let epoch = first.map_or(latest.epoch, |point| point.epoch as u32);
    words::progress(&Progress {
        phase: "training".into(),
        // A progress line names the epoch after those that are done.
        epoch: epoch.saturating_sub(1),
        step: first.map_or(latest.step, |point| point.step),
        train_loss: value("train_loss"),
        val_top1: value("val_top1"),
        images_per_s: value("images_per_s"),
        ..latest.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_reads_like_progress() {
        let latest = Progress {
            phase: "validating".into(),
            epoch: 0,
            n_epochs: 3,
            step: 9,
            n_steps: 30,
            train_loss: Some(9.0),
            val_top1: None,
            images_per_s: None,
            eta_s: Some(42.0),
        };
        let point = |metric: &str, value| MetricPoint {
            metric: metric.into(),
            step: 10,
            epoch: 1.0,
            value,
        };
        let points = [
            point("train_loss", 2.314),
            point("val_top1", 0.4312),
            point("images_per_s", 151.2),
        ];
        assert_eq!(
            epoch_line(&latest, &points),
            "epoch 1/3  step 10/30  loss 2.31  val 43.1%  151 img/s  0:42 left"
        );
    }
}
