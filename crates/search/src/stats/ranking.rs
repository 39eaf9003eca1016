//! Which configuration leads, and which of the others it can be told apart from.

use cultivar_spec::wire::{Comparison, Estimate};

use super::{Correct, SeedSpread, holm, interval, signflip};

/// Significance level of a claim.
pub const ALPHA: f64 = 0.05;

/// One configuration in its place.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Index into what was ranked.
    pub idx: usize,
    pub estimate: Estimate,
    /// Against the first; absent for the first itself.
    pub vs_top: Option<Comparison>,
}

/// Ranks configurations that were scored on the same images, best mean first; of equals, the one
/// with more seeds.
///
/// Comparisons are with whichever came out on top, which picks them out of all pairs. All pairs
/// are therefore the family that Holm's adjustment is over: with the other rows alone as
/// the family, the luckiest of many equal rows would "beat" the unluckiest far too often.
///
/// Seeds vary as the rows show it together.
pub fn rank(configs: &[Correct]) -> Vec<Ranked> {
    let spread = SeedSpread::of(configs);
    let mut ranked: Vec<Ranked> = configs
        .iter()
        .enumerate()
        .map(|(idx, correct)| Ranked {
            idx,
            estimate: interval::estimate_among(correct, &spread),
            vs_top: None,
        })
        .collect();
    ranked.sort_by(|a, b| {
        b.estimate
            .mean
            .total_cmp(&a.estimate.mean)
            .then(b.estimate.n.cmp(&a.estimate.n))
    });
    let Some(top) = ranked.first().map(|top| &configs[top.idx]) else {
        return ranked;
    };
    let others: Vec<&Correct> = ranked[1..].iter().map(|row| &configs[row.idx]).collect();
    let compared = against(top, &others, &spread, n_pairs(configs.len()));
    for (row, comparison) in ranked[1..].iter_mut().zip(compared) {
        row.vs_top = Some(comparison);
    }
    ranked
}

/// Each of `others` minus `first`. The p value is the larger of two: the sign-flip test knows nothing of seeds, and Student's test,
/// which adds their variance, assumes a distribution. Where nobody has two seeds the first is alone, and speaks of these
/// trained models. Holm adjusts them over a family of so many comparisons, at least as many as there are.
pub fn against(
    first: &Correct,
    others: &[&Correct],
    spread: &SeedSpread,
    family: usize,
) -> Vec<Comparison> {
    let differences: Vec<(Estimate, Option<f64>)> = others
        .iter()
        .map(|other| interval::difference_among(other, first, spread))
        .collect();
    // Holm's smallest factor makes 1 of a p value above this, whatever the exact test would say.
    let hopeless = 1.0 / ((family + 1).saturating_sub(others.len()).max(1)) as f64;
    let p: Vec<f64> = others
        .iter()
        .zip(&differences)
        .map(|(other, (_, of_seeds))| {
            let of_seeds = of_seeds.unwrap_or(0.0);
            match of_seeds < hopeless {
                true => signflip::p_value(other, first).max(of_seeds),
                false => 1.0,
            }
        })
        .collect();
    let adjusted = holm::adjust(&p, family);
    let compared = differences.into_iter().zip(adjusted);
    compared
        .map(|((difference, _), p_holm)| Comparison {
            difference: difference.mean,
            low: difference.low,
            high: difference.high,
            p_holm,
        })
        .collect()
}

/// Comparisons among `n` rows.
pub fn n_pairs(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

/// Whether a row may be said to differ from the top: the adjusted test, which knows how many were
/// compared, and the interval, which knows how much seeds vary, both say so.
pub fn is_separated(comparison: &Comparison) -> bool {
    comparison.p_holm <= ALPHA && (comparison.high < 0.0 || comparison.low > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_best_mean_leads_and_the_far_one_is_told_apart() {
        let sizes = [1; 200];
        let counts = |n: usize| (0..200).map(|i| u32::from(i < n)).collect::<Vec<u32>>();
        let (weak, best, close) = (counts(100), counts(150), counts(149));
        let configs = [&weak, &best, &close].map(|seed| Correct::new(&sizes, vec![seed]));
        let ranked = rank(&configs);
        assert_eq!(ranked.iter().map(|r| r.idx).collect::<Vec<_>>(), [1, 2, 0]);
        assert!(ranked[0].vs_top.is_none());
        let (close, far) = (ranked[1].vs_top.unwrap(), ranked[2].vs_top.unwrap());
        assert!(!is_separated(&close) && close.p_holm == 1.0);
        assert!(is_separated(&far) && far.difference == -0.25);
    }

    #[test]
    fn nothing_and_one_rank_too() {
        assert!(rank(&[]).is_empty());
        let one = rank(&[Correct::new(&[1, 1], vec![&[1, 0]])]);
        assert!(one.len() == 1 && one[0].vs_top.is_none());
    }

    #[test]
    fn of_fifty_equal_rows_the_luckiest_beats_none() {
        // Rows answer alike on shared, grouped images; 100 tables, so 5 claims are expected at most,
        // and 12 leave three standard errors of room.
        let mut rng = ChaCha8Rng::seed_from_u64(17);
        let sizes = [3; 100];
        let mut n_false = 0;
        for _ in 0..100 {
            let hard: Vec<f64> = sizes.iter().map(|_| rng.random()).collect();
            let rows: Vec<Vec<u32>> = (0..50)
                .map(|_| {
                    let group = |p: &f64| (0..3).map(|_| u32::from(rng.random_bool(*p))).sum();
                    hard.iter().map(group).collect()
                })
                .collect();
            let configs: Vec<Correct> = rows
                .iter()
                .map(|row| Correct::new(&sizes, vec![row]))
                .collect();
            let ranked = rank(&configs);
            let claims = ranked
                .iter()
                .filter_map(|row| row.vs_top)
                .filter(is_separated);
            n_false += usize::from(claims.count() > 0);
        }
        assert!(n_false <= 12, "{n_false}");
    }

    #[test]
    fn of_thirteen_equal_arms_few_seem_to_differ_from_the_first_where_seeds_vary() {
        // Seeds vary by two points, images by one and a half: sign flips alone, which know nothing of seeds, claim a
        // difference in a quarter of the tables. 60 tables, so 3 at most are expected.
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let sizes = [1; 1000];
        let mut n_false = 0;
        for _ in 0..60 {
            let arms: Vec<Vec<Vec<u32>>> = (0..14)
                .map(|_| {
                    let seed = |_| {
                        let luck = 0.02 * crate::stats::bootstrap::normal(&mut rng);
                        let is_right = |_| u32::from(rng.random_bool(0.7 + luck));
                        sizes.iter().map(is_right).collect()
                    };
                    (0..5).map(seed).collect()
                })
                .collect();
            let arms: Vec<Correct> = arms
                .iter()
                .map(|arm| Correct::new(&sizes, arm.iter().map(Vec::as_slice).collect()))
                .collect();
            let others: Vec<&Correct> = arms[1..].iter().collect();
            let compared = against(&arms[0], &others, &SeedSpread::UNKNOWN, others.len());
            n_false += usize::from(compared.iter().any(is_separated));
        }
        assert!(n_false <= 9, "{n_false}");
    }
}
