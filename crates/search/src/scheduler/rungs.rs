//! Rungs: the epochs at which trials are compared.

use cultivar_spec::scheduler::{DEFAULT_ETA, Scheduler as Spec};

/// Where a trial is compared first unless a sweep says: three rungs before the end at the default `eta` of 3.
const FIRST: f64 = 1.0 / 16.0;

/// The rungs of a sweep's scheduler; those of ASHA's default where it has none.
pub(super) fn of(scheduler: &Spec, n_epochs: u32) -> Vec<u32> {
    let (min_epochs, eta) = match *scheduler {
        Spec::SuccessiveHalving {
            min_epochs, eta, ..
        }
        | Spec::Asha { min_epochs, eta }
        | Spec::Hyperband { min_epochs, eta } => (min_epochs, eta),
        Spec::None {} | Spec::MedianStop { .. } | Spec::Pbt { .. } | Spec::CurveStop { .. } => {
            (None, DEFAULT_ETA)
        }
    };
    rungs(min_epochs, eta, n_epochs)
}

/// The first, then `eta` times as far each, below `n_epochs`: at the end there is nothing to decide. Rounded to whole
/// epochs, without repeats.
fn rungs(min_epochs: Option<u32>, eta: f64, n_epochs: u32) -> Vec<u32> {
    let first = min_epochs.map_or(FIRST * f64::from(n_epochs), f64::from);
    let rounded = (0..).map(|n| (first.max(1.0) * eta.powi(n)).round());
    let below = rounded.take_while(|rung| *rung < f64::from(n_epochs));
    let mut rungs: Vec<u32> = below.map(|rung| rung as u32).collect();
    rungs.dedup();
    rungs
}

/// How many of `n` go on past a rung; at least one.
pub(super) fn n_kept(n: usize, eta: f64) -> usize {
    ((n as f64 / eta + 1e-9).floor() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_eta_apart_and_end_below_the_end() {
        assert_eq!(rungs(Some(1), 3.0, 27), [1, 3, 9]);
        assert_eq!(rungs(Some(2), 2.0, 17), [2, 4, 8, 16]);
        assert_eq!(rungs(Some(1), 1.3, 6), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_first_rung_is_a_sixteenth_unless_a_sweep_says() {
        assert_eq!(rungs(None, DEFAULT_ETA, 27), [2, 5, 15]);
        assert_eq!(rungs(None, DEFAULT_ETA, 90), [6, 17, 51]);
        assert_eq!(rungs(None, DEFAULT_ETA, 9), [1, 3]);
        assert_eq!(rungs(Some(3), DEFAULT_ETA, 27), [3, 9]);
        assert!(rungs(None, DEFAULT_ETA, 1).is_empty());
    }

    #[test]
    fn somebody_always_goes_on() {
        assert_eq!((n_kept(27, 3.0), n_kept(26, 3.0)), (9, 8));
        assert_eq!((n_kept(2, 3.0), n_kept(1, 3.0)), (1, 1));
    }
}
