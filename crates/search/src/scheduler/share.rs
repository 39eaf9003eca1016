//! How much of its trials' epochs a sweep with a scheduler trains.

use cultivar_spec::SweepSpec;
use cultivar_spec::scheduler::Scheduler as Spec;

use super::hyperband::Brackets;
use super::rungs;

/// The least and the most that may be trained of all epochs of `n_trials` trials, as shares. Synchronous halving knows
/// it ahead; what other rules stop depends on what they see.
pub fn share(sweep: &SweepSpec, n_epochs: u32, n_trials: u64) -> (f64, f64) {
    let of_halving = |n: u64, rungs: &[u32], eta: f64| halving(n, rungs, eta, n_epochs);
    let full = |n: u64| n.max(1) as f64 * f64::from(n_epochs.max(1));
    let rungs = rungs::of(&sweep.scheduler, n_epochs);
    match sweep.scheduler {
        Spec::None {} | Spec::Pbt { .. } => (1.0, 1.0),
        Spec::MedianStop { min_epochs, .. } | Spec::CurveStop { min_epochs, .. } => {
            let least = f64::from(min_epochs) / f64::from(n_epochs.max(1));
            (least.min(1.0), 1.0)
        }
        Spec::SuccessiveHalving { eta, cohort, .. } => {
            let n = cohort.map_or(n_trials, |cohort| n_trials.min(cohort.into()));
            let known = of_halving(n, &rungs, eta) / full(n);
            (known, known)
        }
        Spec::Asha { eta, .. } => (of_halving(n_trials, &rungs, eta) / full(n_trials), 1.0),
        Spec::Hyperband { eta, .. } => {
            let brackets = Brackets::of_hyperband(rungs, eta);
            let Some(last) = brackets.rungs.last() else {
                return (1.0, 1.0);
            };
            let entering = brackets.n_entering(n_trials).enumerate();
            let halved = entering.map(|(idx, n)| of_halving(n, &brackets.rungs[idx..], eta));
            let finals = brackets.n_final(n_trials) as f64 * f64::from(n_epochs - last);
            ((halved.sum::<f64>() + finals) / full(n_trials), 1.0)
        }
    }
}

/// Epochs of a cohort of `n`.
fn halving(n: u64, rungs: &[u32], eta: f64, n_epochs: u32) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let (mut left, mut before, mut epochs) = (n as usize, 0, 0.0);
    for &rung in rungs {
        epochs += left as f64 * f64::from(rung - before);
        left = rungs::n_kept(left, eta);
        before = rung;
    }
    epochs + left as f64 * f64::from(n_epochs - before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_those_of_the_rungs() {
        let of = |scheduler: serde_json::Value, n_trials: u64| {
            let sweep = json!({"name": "t", "scheduler": scheduler});
            share(&serde_json::from_value(sweep).unwrap(), 27, n_trials)
        };
        let all = 81.0 * 27.0;
        let halved = (81.0 + 27.0 * 2.0 + 9.0 * 6.0 + 3.0 * 18.0) / all;
        assert_eq!(of(json!({"kind": "none"}), 81), (1.0, 1.0));
        assert_eq!(
            of(
                json!({"kind": "successive_halving", "min_epochs": 1, "eta": 3.0}),
                81
            ),
            (halved, halved)
        );
        let asha = json!({"kind": "asha", "min_epochs": 1, "eta": 3.0});
        assert_eq!(of(asha, 81), (halved, 1.0));
        assert_eq!(
            of(json!({"kind": "median_stop", "min_epochs": 9}), 5),
            (1.0 / 3.0, 1.0)
        );
        // A cycle is 9 that are first compared at 3, 5 at 9, and 3 of those that wait.
        let (least, most) = of(
            json!({"kind": "hyperband", "eta": 3.0, "min_epochs": 3}),
            14,
        );
        assert_eq!(
            (least, most),
            (
                (9.0 * 3.0 + 3.0 * 6.0 + 18.0 + 5.0 * 9.0 + 18.0 + 3.0 * 18.0) / (14.0 * 27.0),
                1.0
            )
        );
        assert_eq!(of(json!({"kind": "hyperband"}), 1).0, 1.0);
    }
}
