//! What a scheduler knows: everything that happened in a sweep, in the order in which it was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use cultivar_spec::trial::Direction;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that happened. Trials go by number, from 0 without gaps, in the order in which they joined.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A trial joined, with what its configuration makes of the sweep's space. It waits for a worker.
    Joined { trial: u32, point: Value },
    /// The objective after so many whole epochs.
    Report { trial: u32, epoch: u32, value: f64 },
    /// A trial runs, or waits for a worker.
    Opened { trial: u32 },
    /// A trial gave way; whoever resumes it finds a checkpoint.
    Paused { trial: u32 },
    /// A trial is settled.
    Ended { trial: u32, end: End },
    /// No more trials will join.
    Closed {},
    /// The scheduler spoke.
    Decided { decision: Decision },
}

/// How a trial settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Completed,
    Pruned,
    /// Failed or cancelled: it counts for nothing more.
    Failed,
}

/// What becomes of a trial. One that is not named goes on as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub trial: u32,
    /// The epoch whose values were compared.
    pub epoch: u32,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Ends it; what it reported is kept.
    Stop {},
    /// Gives way, with a checkpoint, until it is promoted, cloned over or stopped.
    Pause {},
    /// Goes on past `epoch`, whether it had given way by then or not.
    Promote {},
    /// Goes on past `epoch` from the checkpoint of `source`, at `point` of the sweep's space. Both had given way.
    Clone { source: u32, point: Value },
}

/// Where a trial stands, as far as was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Open,
    Paused,
    Ended(End),
}

/// One trial.
#[derive(Clone, Debug)]
pub struct Curve {
    /// By epoch, **larger is better**, never NaN: what is not a finite number is minus infinity.
    pub values: BTreeMap<u32, f64>,
    pub status: Status,
    /// The last epoch past which it may go on.
    pub cleared: u32,
    /// It waits for a decision.
    pub is_held: bool,
    /// The epoch at which it was stopped.
    pub stopped: Option<u32>,
    /// Its place in the space; shared with who keeps what follows from it.
    pub point: Arc<Value>,
}

impl Curve {
    fn new(point: Value) -> Self {
        Self {
            values: BTreeMap::new(),
            status: Status::Open,
            cleared: 0,
            is_held: false,
            stopped: None,
            point: Arc::new(point),
        }
    }

    fn go_on(&mut self, epoch: u32) {
        self.cleared = self.cleared.max(epoch);
        self.is_held = false;
        // Whatever is heard of it next, it no longer stands where it had given way.
        if self.status == Status::Paused {
            self.status = Status::Open;
        }
    }

    /// Something may still be decided about it.
    pub fn is_live(&self) -> bool {
        self.stopped.is_none() && !matches!(self.status, Status::Ended(_))
    }

    /// It failed or was cancelled.
    pub fn has_failed(&self) -> bool {
        self.status == Status::Ended(End::Failed)
    }

    /// Epochs it has reported.
    pub fn reached(&self) -> u32 {
        self.values.last_key_value().map_or(0, |(epoch, _)| *epoch)
    }

    /// The value that counts at a rung. Of a trial that skipped the report it is the next one, once nothing it
    /// said before can be on its way any more: a late report must not change what an early one decided.
    pub fn at(&self, rung: u32) -> Option<f64> {
        if let Some(value) = self.values.get(&rung) {
            return Some(*value);
        }
        let next = self.values.range(rung..).next();
        next.filter(|_| self.status != Status::Open)
            .map(|(_, value)| *value)
    }

    /// The best value of the first `epoch` epochs.
    pub fn best_by(&self, epoch: u32) -> f64 {
        let values = self.values.range(..=epoch).map(|(_, value)| *value);
        values.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The mean of the values reported in the first `epoch` epochs; minus infinity where there are none.
    pub fn mean_by(&self, epoch: u32) -> f64 {
        let values = self.values.range(..=epoch).map(|(_, value)| *value);
        let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
        match n {
            0 => f64::NEG_INFINITY,
            n => sum / f64::from(n),
        }
    }
}

/// Everything seen so far.
#[derive(Clone, Debug)]
pub struct History {
    sign: f64,
    curves: Vec<Curve>,
    is_closed: bool,
}

impl History {
    /// Nothing seen yet. `direction` is that of the objective; nothing else here knows of it.
    pub fn new(direction: Direction) -> Self {
        Self {
            sign: match direction {
                Direction::Maximize => 1.0,
                Direction::Minimize => -1.0,
            },
            curves: Vec::new(),
            is_closed: false,
        }
    }

    /// Takes in what happened. The first report of an epoch stands: an attempt that does an epoch again comes to the
    /// same. What is said of an unknown trial is left out of account.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Joined { trial, point } => {
                if *trial as usize == self.curves.len() {
                    self.curves.push(Curve::new(point.clone()));
                }
            }
            Event::Report {
                trial,
                epoch,
                value,
            } => {
                let signed = self.sign * value;
                let signed = if signed.is_finite() {
                    signed
                } else {
                    f64::NEG_INFINITY
                };
                if let Some(curve) = self.curve_mut(*trial).filter(|_| *epoch > 0) {
                    curve.values.entry(*epoch).or_insert(signed);
                }
            }
            Event::Opened { trial } => self.set_status(*trial, Status::Open),
            Event::Paused { trial } => self.set_status(*trial, Status::Paused),
            Event::Ended { trial, end } => self.set_status(*trial, Status::Ended(*end)),
            Event::Closed {} => self.is_closed = true,
            Event::Decided { decision } => self.decided(decision),
        }
    }

    fn decided(&mut self, decision: &Decision) {
        let Some(curve) = self.curve_mut(decision.trial) else {
            return;
        };
        match &decision.action {
            Action::Stop {} => curve.stopped = Some(decision.epoch),
            Action::Pause {} => curve.is_held = true,
            Action::Promote {} => curve.go_on(decision.epoch),
            Action::Clone { point, .. } => {
                curve.go_on(decision.epoch);
                curve.point = Arc::new(point.clone());
                // What it had reported beyond is of a run that was given up.
                curve.values.retain(|epoch, _| *epoch <= decision.epoch);
            }
        }
    }

    /// A settled trial that opens again, because somebody asked for it, is judged anew.
    fn set_status(&mut self, trial: u32, status: Status) {
        if let Some(curve) = self.curve_mut(trial) {
            if matches!(curve.status, Status::Ended(_)) && !matches!(status, Status::Ended(_)) {
                curve.stopped = None;
                curve.is_held = false;
            }
            curve.status = status;
        }
    }

    fn curve_mut(&mut self, trial: u32) -> Option<&mut Curve> {
        self.curves.get_mut(trial as usize)
    }

    /// Every trial that joined, by number.
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// A value as the objective gives it.
    pub fn in_own_sign(&self, value: f64) -> f64 {
        self.sign * value
    }

    /// Numbers and trials.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Curve)> {
        (0..).zip(&self.curves)
    }

    /// No more trials will join.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Some trial has neither settled nor given way to wait for a decision, so that more will be heard.
    pub fn is_moving(&self) -> bool {
        let waits = |curve: &Curve| curve.is_held && curve.status == Status::Paused;
        self.curves
            .iter()
            .any(|curve| curve.is_live() && !waits(curve))
    }
}

/// Orders candidates `(trial, value)`, the best first, equals by number.
pub(super) fn best_first(candidates: &mut [(u32, f64)]) {
    candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
}
