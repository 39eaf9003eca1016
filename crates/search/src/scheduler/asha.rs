//! ASHA, asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning",
//! MLSys, algorithm 2): whenever the best n/η of the n trials that have reached a rung hold one that was not promoted,
//! it goes on to the next rung; who is not promoted waits at its rung. Nobody waits for stragglers.
//!
//! Where we differ: those at a rung are ranked by what they are forecast to come to (see [`super::forecast`]) and not by
//! their values there, which early in a full-length schedule say little of the end. On 480 recorded curves of linear
//! heads this finds what random search finds in a quarter of its epochs or less most of the time, and values do not
//! (`bench/search/README.md`). As long as there is nothing to forecast from, values count.
//!
//! Promoted trials go before fresh ones, as in the paper's `get_job`, because the queue hands out what has begun first.
//! And a sweep ends. When no more trials will join and none moves, the best trial of a rung from which nobody ever went
//! on is promoted, so that one trial is finished even of fewer than η; then those that wait are stopped.

use super::forecast::{Forecaster, Forecasts};
use super::history::best_first;
use super::{Action, Curve, Decision, History, Scheduler};

pub(super) struct Asha {
    /// Epochs, ascending.
    pub rungs: Vec<u32>,
    pub eta: f64,
    pub forecaster: Forecaster,
}

/// A trial that is at a rung, with what it is ranked by.
struct Entrant<'a> {
    trial: u32,
    curve: &'a Curve,
    value: f64,
}

impl Scheduler for Asha {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let forecasts = self.forecaster.of(history);
        let is_over = history.is_closed() && !history.is_moving();
        for (idx, &rung) in self.rungs.iter().enumerate().rev() {
            let before = if idx == 0 { 0 } else { self.rungs[idx - 1] };
            let mut tell = |trial: u32, action: Action| {
                decisions.push(Decision {
                    trial,
                    epoch: rung,
                    action,
                });
            };
            let entrants = entrants(history, &forecasts, idx, rung, before);
            let n_top = (entrants.len() as f64 / self.eta + 1e-9).floor() as usize;
            let may_go_on = |entrant: &&Entrant| {
                entrant.curve.is_live() && entrant.curve.cleared < rung && entrant.value.is_finite()
            };
            let promoted: Vec<u32> = entrants[..n_top]
                .iter()
                .filter(may_go_on)
                .map(|entrant| entrant.trial)
                .collect();
            for trial in &promoted {
                tell(*trial, Action::Promote {});
            }
            for (trial, curve) in history.numbered() {
                let is_at_rung = curve.is_live()
                    && (before..rung).contains(&curve.cleared)
                    && curve.reached() >= rung;
                if is_at_rung && !curve.is_held && !promoted.contains(&trial) {
                    tell(trial, Action::Pause {});
                }
            }
            let somebody_went_on = entrants
                .iter()
                .any(|entrant| entrant.curve.cleared >= rung && !entrant.curve.has_failed());
            let first = entrants.iter().find(may_go_on);
            if let Some(first) =
                first.filter(|_| is_over && promoted.is_empty() && !somebody_went_on)
            {
                tell(first.trial, Action::Promote {});
            }
            if is_over && !decisions.is_empty() {
                return decisions;
            }
        }
        if is_over {
            let waiting = history.numbered().filter(|(_, curve)| curve.is_live());
            decisions.extend(waiting.map(|(trial, curve)| Decision {
                trial,
                epoch: curve.reached(),
                action: Action::Stop {},
            }));
        }
        decisions
    }
}

/// Those that set out for rung number `rung_idx` and have reached it, the best first.
fn entrants<'a>(
    history: &'a History,
    forecasts: &Forecasts,
    rung_idx: usize,
    rung: u32,
    before: u32,
) -> Vec<Entrant<'a>> {
    let mut ranked: Vec<(u32, f64)> = history
        .numbered()
        .filter(|(_, curve)| curve.cleared >= before && curve.at(rung).is_some())
        .map(|(trial, _)| (trial, forecasts.at(trial, rung_idx)))
        .collect();
    best_first(&mut ranked);
    let entrant = |(trial, value): (u32, f64)| Entrant {
        trial,
        curve: &history.curves()[trial as usize],
        value,
    };
    ranked.into_iter().map(entrant).collect()
}
