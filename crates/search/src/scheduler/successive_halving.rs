//! Successive halving (Jamieson and Talwalkar 2016): n trials train to the first rung, the best n/η of them to the
//! second, η times as far, and so on. Paper: "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
//! AISTATS 2016; the first rung `r`, η and the cohort are its inputs.
//!
//! Where we differ: with fewer than η trials at a rung one still goes on, so that a sweep ends with a finished trial.

use super::cohort::Cohort;
use super::{Decision, History, Scheduler};

pub(super) struct SuccessiveHalving {
    pub rungs: Vec<u32>,
    pub eta: f64,
    /// All trials, if not given.
    pub cohort: Option<u32>,
}

impl Scheduler for SuccessiveHalving {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let n_joined = history.curves().len() as u32;
        // While trials may still join, the only cohort is never full.
        let size = self.cohort.unwrap_or(u32::MAX);
        let mut decisions = Vec::new();
        for start in (0..n_joined).step_by(size as usize) {
            let cohort = Cohort {
                members: start..start.saturating_add(size),
                rungs: &self.rungs,
                eta: self.eta,
            };
            cohort.decide(history, &mut decisions);
        }
        decisions
    }
}
