//! The error of a published accuracy, of which only the value and the size of the test set are known.

use cultivar_spec::wire::Estimate;

/// Half of the width of a 95% interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;

/// Standard error of a share `p` of `n` independent draws.
pub fn standard_error(p: f64, n: f64) -> f64 {
    (p * (1.0 - p) / n).sqrt()
}

/// Wilson's score interval (Wilson 1927) of a share `p` of `n` draws at `z` standard errors.
/// `n` may be an effective, fractional number of draws and `z` a t quantile.
pub fn wilson(p: f64, n: f64, z: f64) -> (f64, f64) {
    let shrink = z * z / n;
    let centre = (p + shrink / 2.0) / (1.0 + shrink);
    let half = z / (1.0 + shrink) * (p * (1.0 - p) / n + shrink / (4.0 * n)).sqrt();
    // Rounding must not push the observed share out of its own interval.
    (
        (centre - half).clamp(0.0, p.clamp(0.0, 1.0)),
        (centre + half).clamp(p.clamp(0.0, 1.0), 1.0),
    )
}

/// A difference with its 95% interval, and whether that interval excludes zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    pub difference: f64,
    pub low: f64,
    pub high: f64,
}

/// Ours minus a published number, with the error of both.
///
/// `std` is the published standard deviation over runs; without one, the number is taken as the
/// accuracy of one model on `n_test` independent images.
pub fn gap_to_published(ours: &Estimate, published: f64, std: Option<f64>, n_test: usize) -> Gap {
    let theirs = Z_95 * std.unwrap_or_else(|| standard_error(published, n_test as f64));
    let difference = ours.mean - published;
    // Our interval is not symmetric, so each side joins with its own half (Zou and Donner 2008).
    Gap {
        difference,
        low: difference - (ours.mean - ours.low).hypot(theirs),
        high: difference + (ours.high - ours.mean).hypot(theirs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_known_answers() {
        // R: prop.test(81, 263, correct = FALSE)$conf.int, the example of Newcombe (1998).
        let (low, high) = wilson(81.0 / 263.0, 263.0, Z_95);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
        // Nothing wrong in n draws: z^2 / (n + z^2) below one.
        let (low, high) = wilson(1.0, 100.0, 2.0);
        assert!((low - 100.0 / 104.0).abs() < 1e-12 && high == 1.0);
    }

    #[test]
    fn a_published_number_brings_its_own_error() {
        let ours = Estimate {
            mean: 0.95,
            low: 0.946,
            high: 0.953,
            n: 5,
        };
        let gap = gap_to_published(&ours, 0.94, Some(0.0), 8041);
        assert!((gap.low - 0.006).abs() < 1e-12 && (gap.high - 0.013).abs() < 1e-12);
        // 1.96 sqrt(0.94 * 0.06 / 8041) = 0.00519
        let gap = gap_to_published(&ours, 0.94, None, 8041);
        assert!(
            (gap.low - (0.01 - (0.004_f64.powi(2) + 0.005_191_f64.powi(2)).sqrt())).abs() < 1e-5
        );
        assert!(gap.low > 0.0);
    }
}
