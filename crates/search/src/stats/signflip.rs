//! The paired sign-flip test: are two configurations equally good on the same images?
//!
//! Under the null hypothesis each group is as likely to favour one as the other, so the sign of its
//! difference may be flipped (Fisher's randomization test; Good 2005). The differences are of
//! seed-averaged correctness, summed over the images of a group: flipping whole groups keeps
//! images that share a source together. The p value speaks of these seeds; the interval of
//! [`super::interval::difference`] also holds the variance of seeds.
//!
//! Nothing is sampled. Ten thousand random flips cannot tell a p value of 1e-5 from one of 1e-9, and
//! Holm's adjustment over a long table asks for just that.

use std::collections::BTreeMap;

use super::{Correct, student};

/// Products an exact distribution may cost before the normal one takes its place: some 50 ms.
const EXACT_COST: f64 = 5e7;
/// Probabilities below this share of the largest are left out.
const NEGLIGIBLE: f64 = 1e-40;
/// No p value reads smaller: what is left out adds up to less.
const SMALLEST_P: f64 = 1e-30;

/// Two-sided p value of the paired difference between `a` and `b`.
///
/// # Panics
/// If the two were not counted over the same groups.
pub fn p_value(a: &Correct, b: &Correct) -> f64 {
    assert_eq!(a.sizes(), b.sizes(), "a paired test needs the same images");
    let differences = differences(a, b);
    let observed = differences.iter().sum::<i64>().unsigned_abs();
    let mut classes: BTreeMap<u64, u64> = BTreeMap::new();
    for d in differences {
        *classes.entry(d.unsigned_abs()).or_default() += 1;
    }
    let p = if cost(&classes) <= EXACT_COST {
        exact(&classes, observed)
    } else {
        normal(&classes, observed)
    };
    p.clamp(SMALLEST_P, 1.0)
}

/// The groups' differences as whole numbers: over a common denominator of the two numbers of seeds.
/// Groups without a difference are left out, since flipping them changes nothing.
fn differences(a: &Correct, b: &Correct) -> Vec<i64> {
    let (n_a, n_b) = (a.n_seeds() as i64, b.n_seeds() as i64);
    let common = n_a / gcd(n_a, n_b) * n_b;
    let total = |arm: &Correct, group: usize| -> i64 {
        arm.seeds().iter().map(|seed| i64::from(seed[group])).sum()
    };
    let mut differences: Vec<i64> = (0..a.n_groups())
        .map(|group| total(a, group) * (common / n_a) - total(b, group) * (common / n_b))
        .filter(|&d| d != 0)
        .collect();
    let divisor = differences.iter().fold(0, |acc, &d| gcd(acc, d)).max(1);
    differences.iter_mut().for_each(|d| *d /= divisor);
    differences
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

/// Products [`exact`] takes, about: the width of the whole distribution times that of each class.
fn cost(classes: &BTreeMap<u64, u64>) -> f64 {
    // Thirteen standard deviations to each side is where a distribution becomes negligible.
    let points = |variance: f64, most: f64| (13.0 * variance.sqrt() + 1.0).min(most);
    let whole: f64 = classes.iter().map(|(&d, &n)| (d * d * n) as f64).sum();
    let range: f64 = classes.iter().map(|(&d, &n)| (d * n) as f64).sum();
    let each = classes.values().map(|&n| points(n as f64, n as f64 + 1.0));
    points(whole, range + 1.0) * each.sum::<f64>()
}

/// The distribution of the sum over all flips, exactly: the number of positive signs in a class
/// of `n` equal differences is binomial, and classes are independent. `classes`: how many groups
/// differ by how much. A coarser form of the shift algorithm of Pagano and Tritchler (1983).
fn exact(classes: &BTreeMap<u64, u64>, observed: u64) -> f64 {
    // `share[i]`: probability that the positive differences add up to `first + i`.
    let (mut first, mut share) = (0, vec![1.0]);
    for (&d, &n) in classes {
        let (fewest, positive) = fair_binomial(n);
        let step = d as usize;
        let mut next = vec![0.0; share.len() + step * (positive.len() - 1)];
        for (k, p) in positive.iter().enumerate() {
            for (to, from) in next[k * step..].iter_mut().zip(&share) {
                *to += p * from;
            }
        }
        first += d * fewest;
        let floor = NEGLIGIBLE * next.iter().copied().fold(0.0, f64::max);
        let start = next.iter().position(|p| *p > floor).unwrap_or(0);
        let end = next
            .iter()
            .rposition(|p| *p > floor)
            .map_or(next.len(), |i| i + 1);
        share = next[start..end].to_vec();
        first += start as u64;
    }
    let range: u64 = classes.iter().map(|(d, n)| d * n).sum();
    let is_extreme = |positive: u64| (2 * positive).abs_diff(range) >= observed;
    share
        .iter()
        .enumerate()
        .filter(|(i, _)| is_extreme(first + *i as u64))
        .map(|(_, p)| p)
        .sum()
}

/// Heads in `n` tosses of a fair coin: the smallest number that is not negligible, and the
/// probabilities from there on.
fn fair_binomial(n: u64) -> (u64, Vec<f64>) {
    // From the middle outwards by the ratio of neighbours, so that nothing overflows.
    let mut lower = Vec::new();
    let mut heads = n / 2;
    let mut p = 1.0;
    while heads > 0 && p > NEGLIGIBLE {
        p *= heads as f64 / (n - heads + 1) as f64;
        heads -= 1;
        lower.push(p);
    }
    let fewest = heads;
    let mut all: Vec<f64> = lower.into_iter().rev().collect();
    all.push(1.0);
    let (mut heads, mut p) = (n / 2, 1.0);
    while heads < n && p > NEGLIGIBLE {
        p *= (n - heads) as f64 / (heads + 1) as f64;
        heads += 1;
        all.push(p);
    }
    let total: f64 = all.iter().sum();
    all.iter_mut().for_each(|p| *p /= total);
    (fewest, all)
}

/// The normal limit. Sums of random signs have lighter tails, so this errs towards caution.
fn normal(classes: &BTreeMap<u64, u64>, observed: u64) -> f64 {
    let variance: f64 = classes.iter().map(|(&d, &n)| (d * d * n) as f64).sum();
    // Student's t with so many degrees of freedom is normal.
    2.0 * student::upper_tail(observed as f64 / variance.sqrt(), 1e7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn classes(differences: &[i64]) -> (BTreeMap<u64, u64>, u64) {
        let mut classes = BTreeMap::new();
        for d in differences {
            *classes.entry(d.unsigned_abs()).or_default() += 1;
        }
        (classes, differences.iter().sum::<i64>().unsigned_abs())
    }

    fn check(differences: &[i64], p: f64) {
        let (classes, observed) = classes(differences);
        let got = exact(&classes, observed);
        assert!((got - p).abs() < 1e-12, "{differences:?}: {got}, want {p}");
    }

    #[test]
    fn known_answers() {
        check(&[], 1.0);
        check(&[5], 1.0);
        check(&[1, 1, 1, 1, 1], 2.0 / 32.0);
        // Of the 16 sums of 1, 2, 3 and 4 with signs, those of size 8 or more: 10 and 8, twice.
        check(&[-1, 2, 3, 4], 4.0 / 16.0);
        // The sign test on 3 against 13: 2 (C(16,0) + C(16,1) + C(16,2) + C(16,3)) / 2^16.
        let sign_test: Vec<i64> = (0..16).map(|i| if i < 3 { -1 } else { 1 }).collect();
        check(&sign_test, 2.0 * (1.0 + 16.0 + 120.0 + 560.0) / 65536.0);
    }

    #[test]
    fn two_single_runs_on_images_without_groups_are_mcnemars_exact_test() {
        // 40 images, one run each: both right on 20, both wrong on 4, 3 are the first's alone and 13 the second's.
        let runs = |alone: std::ops::Range<usize>| -> Vec<u32> {
            (0..40)
                .map(|i| u32::from(i < 20 || alone.contains(&i)))
                .collect()
        };
        let (a, b) = (runs(20..23), runs(23..36));
        let p = p_value(
            &Correct::new(&[1; 40], vec![&a]),
            &Correct::new(&[1; 40], vec![&b]),
        );
        // Twice the probability of 3 or fewer heads in 16 tosses.
        assert!((p - 0.021270751953125).abs() < 1e-15, "{p}");
    }

    #[test]
    fn exact_is_every_flip() {
        let differences = [3, -1, 4, 1, -5, 9, 2, 6, -5, 3];
        let observed = differences.iter().sum::<i64>().abs();
        let n_extreme = (0..1_u32 << differences.len())
            .filter(|flips| {
                let sum: i64 = differences
                    .iter()
                    .enumerate()
                    .map(|(i, d)| if flips >> i & 1 == 1 { -d } else { *d })
                    .sum();
                sum.abs() >= observed
            })
            .count();
        check(
            &differences,
            n_extreme as f64 / f64::from(1 << differences.len()),
        );
    }

    #[test]
    fn many_groups_are_exact_and_close_to_normal() {
        // 4,000 groups of which 2,150 favour one side, 4.7 standard deviations.
        let differences: Vec<i64> = (0..4000).map(|i| if i < 2150 { 1 } else { -1 }).collect();
        let (classes, observed) = classes(&differences);
        let (exact, normal) = (exact(&classes, observed), normal(&classes, observed));
        // scipy.stats.binomtest(2150, 4000).pvalue
        assert!(
            (exact / 2.248383595118061e-06 - 1.0).abs() < 1e-9,
            "{exact}"
        );
        assert!(
            (normal / exact - 1.0).abs() < 0.1,
            "{normal}, exactly {exact}"
        );
    }

    #[test]
    fn seeds_are_averaged_over_a_common_denominator() {
        let sizes = [2, 2, 2];
        let a = Correct::new(&sizes, vec![&[2, 1, 0], &[2, 2, 0]]);
        let b = Correct::new(&sizes, vec![&[1, 1, 0], &[1, 1, 0], &[1, 0, 1]]);
        // Means 2, 1.5, 0 against 1, 2/3, 1/3: sixths 6, 5, -2.
        assert_eq!(differences(&a, &b), [6, 5, -2]);
    }

    #[test]
    fn a_clustered_advantage_is_weaker_than_it_looks() {
        // The same 24 images, won as single ones or as 6 groups of 4.
        let (all, none) = (vec![1; 24], vec![0; 24]);
        let single = p_value(
            &Correct::new(&[1; 24], vec![&all]),
            &Correct::new(&[1; 24], vec![&none]),
        );
        let grouped = p_value(
            &Correct::new(&[4; 6], vec![&[4; 6]]),
            &Correct::new(&[4; 6], vec![&[0; 6]]),
        );
        assert!((single - 0.5_f64.powi(23)).abs() < 1e-15);
        assert!((grouped - 0.5_f64.powi(5)).abs() < 1e-15);
    }

    #[test]
    fn equal_configurations_are_called_different_no_more_than_five_times_in_a_hundred() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut n_false = 0;
        for _ in 0..2000 {
            let mut draw = || -> Vec<u32> {
                (0..80)
                    .map(|_| 3 * u32::from(rng.random_bool(0.6)))
                    .collect()
            };
            let (a, b) = (draw(), draw());
            let (a, b) = (
                Correct::new(&[3; 80], vec![&a]),
                Correct::new(&[3; 80], vec![&b]),
            );
            n_false += usize::from(p_value(&a, &b) <= 0.05);
        }
        // 5% of 2,000 plus three standard errors.
        assert!(n_false <= 130, "{n_false}");
    }
}
