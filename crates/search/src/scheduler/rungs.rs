//! Rungs: the epochs at which trials are compared.

use cultivar_spec::scheduler::Scheduler as Spec;

use super::hyperband::Brackets;

/// Where a trial is compared first unless a sweep says: two rungs before the end at the default `eta` of 4.
const FIRST: f64 = 1.0 / 16.0;

/// The first rung, in epochs, before it is rounded.
pub(super) fn shortest(min_epochs: Option<u32>, n_epochs: u32) -> f64 {
    min_epochs
        .map_or(FIRST * f64::from(n_epochs), f64::from)
        .max(1.0)
}

/// The rungs of a sweep's scheduler, of all its brackets together; those of ASHA's default where it has none.
pub(super) fn of(scheduler: &Spec, n_epochs: u32) -> Vec<u32> {
    let (min_epochs, eta) = match *scheduler {
        Spec::SuccessiveHalving {
            min_epochs, eta, ..
        }
        | Spec::Asha { min_epochs, eta } => (min_epochs, eta),
        Spec::Hyperband { min_epochs, eta } => {
            return Brackets::of_hyperband(min_epochs, eta, n_epochs).rungs;
        }
        Spec::None {} | Spec::MedianStop { .. } | Spec::Pbt { .. } | Spec::CurveStop { .. } => {
            (None, 4.0)
        }
    };
    from_shortest(shortest(min_epochs, n_epochs), eta, n_epochs)
}

/// `shortest`, then `eta` times as far each, below `n_epochs`: at the end there is nothing to decide.
pub(super) fn from_shortest(shortest: f64, eta: f64, n_epochs: u32) -> Vec<u32> {
    geometric(|n| shortest * eta.powi(n), shortest, n_epochs)
}

/// The `n` rungs that lie `eta`, `eta`² ... `eta`ⁿ times short of `n_epochs`, the shortest first, none below `shortest`.
pub(super) fn below(n: u32, eta: f64, shortest: f64, n_epochs: u32) -> Vec<u32> {
    let first = f64::from(n_epochs) * eta.powi(-(n as i32));
    geometric(|n| first * eta.powi(n), shortest, n_epochs)
}

/// Rounded to whole epochs, without repeats. The slack forgives the rounding of 27 / 3³.
fn geometric(at: impl Fn(i32) -> f64, shortest: f64, n_epochs: u32) -> Vec<u32> {
    let rounded = (0..).map(|n| (at(n) + 1e-9).round().max(shortest.round()));
    let mut rungs: Vec<u32> = Vec::new();
    for rung in rounded.take_while(|rung| *rung < f64::from(n_epochs)) {
        let rung = rung as u32;
        if rungs.last() != Some(&rung) {
            rungs.push(rung);
        }
    }
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
        assert_eq!(from_shortest(1.0, 3.0, 27), [1, 3, 9]);
        assert_eq!(from_shortest(2.0, 2.0, 17), [2, 4, 8, 16]);
        assert_eq!(from_shortest(1.0, 1.3, 6), [1, 2, 3, 4, 5]);
        assert_eq!(below(3, 3.0, 1.0, 27), [1, 3, 9]);
        assert_eq!(below(2, 3.0, 1.0, 20), [2, 7]);
        assert!(below(0, 3.0, 1.0, 27).is_empty());
    }

    #[test]
    fn the_first_rung_is_a_sixteenth_unless_a_sweep_says() {
        let first =
            |min_epochs, n_epochs| from_shortest(shortest(min_epochs, n_epochs), 4.0, n_epochs);
        assert_eq!(first(None, 27), [2, 7]);
        assert_eq!(first(None, 90), [6, 23]);
        assert_eq!(first(None, 9), [1, 4]);
        assert_eq!(first(Some(3), 27), [3, 12]);
    }

    #[test]
    fn somebody_always_goes_on() {
        assert_eq!((n_kept(27, 3.0), n_kept(26, 3.0)), (9, 8));
        assert_eq!((n_kept(2, 3.0), n_kept(1, 3.0)), (1, 1));
    }
}
