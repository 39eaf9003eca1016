//! 95% intervals for an accuracy and for the difference between two configurations, over both
//! sources of chance: which groups of images were drawn, and which seeds.
//!
//! # The estimator
//!
//! Groups and seeds are crossed, so with `G` groups and `S` seeds the mean accuracy has the variance
//! `σ²_group / G + σ²_seed / S + σ²_interaction / (G S)`. Three sums of squares estimate it:
//!
//! - `V_G`, the linearized delete-one-group jackknife of the seed mean, a ratio of correct images to
//!   images (Cochran 1977, chapter 6): group and interaction;
//! - `V_S`, the variance of the seeds' accuracies over `S`: seed and interaction;
//! - `V_I`, the same of the residuals of both: the interaction, which the other two both hold.
//!
//! `V = V_G + max(V_S - V_I, 0)`, as in Owen (2007, "The pigeonhole bootstrap") and the
//! two-way clustered variance of Cameron, Gelbach and Miller (2011). Resampling seeds
//! instead would give `V_S (S - 1) / S`: half of it with two seeds. The t quantile has Satterthwaite's (1946)
//! degrees of freedom, so that two seeds widen the interval by as much as their share of the
//! variance deserves, and no more. In a table the seed terms of all rows inform each other's
//! ([`super::seeds`]). One seed by itself says nothing about seeds: its interval is of that one trained model.
//!
//! The interval of an accuracy is Wilson's, at the effective number of draws `p (1 - p) / V` (Korn
//! and Graubard 1998; Dean and Pagano 2015), since accuracies near 1 on few groups make symmetric
//! intervals miss far too often. A difference has a symmetric one.
//!
//! Coverage of rows of a table in simulation: 94 to 96% (`make bench-stats`; docs/statistics.md). A row by
//! itself, where 95% is meant (see the tests): 95 to 96% for one seed and for five, up
//! to 98% for two or three seeds that hardly differ (the price of not letting `V_S - V_I` go below
//! zero), and down to 91% for two seeds whose spread is far larger than the error of the test set.

use cultivar_spec::wire::Estimate;

use super::binomial::wilson;
use super::seeds::{OwnSeeds, SeedSpread};
use super::{Correct, student};

const ALPHA: f64 = 0.05;

/// What one configuration brings to a variance.
struct Parts {
    mean: f64,
    /// Each group's part of the deviation from the mean, averaged over seeds.
    deviations: Vec<f64>,
    /// The variance of the mean that is due to seeds alone.
    seed_variance: f64,
    /// The same with the interaction, which the degrees of freedom go by, and those.
    raw_seed_variance: f64,
    seed_df: f64,
    /// The part of it whose error all rows share, and its degrees of freedom.
    shared_seed_variance: f64,
    shared_df: f64,
    n_seeds: usize,
}

impl Parts {
    fn of(correct: &Correct, spread: &SeedSpread) -> Self {
        let (accuracies, deviations, own) = decompose(correct);
        let n_seeds = accuracies.len() as f64;
        let seeds = spread.moderate(&own);
        Self {
            mean: correct.mean(),
            deviations,
            seed_variance: seeds.alone / n_seeds,
            raw_seed_variance: seeds.with_interaction / n_seeds,
            seed_df: seeds.df,
            shared_seed_variance: seeds.shared / n_seeds,
            shared_df: seeds.shared_df,
            n_seeds: accuracies.len(),
        }
    }
}

/// Accuracy of each seed, each group's part of the deviation from the mean, and what the seeds say of
/// themselves.
fn decompose(correct: &Correct) -> (Vec<f64>, Vec<f64>, OwnSeeds) {
    let (n_images, n_seeds) = (correct.n_images(), correct.n_seeds());
    let accuracies = correct.accuracies();
    let per_seed: Vec<Vec<f64>> = correct
        .seeds()
        .iter()
        .zip(&accuracies)
        .map(|(counts, accuracy)| {
            let sizes = correct.sizes().iter();
            let deviation = |(&n_correct, &n): (&u32, &u32)| {
                (f64::from(n_correct) - accuracy * f64::from(n)) / n_images
            };
            counts.iter().zip(sizes).map(deviation).collect()
        })
        .collect();
    let deviations: Vec<f64> = (0..correct.n_groups())
        .map(|group| per_seed.iter().map(|d| d[group]).sum::<f64>() / n_seeds as f64)
        .collect();
    let own = OwnSeeds::of(&accuracies, &per_seed, &deviations);
    (accuracies, deviations, own)
}

/// What a configuration's seeds say of their variance.
pub(super) fn own_seeds(correct: &Correct) -> OwnSeeds {
    decompose(correct).2
}

/// The variance of a mean over groups that is due to seeds alone, zero for one seed.
pub(super) fn seed_variance(correct: &Correct) -> f64 {
    Parts::of(correct, &SeedSpread::UNKNOWN).seed_variance
}

/// `G / (G - 1)`.
fn small_sample(n_groups: usize) -> f64 {
    n_groups as f64 / (n_groups as f64 - 1.0)
}

/// A variance and the degrees of freedom it was estimated with: of groups, of each arm's seeds, and of what the arms
/// took from all rows, whose errors add up before they are squared.
fn total(deviations: impl Iterator<Item = f64>, n_groups: usize, arms: &[&Parts]) -> (f64, f64) {
    let groups = small_sample(n_groups) * deviations.map(|d| d * d).sum::<f64>();
    let variance = groups + arms.iter().map(|arm| arm.seed_variance).sum::<f64>();
    let of_groups = (n_groups - 1) as f64;
    let own = arms.iter().filter(|arm| arm.seed_df > 0.0);
    let own = own.map(|arm| arm.raw_seed_variance.powi(2) / arm.seed_df);
    let shared: f64 = arms.iter().map(|arm| arm.shared_seed_variance).sum();
    let shared = match arms[0].shared_df > 0.0 {
        true => shared.powi(2) / arms[0].shared_df,
        false => 0.0,
    };
    let spread = groups.powi(2) / of_groups + own.sum::<f64>() + shared;
    let df = if spread > 0.0 {
        variance.powi(2) / spread
    } else {
        of_groups
    };
    (variance, df.max(1.0))
}

/// Mean accuracy over seeds with its 95% interval, by what its own seeds say.
pub fn estimate(correct: &Correct) -> Estimate {
    estimate_among(correct, &SeedSpread::UNKNOWN)
}

/// As [`estimate`], for a row of a table whose seeds vary by `spread`.
pub fn estimate_among(correct: &Correct, spread: &SeedSpread) -> Estimate {
    let n_groups = correct.n_groups();
    if n_groups < 2 {
        // One draw says nothing about its own error.
        return Estimate {
            mean: correct.mean(),
            low: 0.0,
            high: 1.0,
            n: correct.n_seeds() as u32,
        };
    }
    let parts = Parts::of(correct, spread);
    let (mean, n) = (parts.mean, parts.n_seeds as u32);
    let (variance, df) = total(parts.deviations.iter().copied(), n_groups, &[&parts]);
    let binomial = mean * (1.0 - mean);
    let n_answers = correct.n_images() * f64::from(n);
    let n_effective = if binomial <= 0.0 {
        // All right or all wrong: as many draws as groups, which may agree within themselves.
        n_groups as f64
    } else if binomial < variance * n_answers {
        binomial / variance
    } else {
        n_answers
    };
    let (low, high) = wilson(mean, n_effective, student::two_sided(ALPHA, df));
    Estimate { mean, low, high, n }
}

/// Mean accuracy of `a` minus that of `b` on the same images, with its 95% interval: the same groups
/// for both, seeds of their own. `n` is the smaller number of seeds.
///
/// # Panics
/// If the two were not counted over the same groups.
pub fn difference(a: &Correct, b: &Correct) -> Estimate {
    difference_among(a, b, &SeedSpread::UNKNOWN).0
}

/// As [`difference`], for two rows of a table whose seeds vary by `spread`; and the two-sided p value of
/// Student's test that goes with the interval, absent where nothing is known of either's seeds.
///
/// # Panics
/// If the two were not counted over the same groups.
pub fn difference_among(a: &Correct, b: &Correct, spread: &SeedSpread) -> (Estimate, Option<f64>) {
    assert_eq!(a.sizes(), b.sizes(), "a difference needs the same images");
    let n_groups = a.n_groups();
    let n = a.n_seeds().min(b.n_seeds()) as u32;
    if n_groups < 2 {
        let mean = a.mean() - b.mean();
        let unknown = Estimate {
            mean,
            low: -1.0,
            high: 1.0,
            n,
        };
        return (unknown, None);
    }
    let (a, b) = (Parts::of(a, spread), Parts::of(b, spread));
    let mean = a.mean - b.mean;
    let paired = a.deviations.iter().zip(&b.deviations).map(|(a, b)| a - b);
    let (variance, df) = total(paired, n_groups, &[&a, &b]);
    // Two that agree everywhere may still disagree on the next group.
    let variance = if variance > 0.0 {
        variance
    } else {
        (n_groups as f64).powi(-2)
    };
    let half = student::two_sided(ALPHA, df) * variance.sqrt();
    let estimate = Estimate {
        mean,
        low: (mean - half).max(-1.0),
        high: (mean + half).min(1.0),
        n,
    };
    let p = (a.seed_df + b.seed_df > 0.0)
        .then(|| 2.0 * student::upper_tail(mean.abs() / variance.sqrt(), df));
    (estimate, p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::bootstrap::normal;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn close(got: Estimate, mean: f64, low: f64, high: f64) {
        let within = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(
            within(got.mean, mean) && within(got.low, low) && within(got.high, high),
            "{got:?}, want {mean} [{low}, {high}]"
        );
    }

    #[test]
    fn one_seed_of_single_images_is_wilson_with_a_t_quantile() {
        let sizes = [1; 100];
        let counts: Vec<u32> = (0..100).map(|i| u32::from(i < 80)).collect();
        // V_G = p (1 - p) / (n - 1), hence n - 1 effective draws and n - 1 degrees of freedom.
        let (low, high) = wilson(0.8, 99.0, student::two_sided(0.05, 99.0));
        close(
            estimate(&Correct::new(&sizes, vec![&counts])),
            0.8,
            low,
            high,
        );
    }

    #[test]
    fn variance_components_by_hand() {
        // Two seeds, three groups of two: accuracies 5/6 and 3/6, mean 2/3.
        let sizes = [2, 2, 2];
        let correct = Correct::new(&sizes, vec![&[2, 2, 1], &[2, 1, 0]]);
        let parts = Parts::of(&correct, &SeedSpread::UNKNOWN);
        let expect = [4.0 / 36.0, 1.0 / 36.0, -5.0 / 36.0];
        for (got, want) in parts.deviations.iter().zip(expect) {
            assert!((got - want).abs() < 1e-12);
        }
        assert!((parts.raw_seed_variance - 1.0 / 36.0).abs() < 1e-12);
        // Residuals of seed 0: -2/36, 1/36, 1/36; seed 1 mirrors them: 3/2 * 12/1296 / 2.
        let interaction = 1.5 * 12.0 / 1296.0 / 2.0;
        assert!((parts.seed_variance - (1.0 / 36.0 - interaction)).abs() < 1e-12);
    }

    #[test]
    fn images_that_share_a_source_are_one_draw() {
        let single = estimate(&Correct::new(&[1; 80], vec![&[1, 1, 1, 0].repeat(20)]));
        let grouped = estimate(&Correct::new(&[4; 20], vec![&[4, 4, 4, 0].repeat(5)]));
        assert_eq!(single.mean, grouped.mean);
        assert!(grouped.high - grouped.low > 1.8 * (single.high - single.low));
    }

    #[test]
    fn extremes_stay_open_on_one_side() {
        let perfect = estimate(&Correct::new(&[3; 50], vec![&[3; 50], &[3; 50]]));
        assert_eq!((perfect.mean, perfect.high), (1.0, 1.0));
        assert!(perfect.low > 0.9 && perfect.low < 0.95, "{perfect:?}");
        let hopeless = estimate(&Correct::new(&[3; 50], vec![&[0; 50]]));
        assert_eq!((hopeless.mean, hopeless.low), (0.0, 0.0));
        let one_group = estimate(&Correct::new(&[7], vec![&[4]]));
        assert_eq!((one_group.low, one_group.high), (0.0, 1.0));
    }

    #[test]
    fn equal_answers_differ_by_zero_give_or_take() {
        let counts = [1, 0].repeat(50);
        let a = Correct::new(&[1; 100], vec![&counts]);
        let got = difference(&a, &a);
        assert_eq!(got.mean, 0.0);
        assert!(got.low < -0.01 && got.high > 0.01 && got.high < 0.05);
    }

    /// A population to draw benchmarks from: correctness is the sign of a sum of normal effects.
    struct Population {
        accuracy: f64,
        /// `accuracy` as a quantile of the normal distribution.
        quantile: f64,
        n_groups: usize,
        largest_group: u32,
        /// Standard deviation of the seeds' effect; 0.025 is about one point of accuracy at 50%.
        seed_sd: f64,
    }

    /// One benchmark: group sizes and, per arm, the counts of each seed.
    fn draw(
        population: &Population,
        n_seeds: [usize; 2],
        rng: &mut ChaCha8Rng,
    ) -> (Vec<u32>, [Vec<Vec<u32>>; 2]) {
        let level = population.quantile * (1.0 + population.seed_sd.powi(2)).sqrt();
        let effects = n_seeds.map(|n| {
            (0..n)
                .map(|_| level + population.seed_sd * normal(rng))
                .collect::<Vec<f64>>()
        });
        let sizes: Vec<u32> = (0..population.n_groups)
            .map(|_| rng.random_range(1..=population.largest_group))
            .collect();
        let mut counts = n_seeds.map(|n| vec![vec![0; sizes.len()]; n]);
        for (group, &size) in sizes.iter().enumerate() {
            let shared = 0.5 * normal(rng);
            let own: [f64; 2] = std::array::from_fn(|_| 0.3 * normal(rng));
            for _ in 0..size {
                let shared_image = shared + 0.55 * normal(rng);
                for arm in 0..2 {
                    let image = shared_image + own[arm] + 0.3 * normal(rng);
                    for (seed, effect) in effects[arm].iter().enumerate() {
                        // The squares of all effects but the seed's sum to 1.
                        let noise = (1.0_f64 - 0.25 - 0.09 - 0.3025 - 0.09).sqrt();
                        counts[arm][seed][group] +=
                            u32::from(effect + image + noise * normal(rng) > 0.0);
                    }
                }
            }
        }
        (sizes, counts)
    }

    /// Shares of 2,000 replicates whose intervals hold the truth: of a mean, of a difference. The
    /// standard error of a true 95% is 0.5 points; the bounds allow three of them below 95%, and
    /// above it what truncating the seed variance at zero costs where seeds hardly differ.
    fn check_coverage(population: Population, n_seeds: [usize; 2]) {
        const REPLICATES: usize = 2000;
        let mut rng = ChaCha8Rng::seed_from_u64(2007);
        let (mut of_mean, mut of_difference) = (0, 0);
        for _ in 0..REPLICATES {
            let (sizes, counts) = draw(&population, n_seeds, &mut rng);
            let [a, b] = counts
                .each_ref()
                .map(|arm| Correct::new(&sizes, arm.iter().map(Vec::as_slice).collect()));
            let holds = |e: Estimate, truth: f64| usize::from(e.low <= truth && truth <= e.high);
            of_mean += holds(estimate(&a), population.accuracy);
            of_difference += holds(difference(&a, &b), 0.0);
        }
        let shares = [of_mean, of_difference].map(|n| n as f64 / REPLICATES as f64);
        println!("{n_seeds:?} seeds: {shares:?}");
        let within = shares.iter().all(|share| (0.935..=0.985).contains(share));
        assert!(within, "{n_seeds:?} seeds: {shares:?}");
    }

    const HALF_RIGHT: Population = Population {
        accuracy: 0.5,
        quantile: 0.0,
        n_groups: 120,
        largest_group: 4,
        seed_sd: 0.025,
    };

    #[test]
    fn coverage_with_one_seed() {
        check_coverage(
            Population {
                seed_sd: 0.0,
                ..HALF_RIGHT
            },
            [1, 1],
        );
    }

    #[test]
    fn coverage_with_two_seeds() {
        check_coverage(HALF_RIGHT, [2, 2]);
    }

    #[test]
    fn coverage_with_five_seeds_against_three() {
        check_coverage(HALF_RIGHT, [5, 3]);
    }

    #[test]
    fn coverage_of_high_accuracies_on_few_groups() {
        let population = Population {
            accuracy: 0.95,
            quantile: 1.644_853_626_951_472_6,
            n_groups: 60,
            largest_group: 2,
            seed_sd: 0.025,
        };
        check_coverage(population, [3, 3]);
    }
}
