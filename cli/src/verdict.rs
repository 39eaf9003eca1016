//! What a comparison lets one say, and no more.

use cultivar_spec::wire::Comparison;

/// What is shown of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Better,
    Worse,
    Nothing,
}

/// A difference between two sides of so many seeds is shown by an adjusted p of at most 0.05, an interval without zero and two
/// seeds on both sides: docs/statistics.md.
pub fn shown(gap: &Comparison, n_seeds: [usize; 2]) -> Shown {
    let is_shown = gap.p_holm <= 0.05 && n_seeds.iter().all(|n| *n >= 2);
    match is_shown {
        true if gap.low > 0.0 => Shown::Better,
        true if gap.high < 0.0 => Shown::Worse,
        _ => Shown::Nothing,
    }
}

/// Why nothing is shown, for a sentence.
pub fn why_not(gap: &Comparison, n_seeds: [usize; 2]) -> String {
    if n_seeds.iter().any(|n| *n < 2) {
        "one run tells nothing of other seeds".into()
    } else if gap.low <= 0.0 && gap.high >= 0.0 {
        "the interval holds zero".into()
    } else {
        format!("p is {:.2}, adjusted for all that was compared", gap.p_holm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_by_interval_test_and_seeds_together() {
        let gap = |difference: f64, p_holm: f64| Comparison {
            difference,
            low: difference - 0.01,
            high: difference + 0.01,
            p_holm,
        };
        assert_eq!(shown(&gap(0.02, 0.01), [5, 2]), Shown::Better);
        assert_eq!(shown(&gap(-0.02, 0.01), [2, 5]), Shown::Worse);
        for (gap, n_seeds, why) in [
            (gap(0.005, 0.01), [5, 5], "zero"),
            (gap(-0.02, 0.072), [5, 5], "0.07"),
            (gap(0.02, 0.001), [5, 1], "one run"),
            (gap(0.02, 0.001), [1, 1], "one run"),
        ] {
            assert_eq!(shown(&gap, n_seeds), Shown::Nothing);
            assert!(why_not(&gap, n_seeds).contains(why));
        }
    }
}
