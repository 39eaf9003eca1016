//! Successive halving (Jamieson and Talwalkar 2016): n trials train to the first rung, the best n/η of them to the
//! second, η times as far, and so on. Paper: "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
//! AISTATS 2016; the first rung `r`, η and the cohort are its inputs.
//!
//! Where we differ: with fewer than η trials at a rung one still goes on, so that a sweep ends with a finished trial.

use std::ops::Range;

use super::history::best_first;
use super::rungs::n_kept;
use super::{Action, Curve, Decision, History, Scheduler};

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

/// Trials that are compared with each other, by number.
struct Cohort<'a> {
    members: Range<u32>,
    /// Epochs, ascending.
    rungs: &'a [u32],
    eta: f64,
}

impl Cohort<'_> {
    /// Appends what is to be done now. A rung is decided once all that can reach it have: one in `eta` of those that
    /// set out for it goes on. A trial that comes late, since somebody retried it, goes on if it is no worse than
    /// the worst that did.
    fn decide(&self, history: &History, decisions: &mut Vec<Decision>) {
        let n_joined = history.curves().len() as u32;
        let is_full = n_joined >= self.members.end || history.is_closed();
        let mut before = 0;
        for &rung in self.rungs {
            let joined = self.members.start..self.members.end.min(n_joined);
            let entrants: Vec<(u32, &Curve)> = joined
                .map(|trial| (trial, &history.curves()[trial as usize]))
                .filter(|(_, curve)| curve.cleared >= before)
                .collect();
            let kept = entrants.iter().filter(|(_, curve)| curve.cleared >= rung);
            let worst_kept = kept
                .filter_map(|(_, curve)| curve.at(rung))
                .reduce(f64::min);
            let was_decided = worst_kept.is_some()
                || entrants
                    .iter()
                    .any(|(_, curve)| curve.stopped == Some(rung));
            let is_awaited =
                |curve: &Curve| curve.is_live() && curve.cleared < rung && curve.at(rung).is_none();
            let may_decide = is_full && !entrants.iter().any(|(_, curve)| is_awaited(curve));
            let waiting = entrants
                .iter()
                .filter(|(_, curve)| curve.is_live() && curve.cleared < rung);
            let mut tell = |trial: u32, action: Action| {
                decisions.push(Decision {
                    trial,
                    epoch: rung,
                    action,
                });
            };
            if was_decided {
                for (trial, curve) in waiting {
                    match (curve.at(rung), worst_kept) {
                        (None, _) => {}
                        (Some(value), Some(worst)) if value >= worst => {
                            tell(*trial, Action::Promote {});
                        }
                        (Some(_), _) => tell(*trial, Action::Stop {}),
                    }
                }
            } else if may_decide {
                let mut ranked: Vec<(u32, f64)> = entrants
                    .iter()
                    .filter(|(_, curve)| !curve.has_failed())
                    .filter_map(|(trial, curve)| Some((*trial, curve.at(rung)?)))
                    .collect();
                best_first(&mut ranked);
                for (place, (trial, value)) in ranked.into_iter().enumerate() {
                    let goes_on = place < n_kept(entrants.len(), self.eta) && value.is_finite();
                    let action = match goes_on {
                        true => Action::Promote {},
                        false => Action::Stop {},
                    };
                    if history.curves()[trial as usize].is_live() {
                        tell(trial, action);
                    }
                }
            } else {
                for (trial, curve) in waiting {
                    if curve.reached() >= rung && !curve.is_held {
                        tell(*trial, Action::Pause {});
                    }
                }
            }
            if !was_decided {
                return;
            }
            before = rung;
        }
    }
}
