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
//!
//! With several brackets (see [`super::hyperband`]) some trials are compared at later rungs first.

use super::forecast::{Forecaster, Forecasts};
use super::history::best_first;
use super::hyperband::Brackets;
use super::{Action, Curve, Decision, History, Scheduler};

pub(super) struct Asha {
    pub brackets: Brackets,
    pub eta: f64,
    pub n_epochs: u32,
    pub forecaster: Forecaster,
}

/// A trial that is at a rung, with what it is ranked by.
struct Entrant<'a> {
    trial: u32,
    curve: &'a Curve,
    /// The last epoch past which it may go on.
    cleared: u32,
    value: f64,
}

impl Scheduler for Asha {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let forecasts = self.forecaster.of(history);
        let is_over = history.is_closed() && !history.is_moving();
        for (idx, &rung) in self.brackets.rungs.iter().enumerate().rev() {
            let mut tell = |trial: u32, action: Action| {
                decisions.push(Decision {
                    trial,
                    epoch: rung,
                    action,
                });
            };
            let entrants = self.entrants(history, &forecasts, idx);
            let n_top = (entrants.len() as f64 / self.eta + 1e-9).floor() as usize;
            let may_go_on = |entrant: &&Entrant| {
                entrant.curve.is_live() && entrant.cleared < rung && entrant.value.is_finite()
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
                    && (self.before(idx)..rung).contains(&self.cleared(trial, curve))
                    && curve.reached() >= rung;
                if is_at_rung && !curve.is_held && !promoted.contains(&trial) {
                    tell(trial, Action::Pause {});
                }
            }
            // Those chosen for the end beforehand were not promoted here.
            let somebody_went_on = entrants.iter().any(|entrant| {
                (rung..self.n_epochs).contains(&entrant.cleared) && !entrant.curve.has_failed()
            });
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
        if decisions.is_empty() {
            decisions = self.finals(history, &forecasts);
        }
        if is_over && decisions.is_empty() {
            let waiting = history.numbered().filter(|(_, curve)| curve.is_live());
            decisions.extend(waiting.map(|(trial, curve)| Decision {
                trial,
                epoch: curve.reached(),
                action: Action::Stop {},
            }));
        }
        decisions
    }

    fn forecasts(&self, history: &History) -> Vec<Option<f64>> {
        let forecasts = self.forecaster.of(history);
        let told = |trial| {
            forecasts
                .unfinished(trial)
                .map(|end| history.in_own_sign(end))
        };
        (0..history.curves().len() as u32).map(told).collect()
    }
}

impl Asha {
    /// The rung before number `rung_idx`, in epochs.
    fn before(&self, rung_idx: usize) -> u32 {
        rung_idx
            .checked_sub(1)
            .map_or(0, |before| self.brackets.rungs[before])
    }

    /// The last epoch past which a trial may go on: from its beginning to where its bracket first compares it.
    fn cleared(&self, trial: u32, curve: &Curve) -> u32 {
        let first = self.before(self.brackets.first_rung(trial));
        curve.cleared.max(first)
    }

    /// Those that set out for rung number `rung_idx` and have reached it, the best first.
    fn entrants<'a>(
        &self,
        history: &'a History,
        forecasts: &Forecasts,
        rung_idx: usize,
    ) -> Vec<Entrant<'a>> {
        let (rung, before) = (self.brackets.rungs[rung_idx], self.before(rung_idx));
        let mut ranked: Vec<(u32, f64)> = history
            .numbered()
            .filter(|(trial, curve)| self.cleared(*trial, curve) >= before)
            .filter(|(_, curve)| curve.at(rung).is_some())
            .map(|(trial, _)| (trial, forecasts.at(trial, rung_idx)))
            .collect();
        best_first(&mut ranked);
        let entrant = |(trial, value): (u32, f64)| {
            let curve = &history.curves()[trial as usize];
            Entrant {
                trial,
                curve,
                cleared: self.cleared(trial, curve),
                value,
            }
        };
        ranked.into_iter().map(entrant).collect()
    }

    /// Who of those that wait is trained to the end without being compared again.
    fn finals(&self, history: &History, forecasts: &Forecasts) -> Vec<Decision> {
        let count = |wanted: fn(&Curve, u32) -> bool| {
            let curves = history.curves().iter();
            curves.filter(|curve| wanted(curve, self.n_epochs)).count() as u64
        };
        let n_begun = count(|curve, _| curve.reached() > 0);
        let n_chosen = count(|curve, n_epochs| curve.cleared >= n_epochs);
        let n_left = self.brackets.n_final(n_begun).saturating_sub(n_chosen);
        let mut waiting: Vec<(u32, f64)> = history
            .numbered()
            .filter(|(_, curve)| curve.is_live() && curve.is_held)
            .filter_map(|(trial, _)| Some((trial, forecasts.end(trial)?)))
            .filter(|(_, end)| end.is_finite())
            .collect();
        best_first(&mut waiting);
        waiting.truncate(n_left as usize);
        let chosen = waiting.into_iter().map(|(trial, _)| Decision {
            trial,
            epoch: self.n_epochs,
            action: Action::Promote {},
        });
        chosen.collect()
    }
}
