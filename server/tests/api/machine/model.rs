//! What should come of it. Trials, attempts, sweeps and workers are rows of vectors; nothing is shared with the code
//! under test but the names of states and outcomes.

use std::collections::BTreeSet;

use cultivar_spec::{LeaseId, Outcome, SweepId, TrialId, TrialState};
use uuid::Uuid;

use super::op::{N_WORKERS, Wish};

/// Attempts without a newer checkpoint after which even costless outcomes settle a trial.
const MAX_IDLE: usize = 20;

pub struct Trial {
    pub id: TrialId,
    pub sweep: Option<usize>,
    pub state: TrialState,
    pub last_epoch: u64,
    pub cancel: bool,
    pub pause: bool,
    pub checkpoint: Option<u64>,
    /// In the queue, and whether it may be handed out now.
    pub ready: Option<bool>,
    /// The wait, without jitter, it was last queued with.
    pub wait_s: f64,
    /// Images right of the accepted result.
    pub n_right: Option<usize>,
}

pub struct Attempt {
    pub lease: LeaseId,
    pub trial: usize,
    pub worker: usize,
    pub epoch: u64,
    pub outcome: Option<Outcome>,
    /// The accepted finish.
    pub finish: Option<Finish>,
    pub resumed_from: u64,
    pub checkpoint: Option<u64>,
    /// Steps whose metrics are stored.
    pub steps: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finish {
    pub outcome: Outcome,
    /// Of a completed one.
    pub n_right: usize,
}

pub struct Sweep {
    pub id: SweepId,
    pub parallel: Option<u32>,
    pub paused: bool,
    pub cancelled: bool,
    pub open: bool,
}

#[derive(Default)]
pub struct Worker {
    /// Trials it failed since it was last forgiven.
    pub faulted: BTreeSet<usize>,
    pub quarantined: bool,
}

/// A claim that handed something out.
pub struct Claim {
    pub worker: usize,
    pub request: Uuid,
    pub attempts: Vec<usize>,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Order(&'static str),
    Done,
    Conflict,
    Superseded,
}

/// What follows an attempt.
enum Follow {
    Settled(TrialState),
    Again { delay_s: f64 },
    Pause,
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Active,
    Finished,
    Superseded,
}

#[derive(Default)]
pub struct Model {
    pub trials: Vec<Trial>,
    pub attempts: Vec<Attempt>,
    pub sweeps: Vec<Sweep>,
    pub workers: [Worker; N_WORKERS],
    pub claims: Vec<Claim>,
    /// Writes of superseded leases.
    pub n_aside: usize,
}

impl Model {
    pub fn submit(&mut self, id: TrialId, sweep: Option<usize>) {
        self.trials.push(Trial {
            id,
            sweep,
            state: TrialState::Queued,
            last_epoch: 0,
            cancel: false,
            pause: false,
            checkpoint: None,
            ready: sweep.is_none().then_some(true),
            wait_s: 0.0,
            n_right: None,
        });
    }

    /// As many trials of a sweep as it has room for enter the queue: begun ones first, then the oldest.
    pub fn feed(&mut self, sweep: usize) {
        let Sweep {
            parallel,
            paused,
            cancelled,
            open,
            ..
        } = self.sweeps[sweep];
        if !open || paused || cancelled {
            return;
        }
        let of_sweep = |trial: &Trial| trial.sweep == Some(sweep);
        let in_queue = |trial: &&Trial| of_sweep(trial) && trial.ready.is_some();
        let running =
            |attempt: &&Attempt| attempt.outcome.is_none() && of_sweep(&self.trials[attempt.trial]);
        let in_flight = self.trials.iter().filter(in_queue).count()
            + self.attempts.iter().filter(running).count();
        let room = parallel.map(|parallel| (parallel as usize).saturating_sub(in_flight));
        if room == Some(0) {
            return;
        }
        let mut waiting: Vec<_> = (0..self.trials.len())
            .filter(|idx| of_sweep(&self.trials[*idx]))
            .filter(|idx| self.trials[*idx].state == TrialState::Queued)
            .filter(|idx| self.trials[*idx].ready.is_none())
            .collect();
        waiting.sort_by_key(|idx| (self.trials[*idx].last_epoch == 0, self.trials[*idx].id));
        waiting.truncate(room.unwrap_or(usize::MAX));
        for idx in &waiting {
            self.trials[*idx].ready = Some(true);
        }
        self.sweeps[sweep].open = room == Some(waiting.len());
    }

    /// Trials that a claim may hand out.
    pub fn n_ready(&self) -> usize {
        let ready = |trial: &&Trial| trial.ready == Some(true);
        self.trials.iter().filter(ready).count()
    }

    pub fn begin(&mut self, worker: usize, lease: LeaseId, trial: usize) -> usize {
        let row = &mut self.trials[trial];
        row.state = TrialState::Running;
        row.ready = None;
        row.last_epoch += 1;
        self.attempts.push(Attempt {
            lease,
            trial,
            worker,
            epoch: row.last_epoch,
            outcome: None,
            finish: None,
            resumed_from: row.checkpoint.unwrap_or(0),
            checkpoint: None,
            steps: BTreeSet::new(),
        });
        self.attempts.len() - 1
    }

    fn order(&self, attempt: usize) -> &'static str {
        let trial = &self.trials[self.attempts[attempt].trial];
        match (trial.cancel, trial.pause) {
            (true, _) => "cancel",
            (false, true) => "yield",
            (false, false) => "continue",
        }
    }

    /// The standing of a lease whose holder is here: one that ran out goes on if nobody else has the trial.
    fn enter(&mut self, attempt: usize) -> Standing {
        let row = &mut self.attempts[attempt];
        let trial = &mut self.trials[row.trial];
        match row.outcome {
            None => Standing::Active,
            Some(_) if row.finish.is_some() => Standing::Finished,
            Some(Outcome::Lost)
                if row.epoch == trial.last_epoch && trial.state == TrialState::Queued =>
            {
                row.outcome = None;
                trial.ready = None;
                trial.state = TrialState::Running;
                Standing::Active
            }
            Some(_) => Standing::Superseded,
        }
    }

    fn aside(&mut self) -> Answer {
        self.n_aside += 1;
        Answer::Superseded
    }

    pub fn beat(&mut self, attempt: usize) -> &'static str {
        let was_active = self.attempts[attempt].outcome.is_none();
        match self.enter(attempt) {
            Standing::Active if was_active => self.order(attempt),
            Standing::Active => "continue",
            Standing::Finished | Standing::Superseded => "unknown",
        }
    }

    pub fn report(&mut self, attempt: usize, step: u64) -> Answer {
        let was_active = self.attempts[attempt].outcome.is_none();
        let order = match self.enter(attempt) {
            Standing::Active if was_active => self.order(attempt),
            Standing::Active => "continue",
            Standing::Finished => "unknown",
            Standing::Superseded => return self.aside(),
        };
        self.attempts[attempt].steps.insert(step);
        Answer::Order(order)
    }

    pub fn checkpoint(&mut self, attempt: usize, step: u64) -> Answer {
        match self.enter(attempt) {
            Standing::Finished => return Answer::Order("unknown"),
            Standing::Superseded => return self.aside(),
            Standing::Active => {}
        }
        let row = &mut self.attempts[attempt];
        row.checkpoint = row.checkpoint.max(Some(step));
        let trial = &mut self.trials[row.trial];
        trial.checkpoint = trial.checkpoint.max(Some(step));
        Answer::Order(self.order(attempt))
    }

    pub fn finish(&mut self, attempt: usize, finish: Finish) -> Answer {
        match self.enter(attempt) {
            Standing::Finished if self.attempts[attempt].finish == Some(finish) => {
                return Answer::Order("continue");
            }
            Standing::Finished => return Answer::Conflict,
            Standing::Superseded => return self.aside(),
            Standing::Active => {}
        }
        if finish.outcome == Outcome::Completed {
            self.trials[self.attempts[attempt].trial].n_right = Some(finish.n_right);
        }
        self.settle(attempt, finish.outcome);
        self.attempts[attempt].finish = Some(finish);
        Answer::Order("continue")
    }

    /// Ends an active attempt.
    pub fn settle(&mut self, attempt: usize, outcome: Outcome) {
        let (n_same, n_idle) = self.weight(attempt, outcome);
        let (trial, worker) = (self.attempts[attempt].trial, self.attempts[attempt].worker);
        let follow = follow(outcome, n_same, n_idle);
        let row = &mut self.trials[trial];
        let follow = match follow {
            Follow::Settled(TrialState::Failed) | Follow::Again { .. } | Follow::Pause
                if row.cancel =>
            {
                Follow::Settled(TrialState::Cancelled)
            }
            Follow::Again { .. } if row.pause => Follow::Pause,
            Follow::Pause if !row.pause => Follow::Again { delay_s: 0.0 },
            other => other,
        };
        let gated = row.sweep.is_some_and(|sweep| self.sweeps[sweep].paused);
        match follow {
            Follow::Settled(state) => row.state = state,
            Follow::Pause => row.state = TrialState::Paused,
            Follow::Again { delay_s } => {
                row.state = TrialState::Queued;
                row.ready = (!gated).then_some(delay_s == 0.0);
                row.wait_s = delay_s;
            }
        }
        self.attempts[attempt].outcome = Some(outcome);
        if outcome == Outcome::WorkerFault {
            let worker = &mut self.workers[worker];
            worker.faulted.insert(trial);
            worker.quarantined |= worker.faulted.len() >= 3;
        }
    }

    /// Earlier attempts that weigh on this one: those that ended the same way, and, unless it left a newer checkpoint, those in
    /// a row that left none. One that by itself had settled the trial begins the count anew.
    fn weight(&self, attempt: usize, outcome: Outcome) -> (usize, usize) {
        let this = &self.attempts[attempt];
        let mut before: Vec<Outcome> = Vec::new();
        let mut n_idle = 0;
        let count =
            |before: &[Outcome], outcome| before.iter().filter(|other| **other == outcome).count();
        let progressed = |attempt: &Attempt| attempt.checkpoint > Some(attempt.resumed_from);
        for past in &self.attempts {
            let Some(how) = past.outcome else { continue };
            if past.trial != this.trial || past.epoch >= this.epoch {
                continue;
            }
            if progressed(past) {
                n_idle = 0;
            }
            if let Follow::Settled(_) = follow(how, count(&before, how), n_idle) {
                before.clear();
                n_idle = 0;
                continue;
            }
            before.push(how);
            n_idle += usize::from(!progressed(past));
        }
        let n_idle = if progressed(this) { 0 } else { n_idle };
        (count(&before, outcome), n_idle)
    }

    pub fn ask_trial(&mut self, trial: usize, wish: Wish) -> Answer {
        let row = &mut self.trials[trial];
        let settled = row.state.is_terminal();
        match (wish, row.state) {
            (Wish::Cancel, TrialState::Cancelled) => {}
            (Wish::Cancel, _) if settled => return Answer::Conflict,
            (Wish::Cancel, state) => {
                row.cancel = true;
                row.ready = None;
                if state != TrialState::Running {
                    row.state = TrialState::Cancelled;
                }
            }
            (Wish::Pause | Wish::Drain, _) if settled => return Answer::Conflict,
            (Wish::Pause | Wish::Drain, state) => {
                row.pause = true;
                row.ready = None;
                if state == TrialState::Queued {
                    row.state = TrialState::Paused;
                }
            }
            (Wish::Resume, TrialState::Queued | TrialState::Running) => row.pause = false,
            (Wish::Resume | Wish::Retry, TrialState::Paused)
            | (Wish::Retry, TrialState::Failed | TrialState::Cancelled) => self.queue_again(trial),
            (Wish::Resume | Wish::Retry, _) => return Answer::Conflict,
        }
        Answer::Done
    }

    /// It waits until its sweep has room; of a sweep that was cancelled it goes on alone.
    fn queue_again(&mut self, trial: usize) {
        let row = &mut self.trials[trial];
        row.reopen();
        match row.sweep {
            Some(sweep) if !self.sweeps[sweep].cancelled => {
                self.sweeps[sweep].open = true;
                self.feed(sweep);
            }
            _ => row.ready = Some(true),
        }
    }

    pub fn ask_sweep(&mut self, sweep: usize, wish: Wish) -> Answer {
        let is_ended = self.sweeps[sweep].cancelled;
        let row = &mut self.sweeps[sweep];
        // Whose newest attempt was lost, so that its holder may take it up again.
        let last_epoch = |attempt: &Attempt| self.trials[attempt.trial].last_epoch;
        let lost = self.attempts.iter().filter(|attempt| {
            attempt.outcome == Some(Outcome::Lost) && attempt.epoch == last_epoch(attempt)
        });
        let lost: BTreeSet<usize> = lost.map(|attempt| attempt.trial).collect();
        let trials = self.trials.iter_mut().enumerate();
        let trials = trials.filter(|(_, trial)| trial.sweep == Some(sweep));
        match wish {
            Wish::Pause | Wish::Drain | Wish::Resume if is_ended => return Answer::Conflict,
            Wish::Pause | Wish::Drain => {
                row.paused = true;
                row.open = true;
                for (idx, trial) in trials {
                    trial.ready = None;
                    let is_running = trial.state == TrialState::Running
                        || trial.state == TrialState::Queued && lost.contains(&idx);
                    trial.pause |= is_running && matches!(wish, Wish::Pause);
                }
            }
            Wish::Resume => {
                row.paused = false;
                row.open = true;
                for (_, trial) in trials {
                    match trial.state {
                        TrialState::Paused => trial.reopen(),
                        TrialState::Running | TrialState::Queued => trial.pause = false,
                        _ => {}
                    }
                }
            }
            Wish::Cancel => {
                row.cancelled = true;
                row.paused = false;
                row.open = false;
                for (_, trial) in trials.filter(|(_, trial)| !trial.state.is_terminal()) {
                    trial.cancel = true;
                    trial.ready = None;
                    if trial.state != TrialState::Running {
                        trial.state = TrialState::Cancelled;
                    }
                }
            }
            Wish::Retry => {
                row.cancelled = false;
                row.open = true;
                let again = [TrialState::Failed, TrialState::Cancelled];
                for (_, trial) in trials.filter(|(_, trial)| again.contains(&trial.state)) {
                    trial.reopen();
                }
            }
        }
        if matches!(wish, Wish::Resume | Wish::Retry) {
            self.feed(sweep);
        }
        Answer::Done
    }
}

impl Trial {
    fn reopen(&mut self) {
        self.state = TrialState::Queued;
        self.cancel = false;
        self.pause = false;
    }
}

fn follow(outcome: Outcome, n_same: usize, n_idle: usize) -> Follow {
    let again = |costs_nothing| Follow::Again {
        delay_s: if costs_nothing {
            0.0
        } else {
            (1_u64 << n_same.min(6)).min(60) as f64
        },
    };
    let budget = match outcome {
        Outcome::Completed => return Follow::Settled(TrialState::Completed),
        Outcome::Pruned => return Follow::Settled(TrialState::Pruned),
        Outcome::Cancelled => return Follow::Settled(TrialState::Cancelled),
        Outcome::Yielded => return Follow::Pause,
        Outcome::Preempted | Outcome::Lost if n_idle < MAX_IDLE => return again(true),
        Outcome::WorkerFault if n_idle < MAX_IDLE => return again(false),
        Outcome::Crashed => 3,
        Outcome::Stalled => 2,
        _ => 0,
    };
    match n_same < budget {
        true => again(false),
        false => Follow::Settled(TrialState::Failed),
    }
}
