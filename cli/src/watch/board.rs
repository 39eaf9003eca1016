//! What a watcher knows of the sweep it follows, and how that reads. Pure: time comes in.

use std::collections::BTreeMap;

use cultivar_spec::wire::{Progress, SweepView, TrialView};
use cultivar_spec::{TrialId, TrialState, words};

use crate::numbers::{clock, counted, percent_of, roughly, short};

/// Longest label on a progress line.
const LABEL_CHARS: usize = 44;
/// Too few finished trials say nothing about the time that is left.
const MIN_DONE_FOR_ETA: u64 = 3;

/// The sweep followed, and its running trials.
#[derive(Debug, Default)]
pub struct Board {
    sweep: Option<SweepView>,
    running: BTreeMap<TrialId, Running>,
    /// Settled trials when watching began, and when that was: the pace is what happened since.
    start: Option<(u64, f64)>,
}

/// A running trial.
#[derive(Clone, Debug)]
pub struct Running {
    pub label: String,
    pub seed: u64,
    pub progress: Option<Progress>,
}

/// Trials by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub n_trials: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub running: u64,
    pub waiting: u64,
}

impl Tally {
    /// Trials that will not run again.
    pub fn settled(&self) -> u64 {
        self.n_trials - self.running - self.waiting
    }

    /// `52 completed, 1 failed, 3 running, 4 waiting`.
    pub fn words(&self) -> String {
        let parts = [
            (self.completed, "completed"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
            (self.running, "running"),
            (self.waiting, "waiting"),
        ];
        let words: Vec<String> = parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{n} {word}"))
            .collect();
        if words.is_empty() {
            "no trials".into()
        } else {
            words.join(", ")
        }
    }
}

impl Board {
    /// Takes the sweep as the server counts it now, at `now` seconds.
    pub fn set_sweep(&mut self, sweep: SweepView, now: f64) {
        self.sweep = Some(sweep);
        let settled = self.tally().settled();
        self.start.get_or_insert((settled, now));
    }

    /// Takes the whole list of running trials. Answers with those that were running and are not any more.
    pub fn set_running(&mut self, trials: &[TrialView]) -> Vec<TrialId> {
        let now_running: Vec<TrialId> = trials.iter().map(|trial| trial.id).collect();
        let left = self.running.keys().copied();
        let left: Vec<TrialId> = left.filter(|id| !now_running.contains(id)).collect();
        self.running.retain(|id, _| now_running.contains(id));
        for trial in trials {
            let entry = self.running.entry(trial.id).or_insert_with(|| Running {
                label: trial.label.clone(),
                seed: trial.seed,
                progress: None,
            });
            if let Some(progress) = &trial.progress {
                entry.progress = Some(progress.clone());
            }
        }
        left
    }

    /// Takes a running trial's latest word. Answers whether the trial is known.
    pub fn set_progress(&mut self, trial: TrialId, progress: Progress) -> bool {
        let known = self.running.get_mut(&trial);
        let is_known = known.is_some();
        if let Some(running) = known {
            running.progress = Some(progress);
        }
        is_known
    }

    pub fn running(&self) -> &BTreeMap<TrialId, Running> {
        &self.running
    }

    /// Every trial is settled.
    pub fn finished(&self) -> bool {
        self.sweep.as_ref().is_some_and(|sweep| sweep.finished)
    }

    /// The sweep's trials, by how they stand.
    pub fn tally(&self) -> Tally {
        let Some(sweep) = &self.sweep else {
            return Tally::default();
        };
        let count = |states: &[TrialState]| states.iter().map(|state| sweep.count(*state)).sum();
        Tally {
            n_trials: sweep.n_planned,
            completed: count(&[TrialState::Completed, TrialState::Pruned]),
            failed: count(&[TrialState::Failed]),
            cancelled: count(&[TrialState::Cancelled]),
            running: count(&[TrialState::Running]),
            waiting: count(&[TrialState::Queued, TrialState::Paused])
                + (sweep.n_planned - sweep.n_trials),
        }
    }

    /// Seconds to the end, at the pace since watching began.
    pub fn eta_s(&self, now: f64) -> Option<f64> {
        let (settled_at_start, started) = self.start?;
        let tally = self.tally();
        let done = tally.settled().checked_sub(settled_at_start)?;
        let left = tally.running + tally.waiting;
        let enough = done >= MIN_DONE_FOR_ETA && left > 0;
        enough.then(|| (now - started) / done as f64 * left as f64)
    }

    /// `18/56 trials: 17 completed, 1 failed, ...; about 4 min left`.
    pub fn summary(&self, now: f64) -> String {
        let tally = self.tally();
        let mut text = format!(
            "{}/{}: {}",
            tally.settled(),
            counted(tally.n_trials, "trial"),
            tally.words()
        );
        if let Some(eta_s) = self.eta_s(now) {
            text.push_str(&format!("; about {} left", roughly(eta_s)));
        }
        text
    }
}

impl Running {
    /// The label, cut to a column, with the seed.
    pub fn name(&self) -> String {
        let label = cut(&self.label, LABEL_CHARS);
        format!("{label:LABEL_CHARS$} seed {}", self.seed)
    }

    /// `epoch 1/2  step 40/100  loss 2.31  val 43.1%  151 img/s  0:42 left`.
    pub fn status(&self) -> String {
        match &self.progress {
            None => "starting".into(),
            Some(progress) => words::progress(progress),
        }
    }

    /// Steps done and to do.
    pub fn steps(&self) -> (u64, u64) {
        let progress = self.progress.as_ref();
        progress.map_or((0, 1), |progress| (progress.step, progress.n_steps.max(1)))
    }
}

/// One line about a trial that changed state.
pub fn changed(trial: &TrialView) -> String {
    let name = format!("{} seed {}", trial.label, trial.seed);
    let mut line = format!("{:9}  {name}", trial.state.name());
    match trial.state {
        TrialState::Completed => {
            if let Some(val_top1) = trial.metrics.get("val_top1") {
                line.push_str(&format!("  val {}%", percent_of(*val_top1)));
            }
            if let (Some(started), Some(finished)) = (trial.started_at, trial.finished_at) {
                let seconds = (finished - started).as_seconds_f64();
                line.push_str(&format!("  in {}", clock(seconds)));
            }
        }
        TrialState::Failed => {
            let why = trial.error.as_deref().unwrap_or("no reason was given");
            line.push_str(&format!(": {why}"));
        }
        TrialState::Queued if trial.n_attempts > 0 => {
            let why = trial.error.as_deref().unwrap_or("its attempt ended early");
            line.push_str(&format!(" again after attempt {}: {why}", trial.n_attempts));
        }
        _ => {}
    }
    line
}

/// The objective's best first; trials without a value last.
pub fn best_first(trials: &mut [TrialView]) {
    let value = |trial: &TrialView| trial.metrics.get("val_top1").copied();
    trials.sort_by(|a, b| match (value(a), value(b)) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
}

/// What a metric's name means to a person, and its value.
pub fn metric(name: &str, value: f64) -> String {
    let is_accuracy = ["top1", "top5", "mean_per_class"]
        .iter()
        .any(|accuracy| name.ends_with(accuracy));
    if is_accuracy {
        format!("{}%", percent_of(value))
    } else {
        short((value * 1e4).round() / 1e4)
    }
}

fn cut(text: &str, n_chars: usize) -> String {
    if text.chars().count() <= n_chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(n_chars - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(counts: &[(TrialState, u64)]) -> SweepView {
        let by_name = counts
            .iter()
            .map(|(state, n)| (state.name().to_owned(), *n));
        let n_trials = counts.iter().map(|(_, n)| n).sum();
        SweepView {
            id: cultivar_spec::SweepId(uuid::Uuid::nil()),
            name: "demo".into(),
            dataset: "birds".into(),
            created_at: chrono::DateTime::UNIX_EPOCH,
            cancelled_at: None,
            paused_at: None,
            queueing: Default::default(),
            n_trials,
            n_planned: n_trials,
            searching: false,
            search_note: None,
            finished: counts.iter().all(|(state, _)| state.is_terminal()),
            counts: by_name.collect(),
        }
    }

    fn progress() -> Progress {
        Progress {
            phase: "training".into(),
            epoch: 0,
            n_epochs: 2,
            step: 40,
            n_steps: 100,
            train_loss: Some(2.314),
            val_top1: None,
            images_per_s: Some(151.2),
            eta_s: Some(42.0),
        }
    }

    #[test]
    fn a_progress_line_reads_well() {
        let mut running = Running {
            label: "adamw lr=0.003 mish one_cycle smoothing=0.1 cutmix".into(),
            seed: 1,
            progress: None,
        };
        assert_eq!(running.status(), "starting");
        running.progress = Some(progress());
        assert_eq!(
            running.name(),
            "adamw lr=0.003 mish one_cycle smoothing=0.1… seed 1"
        );
        assert_eq!(
            running.status(),
            "epoch 1/2  step 40/100  loss 2.31  151 img/s  0:42 left"
        );
        running.progress = Some(Progress {
            phase: "validating".into(),
            epoch: 2,
            val_top1: Some(0.4312),
            ..progress()
        });
        assert_eq!(
            running.status(),
            "validating  loss 2.31  val 43.1%  151 img/s  0:42 left"
        );
    }

    #[test]
    fn the_time_left_follows_the_pace_since_watching_began() {
        use TrialState::{Completed, Failed, Queued, Running};
        let mut board = Board::default();
        board.set_sweep(sweep(&[(Completed, 10), (Queued, 10)]), 100.0);
        assert_eq!(board.eta_s(110.0), None);
        board.set_sweep(
            sweep(&[(Completed, 13), (Failed, 1), (Running, 2), (Queued, 4)]),
            140.0,
        );
        // 4 in 40 s, 6 to go.
        assert_eq!(board.eta_s(140.0), Some(60.0));
        assert_eq!(
            board.summary(140.0),
            "14/20 trials: 13 completed, 1 failed, 2 running, 4 waiting; about 60 s left"
        );
        assert!(!board.finished());
        board.set_sweep(sweep(&[(Completed, 19), (Failed, 1)]), 200.0);
        assert!(board.finished());
        assert_eq!(board.summary(200.0), "20/20 trials: 19 completed, 1 failed");
    }

    #[test]
    fn metrics_read_as_what_they_are() {
        assert_eq!(metric("val_top1", 0.4312), "43.1%");
        assert_eq!(metric("val_loss", 2.314_159), "2.3142");
    }
}
