//! Hyperband (Li et al. 2018): successive halving over brackets that trade the number of trials against the length of
//! the first rung, so that no guess is needed how early a comparison tells the truth. Paper: "Hyperband: A Novel
//! Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, algorithm 1. With R epochs and
//! `s_max = floor(log_eta(R / min_epochs))`, bracket s = s_max ... 0 holds
//! `ceil((s_max + 1) / (s + 1) * eta^s)` trials whose first rung is `R * eta^-s`.
//!
//! Trials join the brackets in turn, s_max first, and after bracket 0 it begins again. Where we differ: the last
//! bracket may stay short, when a sweep's budget ends.

use super::cohort::Cohort;
use super::{Decision, History, Scheduler, rungs};

pub(super) struct Hyperband {
    brackets: Vec<Bracket>,
    eta: f64,
}

struct Bracket {
    n_trials: u32,
    rungs: Vec<u32>,
}

impl Hyperband {
    pub fn new(min_epochs: Option<u32>, eta: f64, n_epochs: u32) -> Self {
        let shortest = rungs::shortest(min_epochs, n_epochs);
        let ratio = f64::from(n_epochs) / shortest;
        let s_max = (ratio.ln() / eta.ln() + 1e-9).floor() as u32;
        let bracket = |s: u32| {
            let n_trials = f64::from(s_max + 1) / f64::from(s + 1) * eta.powi(s as i32);
            Bracket {
                n_trials: (n_trials - 1e-9).ceil() as u32,
                rungs: rungs::below(s, eta, shortest, n_epochs),
            }
        };
        Self {
            brackets: (0..=s_max).rev().map(bracket).collect(),
            eta,
        }
    }
}

impl Hyperband {
    /// Size and rungs of each cohort in turn, without end.
    pub fn cohorts(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let brackets = self.brackets.iter().cycle();
        brackets.map(|bracket| (bracket.n_trials, &*bracket.rungs))
    }
}

impl Scheduler for Hyperband {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let n_joined = history.curves().len() as u32;
        let mut decisions = Vec::new();
        let mut start = 0;
        for bracket in self.brackets.iter().cycle() {
            if start >= n_joined {
                break;
            }
            let end = start.saturating_add(bracket.n_trials);
            let cohort = Cohort {
                members: start..end,
                rungs: &bracket.rungs,
                eta: self.eta,
            };
            cohort.decide(history, &mut decisions);
            start = end;
        }
        decisions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 1 of the paper: R = 81, eta = 3.
    #[test]
    fn brackets_are_those_of_the_paper() {
        let built = Hyperband::new(Some(1), 3.0, 81);
        let shapes: Vec<(u32, u32)> = built
            .brackets
            .iter()
            .map(|bracket| {
                let first = bracket.rungs.first().copied().unwrap_or(81);
                (bracket.n_trials, first)
            })
            .collect();
        assert_eq!(shapes, [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]);
        assert_eq!(built.brackets[0].rungs, [1, 3, 9, 27]);
    }
}
