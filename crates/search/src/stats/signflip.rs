//! The paired sign-flip test: are two configurations equally good on the same images?
//!
//! Under the null hypothesis each group is as likely to favour one as the other, so the sign of its
//! difference may be flipped (Fisher's randomization test; Good 2005). The differences are of
//! seed-averaged correctness, summed over the images of a group: flipping whole groups keeps
//! images that share a source together. The p value speaks of these seeds; the interval of
//! [`super::interval::difference`] also holds the variance of seeds.

use rand::Rng;

use super::Correct;

/// Additions the exact distribution may cost before it is sampled instead: some 20 ms.
const EXACT_COST: u64 = 50_000_000;
/// Flips of a sampled distribution.
const N_FLIPS: u32 = 9_999;

/// Two-sided p value of the paired difference between `a` and `b`.
///
/// Exact whenever that is cheap, which it is up to thousands of groups; `rng` is only used beyond.
///
/// # Panics
/// If the two were not counted over the same groups.
pub fn p_value(a: &Correct, b: &Correct, rng: &mut impl Rng) -> f64 {
    assert_eq!(a.sizes(), b.sizes(), "a paired test needs the same images");
    let differences = differences(a, b);
    let range: u64 = differences.iter().map(|d| d.unsigned_abs()).sum();
    if range * differences.len() as u64 <= EXACT_COST {
        exact(&differences)
    } else {
        sampled(&differences, rng, N_FLIPS)
    }
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

/// The whole distribution, by adding one group at a time to the distribution of the sum of the
/// positive ones (Pagano and Tritchler 1983): as exact as trying all `2^n` flips.
fn exact(differences: &[i64]) -> f64 {
    let range: usize = differences.iter().map(|d| d.unsigned_abs() as usize).sum();
    let observed = differences.iter().sum::<i64>().unsigned_abs() as usize;
    let mut share = vec![0.0; range + 1];
    let mut next = vec![0.0; range + 1];
    share[0] = 1.0;
    let mut reach = 0;
    for d in differences {
        let d = d.unsigned_abs() as usize;
        next[..=reach].copy_from_slice(&share[..=reach]);
        next[reach + 1..=reach + d].fill(0.0);
        for (to, from) in next[d..=reach + d].iter_mut().zip(&share[..=reach]) {
            *to += from;
        }
        reach += d;
        next[..=reach].iter_mut().for_each(|p| *p *= 0.5);
        std::mem::swap(&mut share, &mut next);
    }
    let tail: f64 = (0..=range)
        .filter(|&positive| (2 * positive).abs_diff(range) >= observed)
        .map(|positive| share[positive])
        .sum();
    tail.clamp(f64::MIN_POSITIVE, 1.0)
}

/// Random flips; the observed assignment counts as one of them, so the p value is valid and never
/// zero (Phipson and Smyth 2010).
fn sampled(differences: &[i64], rng: &mut impl Rng, n_flips: u32) -> f64 {
    let observed = differences.iter().sum::<i64>().abs();
    let mut at_least = 1_u32;
    for _ in 0..n_flips {
        let mut sum = 0;
        for chunk in differences.chunks(64) {
            let mut signs: u64 = rng.random();
            for d in chunk {
                sum += if signs & 1 == 1 { *d } else { -d };
                signs >>= 1;
            }
        }
        at_least += u32::from(sum.abs() >= observed);
    }
    f64::from(at_least) / f64::from(n_flips + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(11)
    }

    fn check(differences: &[i64], p: f64) {
        assert!(
            (exact(differences) - p).abs() < 1e-12,
            "{differences:?}: {}",
            exact(differences)
        );
        let error = (p * (1.0 - p) / 10_000.0).sqrt();
        let got = sampled(differences, &mut rng(), N_FLIPS);
        assert!(
            (got - p).abs() <= 4.0 * error + 1e-4,
            "{differences:?}: {got}"
        );
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
            &mut rng(),
        );
        let grouped = p_value(
            &Correct::new(&[4; 6], vec![&[4; 6]]),
            &Correct::new(&[4; 6], vec![&[0; 6]]),
            &mut rng(),
        );
        assert!((single - 0.5_f64.powi(23)).abs() < 1e-15);
        assert!((grouped - 0.5_f64.powi(5)).abs() < 1e-15);
    }

    #[test]
    fn equal_configurations_are_called_different_no_more_than_five_times_in_a_hundred() {
        let mut rng = rng();
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
            n_false += usize::from(exact(&differences(&a, &b)) <= 0.05);
        }
        // 5% of 2,000 plus three standard errors.
        assert!(n_false <= 130, "{n_false}");
    }
}
