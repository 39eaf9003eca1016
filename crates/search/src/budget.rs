//! What training will cost, from what it has cost.
//!
//! The seconds that a trial takes for an image (or an epoch, or at all) vary by factors, so their logarithms are taken
//! for normal. Of `n` measured ones with mean `m`, `N` more come to `N exp(m + s²/2)` together, times or divided by
//! `exp(t s sqrt(1/n + 1/N))`: the first term is how little is known of the mean, the second how trials differ. The
//! deviation `s` starts from a prior, so that one measured trial gives a wide interval rather than none.

use crate::stats::student::two_sided;

/// Prior on the deviation of the logarithms, and how many measurements it counts for.
const PRIOR_SD: f64 = 0.3;
const PRIOR_DF: f64 = 2.0;
/// Intervals hold the truth with this probability.
const ALPHA: f64 = 0.05;

/// How long things take, learnt from `n` that were measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub n: usize,
    mean: f64,
    variance: f64,
}

/// Seconds, with a 95% interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    pub expected: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    /// From what was measured; what is not above 0 is left out. `None` where nothing is left.
    pub fn of(measured: &[f64]) -> Option<Self> {
        let positive = measured.iter().filter(|x| x.is_finite() && **x > 0.0);
        let logs: Vec<f64> = positive.map(|x| x.ln()).collect();
        if logs.is_empty() {
            return None;
        }
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let squares: f64 = logs.iter().map(|x| (x - mean).powi(2)).sum();
        Some(Self {
            n: logs.len(),
            mean,
            variance: (PRIOR_DF * PRIOR_SD * PRIOR_SD + squares) / (PRIOR_DF + n - 1.0),
        })
    }

    /// What `n_more` take, each `size` times what was measured.
    pub fn total(&self, n_more: f64, size: f64) -> Seconds {
        if n_more <= 0.0 || size <= 0.0 {
            return Seconds::default();
        }
        let n = self.n as f64;
        let expected = n_more * size * (self.mean + self.variance / 2.0).exp();
        let t = two_sided(ALPHA, PRIOR_DF + n - 1.0);
        let factor = (t * (self.variance * (1.0 / n + 1.0 / n_more)).sqrt()).exp();
        Seconds {
            expected,
            low: expected / factor,
            high: expected * factor,
        }
    }
}

impl Seconds {
    /// Both, one after the other. Their errors may well go together, so the bounds add up.
    pub fn and(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }

    /// Where between `least` and `most` of it is done, each a share.
    pub fn share(self, least: f64, most: f64) -> Self {
        Self {
            expected: self.expected * (least + most) / 2.0,
            low: self.low * least,
            high: self.high * most,
        }
    }

    /// Time until `n_trials` trials that take this together are done by `n_workers`: the last may begin when the
    /// others are nearly done.
    pub fn elapsed(self, n_trials: f64, n_workers: f64) -> Self {
        let at_once = n_workers.min(n_trials).max(1.0);
        let rounds = |total: f64| total / at_once;
        let last = (1.0 - at_once / n_trials.max(1.0)).max(0.0);
        Self {
            expected: rounds(self.expected) + 0.5 * last * self.expected / n_trials.max(1.0),
            low: rounds(self.low),
            high: rounds(self.high) + last * self.high / n_trials.max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    #[test]
    fn the_interval_holds_what_trials_come_to() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (n_measured, n_more, sd) in [(2, 20, 0.1), (5, 50, 0.3), (20, 100, 0.5), (10, 3, 0.3)] {
            let mut n_inside = 0;
            for _ in 0..2_000 {
                let mut draw = || -> f64 {
                    let z: f64 = rng.sample(StandardNormal);
                    (1.0 + sd * z).exp()
                };
                let measured: Vec<f64> = (0..n_measured).map(|_| draw()).collect();
                let truth: f64 = 2.0 * (0..n_more).map(|_| draw()).sum::<f64>();
                let found = Rate::of(&measured).unwrap().total(n_more.into(), 2.0);
                n_inside += u32::from(found.low <= truth && truth <= found.high);
            }
            assert!(
                n_inside >= 1_840,
                "{n_inside} of 2000 at {n_measured}, {n_more}, {sd}"
            );
        }
    }

    #[test]
    fn nothing_measured_is_nothing_known() {
        assert_eq!(Rate::of(&[]), None);
        assert_eq!(Rate::of(&[0.0, f64::NAN]), None);
        let one = Rate::of(&[10.0]).unwrap();
        assert_eq!(one.total(0.0, 1.0), Seconds::default());
        let found = one.total(4.0, 1.0);
        assert!(found.low < 20.0 && found.high > 80.0, "{found:?}");
    }

    #[test]
    fn more_workers_end_sooner_but_not_before_the_longest_trial() {
        let total = Seconds {
            expected: 100.0,
            low: 80.0,
            high: 120.0,
        };
        assert_eq!(total.elapsed(10.0, 1.0).low, 80.0);
        assert_eq!(total.elapsed(10.0, 10.0).expected, 10.0);
        assert_eq!(total.elapsed(10.0, 50.0).expected, 10.0);
        let four = total.elapsed(10.0, 4.0);
        assert!(four.high > 30.0 && four.expected > 25.0 && four.low == 20.0);
    }
}
