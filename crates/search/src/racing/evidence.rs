//! Evidence that two configurations differ, valid whenever it is looked at.
//!
//! A seed's score is taken to be normal about its configuration's mean, with one variance for all racers. The
//! evidence against "equal means" is the Bayes factor with the difference, in seed standard deviations,
//! normal with variance `g` under the alternative and the right Haar prior on the common mean and scale:
//!
//! `(1 + m g)^(-1/2) ((1 + t²/ν) / (1 + t²/(ν (1 + m g))))^((ν + 1)/2)`, `1/m = 1/n_a + 1/n_b`,
//!
//! with Student's `t` on the `ν` pooled degrees of freedom. Under equal means it is a non-negative martingale
//! started at 1 (Lai 1976; Hendriksen, de Heide and Grünwald 2021; Wang and Ramdas 2024, "Anytime-
//! valid t-tests and confidence sequences for Gaussian means with unknown variance"), so by Ville's
//! inequality it *ever* exceeds `1/α` with probability at most `α`, however often one looks.
//! Bounds for scores that are merely in [0, 1] (Howard, Ramdas, McAuliffe and Sekhon 2021, empirical
//! Bernstein) assume less, but at seed deviations of a hundredth of that range they need hundreds of seeds.

/// Variance of the difference under the alternative, in seed variances: the gap that racing is meant for.
const G: f64 = 1.0;

/// Mean and number of a racer's scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub mean: f64,
    pub n: f64,
}

/// Natural logarithm of the evidence that two means differ. `variance` is pooled with `df` degrees of freedom.
pub(super) fn log_evidence(a: Summary, b: Summary, variance: f64, df: f64) -> f64 {
    let difference = a.mean - b.mean;
    if df < 1.0 || difference == 0.0 {
        return 0.0;
    }
    let m = 1.0 / (1.0 / a.n + 1.0 / b.n);
    let shrink = 1.0 + m * G;
    // Seeds that never differ leave only the limit.
    let t_square_by_df = match variance > 0.0 {
        true => difference * difference * m / (variance * df),
        false => f64::INFINITY,
    };
    let gain = match t_square_by_df.is_finite() {
        true => t_square_by_df.ln_1p() - (t_square_by_df / shrink).ln_1p(),
        false => shrink.ln(),
    };
    0.5 * (df + 1.0) * gain - 0.5 * shrink.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    fn of(mean: f64, n: f64) -> Summary {
        Summary { mean, n }
    }

    #[test]
    fn the_bayes_factor_is_the_integral_over_the_prior() {
        // t = 2.5 with 6 degrees of freedom, m = 2: the noncentral t density at d sqrt(m), averaged over
        // d ~ N(0, 1), over the central one. scipy: quad(lambda d: nct.pdf(2.5, 6, d * 2**.5) * norm.pdf(d),
        // -12, 12)[0] / t.pdf(2.5, 6) = 2.4737.
        let difference = 2.5 / 2.0_f64.sqrt();
        let found = log_evidence(of(difference, 4.0), of(0.0, 4.0), 1.0, 6.0).exp();
        assert!((found - 2.4737).abs() < 5e-3, "{found}");
    }

    #[test]
    fn equal_means_are_seldom_told_apart_however_often_one_looks() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut n_false = 0;
        for _ in 0..4_000 {
            let mut sums = [(0.0, 0.0); 2];
            for n in 1..=60 {
                for (sum, squares) in &mut sums {
                    let x: f64 = StandardNormal.sample(&mut rng);
                    *sum += x;
                    *squares += x * x;
                }
                let n = f64::from(n);
                let within: f64 = sums
                    .iter()
                    .map(|(sum, squares)| squares - sum * sum / n)
                    .sum();
                let df = 2.0 * (n - 1.0);
                let [a, b] = sums.map(|(sum, _)| of(sum / n, n));
                if df > 0.0 && log_evidence(a, b, within / df, df) >= 20.0_f64.ln() {
                    n_false += 1;
                    break;
                }
            }
        }
        // 5% of 4,000 is the bound; peeking at Student's test 60 times gives some 30%.
        assert!(n_false <= 200, "{n_false}");
        assert!(n_false > 20, "the bound is of use: {n_false}");
    }

    #[test]
    fn without_spread_or_difference_nothing_breaks() {
        assert_eq!(log_evidence(of(1.0, 3.0), of(1.0, 3.0), 0.0, 4.0), 0.0);
        assert_eq!(log_evidence(of(1.0, 1.0), of(0.0, 1.0), 0.0, 0.0), 0.0);
        assert!(log_evidence(of(1.0, 9.0), of(0.0, 9.0), 0.0, 16.0) > 10.0);
    }
}
