//! Stops a trial that will not catch up: its learning curve is extrapolated to its last epoch (see `curve_fit`), and it
//! stops where the upper bound of that lies below the best finished trial.
//!
//! Curves of annealed learning rates rise at the end, which no fit to their beginning foresees. So the bound is
//! widened by what extrapolations from the same epoch missed of finished trials: split conformal prediction (Vovk et
//! al. 2005), the ⌈(n + 1) confidence⌉-th smallest of n misses, and no bound at all where n is too small for that. The
//! guarantee is for a trial like the finished ones; after the first stops, those are the better ones.

use std::collections::BTreeMap;

use super::curve_fit::Forecast;
use super::{Action, Curve, Decision, End, History, Scheduler, Status};

/// Finished trials that extrapolations are checked against, the latest.
const MAX_CHECKED: usize = 200;

pub(super) struct CurveStop {
    pub min_epochs: u32,
    pub n_epochs: u32,
    pub confidence: f64,
}

impl Scheduler for CurveStop {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let finished: Vec<(&Curve, f64)> = history
            .curves()
            .iter()
            .filter(|curve| curve.status == Status::Ended(End::Completed))
            .filter_map(|curve| Some((curve, curve.at(self.n_epochs)?)))
            .filter(|(_, end)| end.is_finite())
            .collect();
        let Some(best) = finished.iter().map(|(_, end)| *end).reduce(f64::max) else {
            return Vec::new();
        };
        let checked = &finished[finished.len().saturating_sub(MAX_CHECKED)..];
        let mut slack_by_epoch: BTreeMap<u32, Option<f64>> = BTreeMap::new();
        let mut decisions = Vec::new();
        for (trial, curve) in history.numbered().filter(|(_, curve)| curve.is_live()) {
            let epoch = curve.reached();
            // What has beaten the best already has nothing to prove.
            if epoch < self.min_epochs || epoch >= self.n_epochs || curve.best_by(epoch) >= best {
                continue;
            }
            let slack = slack_by_epoch
                .entry(epoch)
                .or_insert_with(|| self.slack(checked, epoch));
            let Some(slack) = *slack else {
                continue;
            };
            let Some(forecast) = self.forecast(curve, epoch) else {
                continue;
            };
            let mean = forecast.mean();
            let upper = forecast.quantile(self.confidence).max(mean + slack);
            if upper < best {
                decisions.push(Decision {
                    trial,
                    epoch,
                    action: Action::Stop {},
                });
            }
        }
        decisions
    }
}

impl CurveStop {
    fn forecast(&self, curve: &Curve, epoch: u32) -> Option<Forecast> {
        let values = curve.values.range(..=epoch);
        let values: Vec<(f64, f64)> = values
            .filter(|(_, value)| value.is_finite())
            .map(|(epoch, value)| (f64::from(*epoch), *value))
            .collect();
        Forecast::new(&values, self.n_epochs.into())
    }

    /// How far extrapolations from `epoch` fell short of the end of finished trials, all but the worst few; `None`
    /// where too few are finished to tell.
    fn slack(&self, finished: &[(&Curve, f64)], epoch: u32) -> Option<f64> {
        let miss = |(curve, end): &(&Curve, f64)| Some(end - self.forecast(curve, epoch)?.mean());
        let mut misses: Vec<f64> = finished.iter().filter_map(miss).collect();
        misses.sort_by(f64::total_cmp);
        let place = ((misses.len() + 1) as f64 * self.confidence - 1e-9).ceil() as usize;
        misses.get(place.checked_sub(1)?).copied()
    }
}
