//! Schedulers replayed on recorded learning curves: how many epochs they train before a finished trial is as good
//! as the best that random search finds.
//!
//! A repeat shuffles the recorded configurations: none comes twice, since a scheduler that learns from configurations
//! would know the twin's end. Random search trains the first half of them to their ends; a scheduler is given all, in
//! that order, and eight workers.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cultivar_search::sampler::{Origin, Past, PastState, Study};
use cultivar_search::scheduler::{
    Action, Decision, End, Event, History, Scheduler, Status, build, point_of, step,
};
use cultivar_spec::SweepSpec;
use cultivar_spec::sweep::Sampler as Kind;
use cultivar_spec::trial::Direction;
use flate2::read::GzDecoder;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::table::packed;

/// How often the ratios are drawn again for the interval of their median.
const N_RESAMPLES: usize = 2_000;
/// Trials at the same time.
const N_WORKERS: usize = 8;
/// Shares of the configurations that random search trains: of one half a scheduler may try twice as many, of all it
/// has to find the very best.
const RANDOM_SHARES: [f64; 2] = [0.5, 1.0];

#[derive(Deserialize)]
struct Recorded {
    name: String,
    /// Of a trial that runs to its end.
    epochs: u32,
    /// As a sweep states it.
    space: Value,
    curves: Vec<Curve>,
}

#[derive(Deserialize)]
struct Curve {
    /// The configuration: a point of the space, or a spec that holds one.
    overlay: Value,
    /// The objective by epoch, larger is better, null where it was not finite; shorter for a trial that failed.
    val_top1: Vec<Option<f64>>,
}

impl Curve {
    fn at(&self, epoch: u32) -> f64 {
        let value = self.val_top1.get(epoch as usize - 1).copied().flatten();
        value.unwrap_or(f64::NAN)
    }
}

/// What a sweep runs with.
struct Arm {
    name: &'static str,
    scheduler: Value,
    /// Whether the default sampler chooses what is begun, and is told of the scheduler's forecasts; or they are taken in
    /// order.
    has_sampler: bool,
}

fn arms() -> Vec<Arm> {
    let arm = |name, scheduler, has_sampler| Arm {
        name,
        scheduler,
        has_sampler,
    };
    let (asha, eta_4) = (json!({"kind": "asha"}), json!({"kind": "asha", "eta": 4.0}));
    let hyperband = json!({"kind": "hyperband"});
    vec![
        arm("asha", asha.clone(), false),
        arm("asha, eta 4", eta_4, false),
        arm("asha, auto", asha, true),
        arm("hyperband", hyperband.clone(), false),
        arm("hyperband, auto", hyperband, true),
    ]
}

/// Writes one line a recording, arm and share of random search.
pub fn measure(folder: &Path, n_repeats: u64, only: &[String], out: &Path) -> Result<()> {
    let mut file = File::create(out)?;
    for path in packed(folder)? {
        let recorded = read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_wanted = |arm: &Arm| only.is_empty() || only.iter().any(|name| name == arm.name);
        for arm in arms().into_iter().filter(is_wanted) {
            for line in compare(&recorded, &arm, n_repeats)? {
                writeln!(file, "{line}")?;
            }
        }
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Recorded> {
    let mut recorded: Recorded = serde_json::from_reader(GzDecoder::new(File::open(path)?))?;
    if recorded.curves.is_empty() {
        bail!("no curve in it");
    }
    for curve in &mut recorded.curves {
        let point = point_of(&recorded.space, &curve.overlay)?;
        curve.overlay = point.context("a configuration lies outside the space")?;
    }
    Ok(recorded)
}

/// Epochs over those of random search at which the arm has finished a trial as good as its best, by share of random
/// search: median with its interval, and the 95% range over the repeats, infinite where it never has.
fn compare(recorded: &Recorded, arm: &Arm, n_repeats: u64) -> Result<Vec<Value>> {
    let sweep: SweepSpec = serde_json::from_value(json!({
        "name": recorded.name, "scheduler": arm.scheduler, "space": recorded.space,
        "sampler": {"kind": "auto"}, "budget": {"configs": recorded.curves.len()},
    }))?;
    let repeat = |repeat: u64| -> Result<Vec<Outcome>> {
        let mut drawn: Vec<&Curve> = recorded.curves.iter().collect();
        drawn.shuffle(&mut ChaCha8Rng::seed_from_u64(repeat));
        let mut sweep = sweep.clone();
        let scheduler = build(&sweep, recorded.epochs)?;
        let mut replay = Replay::new(&*scheduler, recorded.epochs);
        if arm.has_sampler {
            sweep.sampler = Kind::Auto { seed: repeat };
            replay.sampler = Some(Sampler::new(&sweep, &drawn)?);
        } else {
            replay.begin(&drawn, true);
        }
        let replay = replay.run();
        let outcome = |share| outcome(&replay, &drawn[..n_random(recorded, share)]);
        Ok(RANDOM_SHARES.into_iter().map(outcome).collect())
    };
    let repeats: Vec<Vec<Outcome>> = (0..n_repeats)
        .into_par_iter()
        .map(repeat)
        .collect::<Result<_>>()?;
    let line = |(idx, share)| {
        let outcomes: Vec<&Outcome> = repeats.iter().map(|outcomes| &outcomes[idx]).collect();
        let mean = |of: fn(&Outcome) -> f64| {
            outcomes.iter().map(|outcome| of(outcome)).sum::<f64>() / n_repeats as f64
        };
        let mut ratios: Vec<f64> = outcomes.iter().map(|outcome| outcome.ratio).collect();
        let (median_low, median_high) = interval_of_median(&ratios);
        ratios.sort_by(f64::total_cmp);
        // JSON knows no infinity: null.
        json!({
            "curves": recorded.name, "n_curves": recorded.curves.len(), "epochs": recorded.epochs,
            "scheduler": arm.name, "n_random": n_random(recorded, share),
            "median": at(&ratios, 0.5), "median_low": median_low, "median_high": median_high,
            "low": at(&ratios, 0.025), "high": at(&ratios, 0.975),
            "reached": mean(|outcome| f64::from(outcome.ratio.is_finite())),
            "within_a_quarter": mean(|outcome| f64::from(outcome.ratio <= 0.25)),
            "spent": mean(|outcome| outcome.spent), "shortfall": mean(|outcome| outcome.shortfall),
        })
    };
    Ok(RANDOM_SHARES.into_iter().enumerate().map(line).collect())
}

fn n_random(recorded: &Recorded, share: f64) -> usize {
    (share * recorded.curves.len() as f64).round().max(1.0) as usize
}

/// How a repeat compares with random search on the first `n_random` of its configurations.
struct Outcome {
    /// Epochs until a finished trial was as good as random search's best, over those of random search.
    ratio: f64,
    /// Epochs trained in all, over those of random search.
    spent: f64,
    /// How far the best finished trial stays below random search's best.
    shortfall: f64,
}

fn outcome(replay: &Replay, of_random: &[&Curve]) -> Outcome {
    let finals = of_random.iter().map(|curve| curve.at(replay.n_epochs));
    let target = finals.fold(f64::NEG_INFINITY, f64::max);
    let full = of_random.len() as f64 * f64::from(replay.n_epochs);
    let mut finished = replay.finished.iter();
    let reached = finished.find(|(_, value)| *value >= target);
    let best = replay.finished.iter().map(|(_, value)| *value);
    Outcome {
        ratio: reached.map_or(f64::INFINITY, |(spent, _)| *spent as f64 / full),
        spent: replay.spent as f64 / full,
        shortfall: (target - best.fold(f64::NEG_INFINITY, f64::max)).max(0.0),
    }
}

/// The quantile `share` of sorted numbers.
fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// The 95% bootstrap interval of the median.
fn interval_of_median(ratios: &[f64]) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let n = ratios.len();
    let mut median = || {
        let mut again: Vec<f64> = (0..n).map(|_| ratios[rng.random_range(0..n)]).collect();
        again.sort_by(f64::total_cmp);
        at(&again, 0.5)
    };
    let mut medians: Vec<f64> = (0..N_RESAMPLES).map(|_| median()).collect();
    medians.sort_by(f64::total_cmp);
    (at(&medians, 0.025), at(&medians, 0.975))
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Waiting,
    Running,
    Paused,
    Done,
}

/// The default sampler, confined to what is recorded: of the configurations that nobody has begun, the one nearest to
/// what it proposes is begun.
struct Sampler<'a> {
    study: Study,
    /// Those not begun yet, in the order of random search.
    left: Vec<&'a Curve>,
}

impl<'a> Sampler<'a> {
    fn new(sweep: &SweepSpec, drawn: &[&'a Curve]) -> Result<Self> {
        Ok(Self {
            study: Study::new(sweep)?,
            left: drawn.to_vec(),
        })
    }

    /// Tells it how the trials stand, as the server would, and asks for one more.
    fn propose(&mut self, replay: &Replay<'a>) -> Option<&'a Curve> {
        let forecasts = replay.scheduler.forecasts(&replay.history);
        for (number, curve) in replay.history.numbered() {
            let forecast = forecasts.get(number as usize).copied().flatten();
            let end = replay.curves[number as usize].at(replay.n_epochs);
            let scored = |value| PastState::Scored {
                values: vec![value],
                n_seeds: 1,
                cost_s: 0.0,
            };
            let state = match (forecast, curve.status) {
                (_, Status::Ended(End::Failed)) => PastState::Failed {},
                (Some(forecast), _) => scored(forecast),
                (None, Status::Ended(End::Completed)) => scored(end),
                (None, _) => PastState::Pending {},
            };
            self.study.tell(&Past {
                number,
                overlay: replay.curves[number as usize].overlay.clone(),
                state,
                origin: Origin::Own,
            });
        }
        let asked = self.study.ask(replay.curves.len() as u32)?;
        let distances = self.left.iter().map(|curve| self.distance(&asked, curve));
        let nearest = (0..).zip(distances).min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.map(|(idx, _)| self.left.remove(idx))
    }

    /// Over the parameters: what only one of two configurations has is as far as can be.
    fn distance(&self, asked: &Value, curve: &Curve) -> f64 {
        let space = self.study.space();
        let (Ok(a), Ok(b)) = (space.encode(asked), space.encode(&curve.overlay)) else {
            return f64::INFINITY;
        };
        let each = space.params().iter().zip(a.iter().zip(&b));
        each.map(|(param, places)| match places {
            (Some(a), Some(b)) => param.domain.distance(*a, *b),
            (None, None) => 0.0,
            _ => 1.0,
        })
        .sum()
    }
}

/// A sweep on workers that train an epoch each in turn, and whose reports arrive at once.
struct Replay<'a> {
    scheduler: &'a dyn Scheduler,
    history: History,
    /// Of the trials that have joined.
    curves: Vec<&'a Curve>,
    /// Who says what is begun next, unless all joined at once.
    sampler: Option<Sampler<'a>>,
    n_epochs: u32,
    stages: Vec<Stage>,
    epochs: Vec<u32>,
    /// Epochs trained by all.
    spent: u64,
    /// Epochs trained by all when a trial finished, and its value, in that order.
    finished: Vec<(u64, f64)>,
}

impl<'a> Replay<'a> {
    fn new(scheduler: &'a dyn Scheduler, n_epochs: u32) -> Self {
        Self {
            scheduler,
            history: History::new(Direction::Maximize),
            curves: Vec::new(),
            sampler: None,
            n_epochs,
            stages: Vec::new(),
            epochs: Vec::new(),
            spent: 0,
            finished: Vec::new(),
        }
    }

    /// Trials join; more will, or not.
    fn begin(&mut self, curves: &[&'a Curve], are_all: bool) {
        let joined = (self.curves.len() as u32..).zip(curves);
        let joined = joined.map(|(trial, curve)| Event::Joined {
            trial,
            point: curve.overlay.clone(),
        });
        let closed = are_all.then_some(Event::Closed {});
        let news = joined.chain(closed).collect();
        self.curves.extend(curves);
        self.stages.resize(self.curves.len(), Stage::Waiting);
        self.epochs.resize(self.curves.len(), 0);
        self.deliver(news);
    }

    fn run(mut self) -> Self {
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
                    self.train_one_epoch(trial);
                }
            }
        }
    }

    /// What has begun goes first, as in the queue.
    fn next_to_start(&mut self) -> Option<usize> {
        let waiting = (0..self.stages.len()).filter(|trial| self.stages[*trial] == Stage::Waiting);
        let next = waiting.min_by_key(|trial| (self.epochs[*trial] == 0, *trial));
        if next.is_some() {
            return next;
        }
        let mut sampler = self.sampler.take()?;
        let proposed = sampler.propose(self);
        let is_last = sampler.left.is_empty();
        self.sampler = Some(sampler);
        self.begin(&[proposed?], is_last);
        Some(self.stages.len() - 1)
    }

    fn train_one_epoch(&mut self, number: usize) {
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
            self.finished.push((self.spent, value));
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
