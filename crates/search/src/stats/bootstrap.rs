//! Joint resampling of several configurations, for verdicts that are no mean and no difference, such
//! as a ratio of budgets. Means and differences have closed forms: see [`super::interval`].

use rand::Rng;

use super::{Correct, interval};

/// `n_resamples` joint draws of the mean accuracy of every arm, `[n_resamples][n_arms]`.
///
/// Each resample draws groups with replacement, the same for every arm, so that what is hard for one
/// is hard for all. Seeds are then drawn for each arm by itself. With the two to five
/// seeds there usually are, drawing those with replacement would understate their variance by
/// `(n - 1) / n` and count the seeds' interaction with groups twice (Owen 2007), so the seed effect
/// is drawn instead from the t distribution with `n - 1` degrees of freedom, scaled to the variance
/// that seeds alone have. One seed adds nothing.
///
/// # Panics
/// If the arms were not counted over the same groups.
pub fn joint_means(arms: &[Correct], rng: &mut impl Rng, n_resamples: usize) -> Vec<Vec<f64>> {
    let Some(first) = arms.first() else {
        return vec![Vec::new(); n_resamples];
    };
    let sizes = first.sizes();
    let arms: Vec<_> = arms
        .iter()
        .map(|arm| {
            assert_eq!(arm.sizes(), sizes, "arms are compared on the same images");
            let per_group: Vec<f64> = (0..sizes.len())
                .map(|group| {
                    let correct = arm.seeds().iter().map(|seed| f64::from(seed[group]));
                    correct.sum::<f64>() / arm.n_seeds() as f64
                })
                .collect();
            (
                per_group,
                interval::seed_variance(arm).sqrt(),
                arm.n_seeds(),
            )
        })
        .collect();
    (0..n_resamples)
        .map(|_| {
            let drawn: Vec<usize> = sizes
                .iter()
                .map(|_| rng.random_range(0..sizes.len()))
                .collect();
            let n_images: f64 = drawn.iter().map(|&group| f64::from(sizes[group])).sum();
            arms.iter()
                .map(|(per_group, seed_error, n_seeds)| {
                    let correct: f64 = drawn.iter().map(|&group| per_group[group]).sum();
                    let seeds = if *seed_error > 0.0 {
                        seed_error * student(rng, n_seeds - 1)
                    } else {
                        0.0
                    };
                    correct / n_images + seeds
                })
                .collect()
        })
        .collect()
}

/// The 2.5% and 97.5% quantiles: the outermost values that leave 2.5% outside. `values` is sorted.
///
/// # Panics
/// If there are no values.
pub fn percentiles(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let outside = (values.len() as f64 * 0.025).floor() as usize;
    (values[outside], values[values.len() - 1 - outside])
}

/// A standard normal draw (Box and Muller 1958).
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// A draw from Student's t with a whole number of degrees of freedom.
fn student(rng: &mut impl Rng, df: usize) -> f64 {
    let chi_squared: f64 = (0..df).map(|_| normal(rng).powi(2)).sum();
    normal(rng) / (chi_squared / df as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn resamples_agree_with_the_closed_form() {
        let sizes = [2; 100];
        let counts: Vec<u32> = (0..100).map(|i| [2, 1, 2, 0, 1][i % 5]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let arms = [Correct::new(&sizes, vec![&counts])];
        let mut means: Vec<f64> = joint_means(&arms, &mut rng, 4000).concat();
        let (low, high) = percentiles(&mut means);
        let closed = interval::estimate(&arms[0]);
        assert!((low - closed.low).abs() < 0.01 && (high - closed.high).abs() < 0.01);
    }

    #[test]
    fn arms_share_their_groups() {
        let sizes = [1; 60];
        let counts = [1, 0, 0].repeat(20);
        let arm = Correct::new(&sizes, vec![&counts]);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for means in joint_means(&[arm.clone(), arm], &mut rng, 50) {
            assert_eq!(means[0], means[1]);
        }
    }

    #[test]
    fn few_seeds_widen() {
        let sizes = [1; 400];
        let seed = |n: usize| (0..400).map(|i| u32::from(i < n)).collect::<Vec<u32>>();
        let (low, middle, high) = (seed(180), seed(200), seed(220));
        let width = |seeds: Vec<&[u32]>| {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let mut means = joint_means(&[Correct::new(&sizes, seeds)], &mut rng, 4000).concat();
            let (low, high) = percentiles(&mut means);
            high - low
        };
        assert!(width(vec![&low, &high]) > 2.0 * width(vec![&middle, &middle]));
    }

    #[test]
    fn percentiles_leave_the_right_number_outside() {
        let mut values: Vec<f64> = (0..1000).rev().map(f64::from).collect();
        assert_eq!(percentiles(&mut values), (25.0, 974.0));
        assert_eq!(percentiles(&mut [7.0]), (7.0, 7.0));
    }
}
