//! Forecasts: where a trial will end, as far as those that went before it tell. What is compared at a rung is then not
//! today's value, which a good learning rate may have made low, but what trials like this one came to.
//!
//! Between neighbouring levels, which are the rungs and the end, one forest of extremely randomised trees learns the
//! gain `y(next) - y(level)` from the configuration and the values at this level and the one before it; a trial's
//! forecast rolls each tree forward from where it stands and takes the mean. Predicting curves from configurations and
//! first epochs goes back to Swersky et al. 2014 ("Freeze-thaw Bayesian optimization") and, for stopping, Baker et al.
//! 2018 ("Accelerating neural architecture search using performance prediction", which also learns from trials of the
//! same sweep, step by step); model-based rungs are those of Klein et al. 2020 ("Model-based asynchronous
//! hyperparameter and neural architecture search", which models values at rungs with a Gaussian process).
//!
//! A forest needs [`MIN_ROWS`] trials that did both ends of its step. Trials are compared at the furthest level to which
//! forests reach without a gap, so that whoever is ahead is not ranked by more epochs than the others. Without
//! forests that is the rung itself, and its values.
//!
//! Forecasts are a function of the history, trials in the order of their numbers. A forest is grown from a number of
//! rows that goes up by a tenth, so that it does not change with every arrival.

use std::sync::{Arc, Mutex, PoisonError};

use cultivar_spec::{SweepSpec, Violations};
use serde_json::Value;

use super::extra_trees::{Forest, N_TREES, Rows};
use super::features::Encoder;
use super::{Curve, History};

#[cfg(test)]
mod tests;

/// Rows that a forest is grown from at least.
const MIN_ROWS: usize = 6;

/// Makes forecasts for the trials of a sweep, and keeps what the next ones share with them.
pub(super) struct Forecaster {
    encoder: Encoder,
    /// The rungs and the end, in epochs, ascending.
    levels: Vec<u32>,
    /// Those of the last history: what is the same in another is not worked out again.
    last: Mutex<Arc<Forecasts>>,
}

/// The forecasts of one history.
#[derive(Default)]
pub(super) struct Forecasts {
    /// By number.
    trials: Vec<Arc<Trial>>,
    /// From level to level, the first first, as far as there are enough rows.
    steps: Vec<Arc<Step>>,
    /// They reach the end.
    is_whole: bool,
    /// By number: the value at level `steps.len()`, or what it will be; minus infinity where one up to there was not
    /// finite.
    ahead: Vec<f64>,
}

/// What a forecast knows of a trial.
struct Trial {
    point: Arc<Value>,
    /// The configuration, `[n_columns]` in [0, 1]; empty where the trial has not reached the first level.
    features: Vec<f64>,
    /// At each level it has reached.
    values: Vec<f64>,
}

struct Step {
    rows: Rows,
    forest: Forest,
}

impl Forecaster {
    /// # Errors
    /// The space is malformed.
    pub fn new(sweep: &SweepSpec, n_epochs: u32) -> Result<Self, Violations> {
        let mut levels = super::rungs::of(&sweep.scheduler, n_epochs);
        levels.push(n_epochs);
        Ok(Self {
            encoder: Encoder::new(&sweep.space)?,
            levels,
            last: Mutex::default(),
        })
    }

    pub fn of(&self, history: &History) -> Arc<Forecasts> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let curves = history.curves();
        let is_same = |(trial, curve): (&Arc<Trial>, &Curve)| self.is_same(trial, curve);
        if last.trials.len() != curves.len() || !last.trials.iter().zip(curves).all(is_same) {
            *last = Arc::new(self.renew(&last, curves));
        }
        Arc::clone(&last)
    }

    /// The values at the levels that a trial has reached. Where a report is missing the next one stands for it.
    fn values(&self, curve: &Curve) -> impl Iterator<Item = f64> {
        let at = |level: &u32| curve.values.range(level..).next();
        self.levels.iter().map_while(at).map(|(_, value)| *value)
    }

    fn is_same(&self, trial: &Trial, curve: &Curve) -> bool {
        // Of one point there is no need to look into it.
        let is_there = Arc::ptr_eq(&trial.point, &curve.point) || trial.point == curve.point;
        is_there && self.values(curve).eq(trial.values.iter().copied())
    }

    fn renew(&self, last: &Forecasts, curves: &[Curve]) -> Forecasts {
        let known = curves.iter().enumerate().map(|(idx, curve)| {
            let before = last.trials.get(idx);
            match before.filter(|trial| self.is_same(trial, curve)) {
                Some(trial) => Arc::clone(trial),
                None => Arc::new(self.trial(curve)),
            }
        });
        let trials: Vec<Arc<Trial>> = known.collect();
        let steps: Vec<Arc<Step>> = (0..self.levels.len() - 1)
            .map_while(|level| step(level, &trials, last.steps.get(level)))
            .collect();
        let mut same = steps.iter().zip(&last.steps);
        let are_same =
            steps.len() == last.steps.len() && same.all(|(step, last)| Arc::ptr_eq(step, last));
        let ahead = trials.iter().enumerate().map(|(idx, trial)| {
            let before = last.trials.get(idx);
            match before.filter(|before| are_same && Arc::ptr_eq(before, trial)) {
                Some(_) => last.ahead[idx],
                None => ahead(trial, &steps),
            }
        });
        Forecasts {
            ahead: ahead.collect(),
            is_whole: steps.len() + 1 == self.levels.len(),
            trials,
            steps,
        }
    }

    fn trial(&self, curve: &Curve) -> Trial {
        let values: Vec<f64> = self.values(curve).collect();
        Trial {
            features: match values.is_empty() {
                true => Vec::new(),
                false => self.encoder.features(&curve.point),
            },
            point: Arc::clone(&curve.point),
            values,
        }
    }
}

impl Forecasts {
    /// What counts of a trial where it is compared with the others that have reached rung number `rung_idx`.
    pub fn at(&self, trial: u32, rung_idx: usize) -> f64 {
        let trial = trial as usize;
        if rung_idx < self.steps.len() {
            return self.ahead[trial];
        }
        let value = self.trials[trial].values.get(rung_idx);
        value.copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// What a trial will come to where all are compared; `None` before the first level, and of one that has come to its
    /// end where that is compared.
    pub fn unfinished(&self, trial: u32) -> Option<f64> {
        let values = &self.trials[trial as usize].values;
        let has_ended = values.len() > self.steps.len() && self.is_whole;
        (!values.is_empty() && !has_ended).then(|| self.ahead[trial as usize])
    }

    /// Where a trial will end, or where it stands if it has gone further than the forests tell.
    pub fn end(&self, trial: u32) -> Option<f64> {
        let values = &self.trials[trial as usize].values;
        let latest = values.last()?;
        let is_ahead = values.len() > self.steps.len();
        Some(if is_ahead {
            *latest
        } else {
            self.ahead[trial as usize]
        })
    }
}

/// What is learned of the step from `level` to the next, the first trials first.
fn step(level: usize, trials: &[Arc<Trial>], last: Option<&Arc<Step>>) -> Option<Arc<Step>> {
    let rows = trials.iter().filter_map(|trial| {
        let (next, known) = trial.values.get(..level + 2)?.split_last()?;
        let gain = next - known[level];
        let is_finite = gain.is_finite() && known.iter().all(|value| value.is_finite());
        is_finite.then_some((trial, known, gain))
    });
    let rows: Vec<_> = rows.collect();
    let n = n_grown_from(rows.len())?;
    let mut grown = Rows::default();
    for (trial, known, gain) in &rows[..n] {
        let before = level.checked_sub(1).map(|before| known[before]);
        let mut features = trial.features.clone();
        features.extend([known[level]].into_iter().chain(before));
        grown.features.push(features);
        grown.targets.push(*gain);
    }
    if let Some(last) = last.filter(|last| last.rows == grown) {
        return Some(Arc::clone(last));
    }
    let seed = (level as u64) << 32 | n as u64;
    Some(Arc::new(Step {
        forest: Forest::grow(&grown, seed),
        rows: grown,
    }))
}

/// The largest of 6, 7, 8 ... 10, 11, 13 ... that is no more than `n_rows`, each a tenth above the one before.
fn n_grown_from(n_rows: usize) -> Option<usize> {
    let sizes = std::iter::successors(Some(MIN_ROWS), |n| Some(n + n.div_ceil(10)));
    sizes.take_while(|n| *n <= n_rows).last()
}

/// The value after all the steps: that of the trial, or the mean over the trees of what each adds up to.
fn ahead(trial: &Trial, steps: &[Arc<Step>]) -> f64 {
    let known = &trial.values[..trial.values.len().min(steps.len() + 1)];
    let Some((latest, earlier)) = known.split_last() else {
        return f64::NEG_INFINITY;
    };
    if known.iter().any(|value| !value.is_finite()) {
        return f64::NEG_INFINITY;
    }
    let mut features = trial.features.clone();
    let n_columns = features.len();
    let mut roll = |tree: usize| {
        let (mut value, mut before) = (*latest, earlier.last().copied());
        for step in &steps[known.len() - 1..] {
            features.truncate(n_columns);
            features.extend([value].into_iter().chain(before));
            before = Some(value);
            value += step.forest.vote(tree, &features);
        }
        value - latest
    };
    let mean_gain = (0..N_TREES).map(&mut roll).sum::<f64>() / N_TREES as f64;
    // Gains of the largest numbers there are may add up to none.
    match (latest + mean_gain).is_finite() {
        true => latest + mean_gain,
        false => *latest,
    }
}
