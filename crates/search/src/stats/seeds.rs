//! How much seeds vary, learned from all configurations of a leaderboard at once.
//!
//! Two seeds say next to nothing of their own variance, but the rows of a table are alike: each row's
//! variance is taken for a draw from a scaled inverse chi-squared law, `σ² ~ d₀ s₀² / χ²(d₀)`, whose `s₀²` and
//! `d₀` all rows estimate together, and the row's own variance `r` with `d` degrees of freedom moderates it to
//! `(d₀ s₀² + d r) / (d₀ + d)` with `d₀ + d` degrees of freedom (Smyth 2004, "Linear models and empirical Bayes
//! methods"; reference: limma's `squeezeVar`). `s₀²` itself is known with the degrees of freedom of all rows together, and
//! two rows that are compared share its error; limma caps the degrees of freedom instead, which forgets that. Rows that vary alike give a large `d₀` and one pooled variance; rows that differ a small one, and
//! each keeps mostly its own. A row of one seed is taken to vary as the others do, with `d₀` degrees
//! of freedom; where no row has two seeds nothing is known, and an interval is of that one trained model.
//!
//! We differ in the fit: limma matches moments of logarithms, which two seeds of equal accuracy (a
//! difference of no image at all is common) send to minus infinity; we maximise the marginal
//! likelihood of the scaled F law, `d₀` over a grid and `s₀²` by expectation-maximisation.

use super::Correct;

/// Degrees of freedom that are tried for the law of the variances; the last stands for "all alike".
const PRIOR_DFS: [f64; 9] = [1.0, 2.0, 4.0, 6.0, 10.0, 16.0, 32.0, 64.0, f64::INFINITY];
const N_EM_STEPS: usize = 60;

/// What the rows of a table say together of the variance that one seed adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedSpread {
    /// `s₀²`, interaction included.
    typical: f64,
    /// `d₀`; zero where nothing is known.
    prior_df: f64,
    /// Degrees of freedom of all rows together.
    total_df: f64,
    /// The part of it that is the seeds' interaction with groups.
    interaction: f64,
}

/// What one row's seeds say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnSeeds {
    /// Variance of the seeds' accuracies, and the part of it that is interaction; zero for one seed.
    pub variance: f64,
    pub interaction: f64,
    /// Seeds less one.
    pub df: f64,
}

impl OwnSeeds {
    /// `per_seed`: each group's part of a seed's deviation from its accuracy, `[n_seeds][n_groups]`;
    /// `deviations`: the same averaged over seeds.
    pub fn of(accuracies: &[f64], per_seed: &[Vec<f64>], deviations: &[f64]) -> Self {
        let df = accuracies.len() as f64 - 1.0;
        if df < 1.0 {
            return Self::default();
        }
        let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
        let residuals = per_seed
            .iter()
            .flat_map(|seed| seed.iter().zip(deviations))
            .map(|(d, mean)| (d - mean).powi(2));
        let n_groups = deviations.len() as f64;
        Self {
            variance: accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / df,
            interaction: n_groups / (n_groups - 1.0) * residuals.sum::<f64>() / df,
            df,
        }
    }
}

impl SeedSpread {
    /// Nothing is known but what a row says itself.
    pub const UNKNOWN: Self = Self {
        typical: 0.0,
        prior_df: 0.0,
        total_df: 0.0,
        interaction: 0.0,
    };

    /// From the rows of one table, which were scored on the same images.
    pub fn of(rows: &[Correct]) -> Self {
        let own = rows.iter().map(super::interval::own_seeds);
        Self::fit(&own.filter(|own| own.df > 0.0).collect::<Vec<_>>())
    }

    fn fit(rows: &[OwnSeeds]) -> Self {
        let total_df: f64 = rows.iter().map(|row| row.df).sum();
        let pooled = rows.iter().map(|row| row.df * row.variance).sum::<f64>() / total_df;
        if rows.is_empty() || pooled <= 0.0 {
            return Self {
                total_df,
                ..Self::UNKNOWN
            };
        }
        let mut best = (f64::NEG_INFINITY, pooled, f64::INFINITY);
        for prior_df in PRIOR_DFS {
            let typical = typical(rows, prior_df, pooled);
            let likelihood = rows.iter().map(|row| log_f(row, prior_df, typical)).sum();
            if likelihood >= best.0 {
                best = (likelihood, typical, prior_df);
            }
        }
        let interaction = rows.iter().map(|row| row.df * row.interaction).sum::<f64>();
        Self {
            typical: best.1,
            prior_df: best.2,
            total_df,
            interaction: interaction / total_df,
        }
    }

    /// What one seed adds to the variance of a row.
    pub(super) fn moderate(&self, own: &OwnSeeds) -> Moderated {
        let df = self.prior_df + own.df;
        let shared = match self.prior_df.is_infinite() {
            true => 1.0,
            false if df > 0.0 => self.prior_df / df,
            false => 0.0,
        };
        let own_part = if shared < 1.0 {
            (1.0 - shared) * own.variance
        } else {
            0.0
        };
        let with_interaction = shared * self.typical + own_part;
        let interaction = if own.df > 0.0 {
            own.interaction
        } else {
            self.interaction
        };
        Moderated {
            alone: (with_interaction - interaction).max(0.0),
            with_interaction,
            df,
            shared: shared * self.typical,
            shared_df: self.total_df,
        }
    }
}

/// The variance that one seed adds to a row, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moderated {
    /// By seeds alone.
    pub alone: f64,
    pub with_interaction: f64,
    /// Degrees of freedom, were `s₀²` known: infinite where all rows vary alike, zero where nothing is known.
    pub df: f64,
    /// The part of `with_interaction` that is `s₀²`'s, and so wrong by the same factor in every row; and the degrees
    /// of freedom that is known with.
    pub shared: f64,
    pub shared_df: f64,
}

/// The `s₀²` of highest likelihood for a given `d₀`.
fn typical(rows: &[OwnSeeds], prior_df: f64, pooled: f64) -> f64 {
    if prior_df.is_infinite() {
        return pooled;
    }
    let mut typical = pooled;
    for _ in 0..N_EM_STEPS {
        let precision =
            |row: &OwnSeeds| (prior_df + row.df) / (prior_df * typical + row.df * row.variance);
        typical = rows.len() as f64 / rows.iter().map(precision).sum::<f64>();
    }
    typical
}

/// ln of the density of a row's variance, but for what does not depend on the law's parameters.
fn log_f(row: &OwnSeeds, prior_df: f64, typical: f64) -> f64 {
    let (half, scaled) = (row.df / 2.0, row.df * row.variance / typical);
    if prior_df.is_infinite() {
        return -half * typical.ln() - scaled / 2.0 - half * std::f64::consts::LN_2;
    }
    let half_prior = prior_df / 2.0;
    libm::lgamma(half + half_prior)
        - libm::lgamma(half_prior)
        - half * (prior_df * typical).ln()
        - (half + half_prior) * (scaled / prior_df).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{ChiSquared, Distribution};

    /// Rows whose variances are drawn from the law with `prior_df`, `typical` 2 and no interaction.
    fn rows(n: usize, df: f64, prior_df: f64) -> Vec<OwnSeeds> {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut chi = |df: f64| match df.is_finite() {
            true => ChiSquared::new(df).unwrap().sample(&mut rng) / df,
            false => 1.0,
        };
        (0..n)
            .map(|_| OwnSeeds {
                variance: 2.0 / chi(prior_df) * chi(df),
                interaction: 0.0,
                df,
            })
            .collect()
    }

    #[test]
    fn the_law_of_the_variances_is_found_again() {
        let alike = SeedSpread::fit(&rows(400, 2.0, f64::INFINITY));
        assert!(
            alike.prior_df >= 32.0 && (alike.typical - 2.0).abs() < 0.3,
            "{alike:?}"
        );
        let unlike = SeedSpread::fit(&rows(400, 2.0, 4.0));
        assert!((2.0..=6.0).contains(&unlike.prior_df), "{unlike:?}");
        assert!((unlike.typical - 2.0).abs() < 0.5, "{unlike:?}");
    }

    #[test]
    fn a_row_is_moderated_by_the_others_and_freedom_is_not_invented() {
        let two = |variance| OwnSeeds {
            variance,
            interaction: 0.0,
            df: 1.0,
        };
        let alone = SeedSpread::fit(&[two(3.0)]);
        let moderated = alone.moderate(&two(3.0));
        assert_eq!((moderated.alone, moderated.shared), (3.0, 3.0));
        assert_eq!(moderated.shared_df, 1.0, "its own pooled with nobody's");
        let several = SeedSpread::fit(&[two(1.0), two(2.0), two(1.5), two(0.0)]);
        let moderated = several.moderate(&two(0.0));
        assert!(moderated.alone > 0.5, "{moderated:?}");
        assert_eq!(moderated.shared_df, 4.0);
        // A single seed is taken to vary like the others.
        let single = several.moderate(&OwnSeeds::default());
        assert!(single.alone > 0.5 && single.shared == single.with_interaction);
        let unknown = SeedSpread::UNKNOWN.moderate(&OwnSeeds::default());
        assert_eq!((unknown.alone, unknown.df), (0.0, 0.0));
        // A row by itself is taken at its word.
        let by_itself = SeedSpread::UNKNOWN.moderate(&two(3.0));
        assert_eq!(
            (by_itself.alone, by_itself.df, by_itself.shared),
            (3.0, 1.0, 0.0)
        );
    }

    #[test]
    fn seeds_that_never_differ_are_no_division_by_zero() {
        let equal = OwnSeeds {
            df: 1.0,
            ..OwnSeeds::default()
        };
        let spread = SeedSpread::fit(&[equal, equal]);
        assert_eq!(spread.moderate(&equal).alone, 0.0);
    }
}
