//! Schedulers replayed on recorded learning curves: how many epochs they train before a finished trial is as good
//! as the best that random search finds.
//!
//! A repeat draws as many configurations as there are curves, with replacement, so that the interval covers both
//! which were recorded and the order they come in. Random search trains the first of them to their ends; a
//! scheduler is given all, in that order, and eight workers.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cultivar_search::scheduler::{Action, Decision, End, Event, History, Scheduler, build, step};
use cultivar_spec::SweepSpec;
use cultivar_spec::trial::Direction;
use flate2::read::GzDecoder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::table::packed;

const SCHEDULERS: [&str; 2] = ["asha", "hyperband"];
/// Trials at the same time.
const N_WORKERS: usize = 8;
/// Shares of the drawn configurations that random search trains: of one half a scheduler may try twice as many,
/// of all it has to find the very best.
const RANDOM_SHARES: [f64; 2] = [0.5, 1.0];

#[derive(Deserialize)]
struct Recorded {
    name: String,
    /// Of a trial that runs to its end.
    epochs: u32,
    curves: Vec<Curve>,
}

#[derive(Deserialize)]
struct Curve {
    /// The objective by epoch, larger is better, null where it was not finite; shorter for a trial that failed.
    val_top1: Vec<Option<f64>>,
}

impl Curve {
    fn at(&self, epoch: u32) -> f64 {
        let value = self.val_top1.get(epoch as usize - 1).copied().flatten();
        value.unwrap_or(f64::NAN)
    }
}

/// Writes one line a recording, scheduler and share of random search.
pub fn measure(folder: &Path, n_repeats: u64, out: &Path) -> Result<()> {
    let mut file = File::create(out)?;
    for path in packed(folder)? {
        let recorded = read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for kind in SCHEDULERS {
            for share in RANDOM_SHARES {
                let line = compare(&recorded, kind, share, n_repeats)?;
                writeln!(file, "{line}")?;
            }
        }
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Recorded> {
    let recorded: Recorded = serde_json::from_reader(GzDecoder::new(File::open(path)?))?;
    if recorded.curves.is_empty() {
        bail!("no curve in it");
    }
    Ok(recorded)
}

/// Epochs over those of random search at which the scheduler has finished a trial as good as its best: median and
/// the 95% range over the repeats, infinite where it never has.
fn compare(recorded: &Recorded, kind: &str, share: f64, n_repeats: u64) -> Result<Value> {
    let sweep: SweepSpec =
        serde_json::from_value(json!({"name": recorded.name, "scheduler": {"kind": kind}}))?;
    let scheduler = build(&sweep, recorded.epochs)?;
    let n_random = (share * recorded.curves.len() as f64).round().max(1.0) as usize;
    let mut ratios = Vec::new();
    let (mut n_epochs, mut shortfall) = (0.0, 0.0);
    for repeat in 0..n_repeats {
        let mut rng = ChaCha8Rng::seed_from_u64(repeat);
        let n_curves = recorded.curves.len();
        let drawn: Vec<&Curve> = (0..n_curves)
            .map(|_| &recorded.curves[rng.random_range(0..n_curves)])
            .collect();
        let finals = drawn[..n_random]
            .iter()
            .map(|curve| curve.at(recorded.epochs));
        let target = finals.fold(f64::NEG_INFINITY, f64::max);
        let full = (n_random as u32 * recorded.epochs) as f64;
        let replay = Replay::new(&*scheduler, &drawn, recorded.epochs).run(target);
        ratios.push(
            replay
                .reached
                .map_or(f64::INFINITY, |spent| spent as f64 / full),
        );
        n_epochs += replay.spent as f64 / full / n_repeats as f64;
        shortfall += (target - replay.best).max(0.0) / n_repeats as f64;
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share).round() as usize];
    let reached = ratios.iter().filter(|ratio| ratio.is_finite()).count() as f64;
    let within = ratios.iter().filter(|ratio| **ratio <= 0.25).count() as f64;
    // JSON knows no infinity: null.
    Ok(json!({
        "curves": recorded.name, "n_curves": recorded.curves.len(), "epochs": recorded.epochs,
        "scheduler": kind, "n_random": n_random,
        "median": at(0.5), "low": at(0.025), "high": at(0.975),
        "reached": reached / n_repeats as f64, "within_a_quarter": within / n_repeats as f64,
        "spent": n_epochs, "shortfall": shortfall,
    }))
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Waiting,
    Running,
    Paused,
    Done,
}

/// A sweep on workers that train an epoch each in turn, and whose reports arrive at once.
struct Replay<'a> {
    scheduler: &'a dyn Scheduler,
    history: History,
    curves: &'a [&'a Curve],
    n_epochs: u32,
    stages: Vec<Stage>,
    epochs: Vec<u32>,
    /// Epochs trained by all.
    spent: u64,
    /// Epochs after which a trial had finished that was good enough.
    reached: Option<u64>,
    /// The best of those that finished.
    best: f64,
}

impl<'a> Replay<'a> {
    fn new(scheduler: &'a dyn Scheduler, curves: &'a [&'a Curve], n_epochs: u32) -> Self {
        let mut this = Self {
            scheduler,
            history: History::new(Direction::Maximize),
            curves,
            n_epochs,
            stages: vec![Stage::Waiting; curves.len()],
            epochs: vec![0; curves.len()],
            spent: 0,
            reached: None,
            best: f64::NEG_INFINITY,
        };
        let joined = (0..curves.len() as u32).map(|trial| Event::Joined {
            trial,
            point: Value::Null,
        });
        for event in joined.chain([Event::Closed {}]) {
            this.history.apply(&event);
        }
        this
    }

    fn run(mut self, target: f64) -> Self {
        loop {
            let is_running = |trial: &usize| self.stages[*trial] == Stage::Running;
            let mut running: Vec<usize> = (0..self.stages.len()).filter(is_running).collect();
            while running.len() < N_WORKERS
                && let Some(trial) = self.next_to_start()
            {
                self.stages[trial] = Stage::Running;
                running.push(trial);
            }
            if running.is_empty() {
                return self;
            }
            for trial in running {
                // Another's report may have stopped it.
                if self.stages[trial] == Stage::Running {
                    self.train_one_epoch(trial, target);
                }
            }
        }
    }

    /// What has begun goes first, as in the queue.
    fn next_to_start(&self) -> Option<usize> {
        let waiting = (0..self.stages.len()).filter(|trial| self.stages[*trial] == Stage::Waiting);
        waiting.min_by_key(|trial| (self.epochs[*trial] == 0, *trial))
    }

    fn train_one_epoch(&mut self, number: usize, target: f64) {
        self.epochs[number] += 1;
        self.spent += 1;
        let (trial, epoch) = (number as u32, self.epochs[number]);
        let curve = self.curves[number];
        let value = curve.at(epoch);
        let mut news = vec![Event::Report {
            trial,
            epoch,
            value,
        }];
        let end = if epoch == self.n_epochs {
            self.best = self.best.max(value);
            if value >= target {
                self.reached.get_or_insert(self.spent);
            }
            Some(End::Completed)
        } else if epoch as usize >= curve.val_top1.len() {
            Some(End::Failed)
        } else {
            None
        };
        if let Some(end) = end {
            self.stages[number] = Stage::Done;
            news.push(Event::Ended { trial, end });
        }
        self.deliver(news);
    }

    fn deliver(&mut self, mut news: Vec<Event>) {
        while !news.is_empty() {
            for event in news.drain(..) {
                self.history.apply(&event);
            }
            for decision in step(self.scheduler, &mut self.history) {
                news.extend(self.obey(&decision));
            }
        }
    }

    fn obey(&mut self, decision: &Decision) -> Option<Event> {
        let trial = decision.trial;
        let stage = &mut self.stages[trial as usize];
        match (&decision.action, *stage) {
            (Action::Stop {}, Stage::Waiting | Stage::Running | Stage::Paused) => {
                *stage = Stage::Done;
                let end = End::Pruned;
                Some(Event::Ended { trial, end })
            }
            (Action::Pause {}, Stage::Waiting | Stage::Running) => {
                *stage = Stage::Paused;
                Some(Event::Paused { trial })
            }
            (Action::Promote {}, Stage::Paused) => {
                *stage = Stage::Waiting;
                Some(Event::Opened { trial })
            }
            _ => None,
        }
    }
}
