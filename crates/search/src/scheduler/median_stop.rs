//! The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.2): a trial stops at epoch s if its best
//! value so far is strictly worse than the median of the other trials' running averages over their first s epochs.
//!
//! Where we differ: all trials that have come as far count, not only the finished ones, since many trials may start at
//! once; those that failed do not. Of an even number, the lower middle one is the median, in doubt for the trial.

use super::{Action, Decision, History, Scheduler};

pub(super) struct MedianStop {
    pub min_epochs: u32,
    pub min_trials: u32,
    /// Of a whole trial: one that has come so far has nothing left to stop.
    pub n_epochs: u32,
}

impl Scheduler for MedianStop {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let is_judged = |epoch: u32| (self.min_epochs..self.n_epochs).contains(&epoch);
        let judged = history
            .numbered()
            .filter(|(_, curve)| curve.is_live() && is_judged(curve.reached()));
        judged
            .filter_map(|(trial, curve)| {
                let epoch = curve.reached();
                let median = self.median(history, trial, epoch)?;
                (curve.best_by(epoch) < median).then_some(Decision {
                    trial,
                    epoch,
                    action: Action::Stop {},
                })
            })
            .collect()
    }
}

impl MedianStop {
    /// Of the running averages at `epoch` of all others that came as far; `None` where they are too few.
    fn median(&self, history: &History, trial: u32, epoch: u32) -> Option<f64> {
        let mut averages: Vec<f64> = history
            .numbered()
            .filter(|(other, curve)| {
                *other != trial && !curve.has_failed() && curve.reached() >= epoch
            })
            .map(|(_, curve)| curve.mean_by(epoch))
            .collect();
        if averages.len() < (self.min_trials as usize).max(1) {
            return None;
        }
        averages.sort_by(f64::total_cmp);
        Some(averages[(averages.len() - 1) / 2])
    }
}
