//! A sweep on imagined workers: what the contract runs schedulers against.

use std::collections::BTreeSet;

use cultivar_spec::trial::Direction;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::contract::N_EPOCHS;
use super::{Action, Decision, End, Event, History, Scheduler, step};

/// What may go wrong between workers and the scheduler.
#[derive(Clone)]
pub(super) struct Trouble {
    pub(super) n_workers: usize,
    /// Most epochs a worker trains on after it was told to stop.
    pub(super) max_overrun: u32,
    /// Most reports that lie about before some are delivered, in any order.
    pub(super) max_mail: usize,
    /// Probabilities that a report is lost or doubled.
    pub(super) lost: f64,
    pub(super) doubled: f64,
    /// Probability per epoch that a trial fails.
    pub(super) failure: f64,
}

impl Trouble {
    pub(super) fn none() -> Self {
        Self {
            n_workers: 1,
            max_overrun: 0,
            max_mail: 1,
            lost: 0.0,
            doubled: 0.0,
            failure: 0.0,
        }
    }

    pub(super) fn much() -> Self {
        Self {
            n_workers: 6,
            max_overrun: 2,
            max_mail: 12,
            doubled: 0.3,
            ..Self::none()
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Stage {
    Waiting,
    Running,
    Paused,
    Done(End),
}

/// One trial as its worker sees it.
pub(super) struct Worked {
    pub(super) stage: Stage,
    pub(super) epoch: u32,
    /// Whose curve it follows: its own, until it is cloned over.
    pub(super) quality: usize,
    /// The order it was given, and epochs until it obeys.
    order: Option<(Stage, u32)>,
}

/// A sweep on imagined workers.
pub(super) struct Simulation<'a> {
    scheduler: &'a dyn Scheduler,
    pub(super) history: History,
    pub(super) log: Vec<(Vec<Event>, Vec<Decision>)>,
    pub(super) trials: Vec<Worked>,
    mail: Vec<Event>,
    trouble: Trouble,
    rng: ChaCha8Rng,
}

pub(super) fn trial_of(event: &Event) -> Option<u32> {
    match event {
        Event::Report { trial, .. }
        | Event::Opened { trial }
        | Event::Paused { trial }
        | Event::Ended { trial, .. } => Some(*trial),
        _ => None,
    }
}

impl<'a> Simulation<'a> {
    pub(super) fn new(
        scheduler: &'a dyn Scheduler,
        n_trials: u32,
        trouble: Trouble,
        seed: u64,
    ) -> Self {
        let fresh = |quality: u32| Worked {
            stage: Stage::Waiting,
            epoch: 0,
            quality: quality as usize,
            order: None,
        };
        let joined = |n: u32| Event::Joined {
            trial: n,
            point: json!({"optimizer": {"lr": 0.01 + f64::from(n) / 100.0}}),
        };
        let mut mail: Vec<Event> = (0..n_trials).map(joined).collect();
        mail.push(Event::Closed {});
        let mut simulation = Self {
            scheduler,
            history: History::new(Direction::Maximize),
            log: Vec::new(),
            trials: (0..n_trials).map(fresh).collect(),
            mail: Vec::new(),
            trouble,
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        simulation.deliver(mail);
        simulation
    }

    /// Runs to the end; `value(quality, epoch)` is what trials report.
    pub(super) fn run(mut self, value: impl Fn(usize, u32) -> f64) -> Self {
        for _ in 0..1_000_000 {
            let is_running = |trial: &Worked| trial.stage == Stage::Running;
            let n_running = self.trials.iter().filter(|trial| is_running(trial)).count();
            if n_running < self.trouble.n_workers
                && let Some(next) = self.next_to_start()
            {
                self.trials[next].stage = Stage::Running;
                continue;
            }
            let running: Vec<usize> = (0..self.trials.len())
                .filter(|n| is_running(&self.trials[*n]))
                .collect();
            if running.is_empty() {
                if self.mail.is_empty() {
                    return self;
                }
                self.post_round(true);
                continue;
            }
            let trial = running[self.rng.random_range(0..running.len())];
            self.train_one_epoch(trial, &value);
            self.post_round(false);
        }
        panic!("the sweep never ends");
    }

    /// What has begun goes first, as in the queue.
    fn next_to_start(&self) -> Option<usize> {
        let waiting = (0..self.trials.len()).filter(|n| self.trials[*n].stage == Stage::Waiting);
        waiting.min_by_key(|n| (self.trials[*n].epoch == 0, *n))
    }

    fn train_one_epoch(&mut self, number: usize, value: &impl Fn(usize, u32) -> f64) {
        let trial = &mut self.trials[number];
        if let Some((stage, 0)) = trial.order {
            trial.order = None;
            self.settle(number, stage);
            return;
        }
        if let Some((_, n_left)) = &mut trial.order {
            *n_left -= 1;
        }
        if self.rng.random_bool(self.trouble.failure) {
            self.settle(number, Stage::Done(End::Failed));
            return;
        }
        trial.epoch += 1;
        let (epoch, quality) = (trial.epoch, trial.quality);
        let report = Event::Report {
            trial: number as u32,
            epoch,
            value: value(quality, epoch),
        };
        if self.rng.random_bool(self.trouble.doubled) {
            self.mail.push(report.clone());
        }
        if !self.rng.random_bool(self.trouble.lost) {
            self.mail.push(report);
        }
        if epoch == N_EPOCHS {
            self.settle(number, Stage::Done(End::Completed));
        }
    }

    fn settle(&mut self, number: usize, stage: Stage) {
        let trial = number as u32;
        self.trials[number].stage = stage;
        self.mail.push(match stage {
            Stage::Done(end) => Event::Ended { trial, end },
            Stage::Paused => Event::Paused { trial },
            Stage::Waiting | Stage::Running => Event::Opened { trial },
        });
    }

    /// Delivers what has come together, or all. How a trial stands is told after all that it reported, since it
    /// finishes only when its reports have arrived.
    fn post_round(&mut self, all: bool) {
        if !all && self.mail.len() < self.rng.random_range(1..=self.trouble.max_mail) {
            return;
        }
        let (mut reports, mut rest): (Vec<Event>, Vec<Event>) = std::mem::take(&mut self.mail)
            .into_iter()
            .partition(|event| matches!(event, Event::Report { .. }));
        if self.trouble.max_mail > 1 {
            reports.shuffle(&mut self.rng);
        }
        if !all && reports.len() > 1 {
            let n_left = self.rng.random_range(0..reports.len());
            self.mail = reports.split_off(reports.len() - n_left);
        }
        let late: BTreeSet<u32> = self.mail.iter().filter_map(trial_of).collect();
        for event in rest.drain(..) {
            match trial_of(&event) {
                Some(trial) if late.contains(&trial) => self.mail.push(event),
                _ => reports.push(event),
            }
        }
        self.deliver(reports);
    }

    fn deliver(&mut self, news: Vec<Event>) {
        for event in &news {
            self.history.apply(event);
        }
        let decisions = step(self.scheduler, &mut self.history);
        for decision in &decisions {
            self.obey(decision);
        }
        self.log.push((news, decisions));
    }

    fn obey(&mut self, decision: &Decision) {
        let number = decision.trial as usize;
        let overrun = self.rng.random_range(0..=self.trouble.max_overrun);
        let stage = self.trials[number].stage;
        match (&decision.action, stage) {
            (_, Stage::Done(_)) => {}
            (Action::Stop {}, Stage::Running) => {
                self.trials[number].order = Some((Stage::Done(End::Pruned), overrun));
            }
            (Action::Stop {}, _) => self.settle(number, Stage::Done(End::Pruned)),
            (Action::Pause {}, Stage::Running) => {
                self.trials[number].order = Some((Stage::Paused, overrun));
            }
            (Action::Pause {}, _) => self.settle(number, Stage::Paused),
            (Action::Promote {}, Stage::Paused) => self.settle(number, Stage::Waiting),
            (Action::Promote {}, _) => self.trials[number].order = None,
            (Action::Clone { source, .. }, _) => {
                let from = &self.trials[*source as usize];
                assert_eq!((stage, from.epoch >= decision.epoch), (Stage::Paused, true));
                let (epoch, quality) = (from.epoch, from.quality);
                self.trials[number].quality = quality;
                self.trials[number].epoch = epoch;
                self.settle(number, Stage::Waiting);
            }
        }
    }

    pub(super) fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.log.iter().flat_map(|(_, decisions)| decisions)
    }

    /// What was decided in the end, however often trials waited for it.
    pub(super) fn verdicts(&self) -> BTreeSet<String> {
        let verdicts = self
            .decisions()
            .filter(|decision| !matches!(decision.action, Action::Pause {}));
        verdicts
            .map(|decision| serde_json::to_string(decision).unwrap())
            .collect()
    }

    pub(super) fn n_ended(&self, end: End) -> usize {
        let has = |trial: &&Worked| trial.stage == Stage::Done(end);
        self.trials.iter().filter(has).count()
    }

    pub(super) fn n_epochs(&self) -> u32 {
        self.trials.iter().map(|trial| trial.epoch).sum()
    }
}
