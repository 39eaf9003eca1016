//! Holm's step-down adjustment of p values (Holm 1979, "A simple sequentially rejective multiple
//! test procedure").

/// Adjusted p values, in the order given, for a family of `family` hypotheses of which `p` are the
/// ones looked at.
///
/// A family may be larger than the list: comparing every row with the row that came out on top
/// picks its comparisons out of all pairs, so all pairs are the family. The hypotheses not looked
/// at are taken to have the largest p values, which keeps the adjustment valid: a listed p value's
/// rank among all can only be later, and its factor smaller, than assumed.
pub fn adjust(p: &[f64], family: usize) -> Vec<f64> {
    let family = family.max(p.len());
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, &idx) in order.iter().enumerate() {
        largest = largest.max(p[idx] * (family - rank) as f64).min(1.0);
        adjusted[idx] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(p: &[f64], family: usize, want: &[f64]) {
        let got = adjust(p, family);
        let close = got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close && got.len() == want.len(), "{got:?}, want {want:?}");
    }

    #[test]
    fn known_answers() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        check(&[0.01, 0.04, 0.03, 0.005], 4, &[0.03, 0.06, 0.06, 0.02]);
        check(&[0.5, 0.6], 2, &[1.0, 1.0]);
        check(&[], 0, &[]);
    }

    #[test]
    fn a_larger_family_costs_more() {
        check(&[0.01, 0.04], 6, &[0.06, 0.2]);
    }
}
