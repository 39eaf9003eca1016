//! Population based training (Jaderberg et al. 2017, arXiv:1711.09846): all trials of a sweep train at once, and every
//! `interval` epochs the worst go on from copies of the best (*exploit*: truncation selection, appendix A.1), with
//! hyperparameters a little changed (*explore*: perturb by a factor or draw anew).
//!
//! Where we differ: the population is synchronous. All give way at a generation's end and are compared once the last
//! has arrived, so that the outcome depends on no worker's speed while workers obey within an interval, and a population
//! larger than the number of workers works as well. Of a small population at least one trial is replaced.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::explore::Explore;
use super::history::best_first;
use super::{Action, Curve, Decision, History, Scheduler, Status};

pub(super) struct Pbt {
    pub interval: u32,
    pub n_epochs: u32,
    /// Share replaced, and share copied.
    pub quantile: f64,
    pub explore: Explore,
    pub seed: u64,
}

impl Scheduler for Pbt {
    fn decide(&self, history: &History) -> Vec<Decision> {
        let generations = (self.interval..self.n_epochs).step_by(self.interval as usize);
        for epoch in generations {
            let members: Vec<(u32, &Curve)> = history
                .numbered()
                .filter(|(_, curve)| curve.is_live() && curve.cleared < epoch)
                .collect();
            if members.is_empty() {
                continue;
            }
            let is_ready = |curve: &Curve| {
                curve.is_held && curve.status == Status::Paused && curve.at(epoch).is_some()
            };
            if history.is_closed() && members.iter().all(|(_, curve)| is_ready(curve)) {
                return self.next_generation(&members, epoch);
            }
            let early = members
                .iter()
                .filter(|(_, curve)| curve.reached() >= epoch && !curve.is_held);
            return early
                .map(|(trial, _)| Decision {
                    trial: *trial,
                    epoch,
                    action: Action::Pause {},
                })
                .collect();
        }
        Vec::new()
    }
}

impl Pbt {
    fn next_generation(&self, members: &[(u32, &Curve)], epoch: u32) -> Vec<Decision> {
        let mut ranked: Vec<(u32, f64)> = members
            .iter()
            .filter_map(|(trial, curve)| Some((*trial, curve.at(epoch)?)))
            .collect();
        best_first(&mut ranked);
        let point = |trial: u32| {
            let found = members.iter().find(|(number, _)| *number == trial);
            found.map(|(_, curve)| curve.point.clone())
        };
        let n_replaced = (ranked.len() as f64 * self.quantile + 1e-9).floor() as usize;
        let n_replaced = n_replaced.max(1).min(ranked.len() / 2);
        let n_sources = ranked[..n_replaced]
            .iter()
            .filter(|(_, value)| value.is_finite())
            .count();
        let mut decisions: Vec<Decision> = Vec::with_capacity(ranked.len());
        for (place, (trial, _)) in ranked.iter().enumerate() {
            let is_replaced = place >= ranked.len() - n_replaced && n_sources > 0;
            let action = if is_replaced {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                rng.set_stream(u64::from(*trial) << 32 | u64::from(epoch));
                let (source, _) = ranked[rng.random_range(0..n_sources)];
                Action::Clone {
                    source,
                    point: self
                        .explore
                        .near(&point(source).unwrap_or_default(), &mut rng),
                }
            } else {
                Action::Promote {}
            };
            decisions.push(Decision {
                trial: *trial,
                epoch,
                action,
            });
        }
        decisions
    }
}
