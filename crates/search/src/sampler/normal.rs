//! The standard normal law.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// P(Z <= x).
pub(super) fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// ln of the density at x.
pub(super) fn log_density(x: f64) -> f64 {
    -0.5 * (x * x + (2.0 * PI).ln())
}

/// The x with P(Z <= x) = p, for p in (0, 1): a rational start (Abramowitz and Stegun 26.2.23) and Newton
/// steps on [`cdf`], to about 1e-12.
pub(super) fn quantile(p: f64) -> f64 {
    let tail = p.min(1.0 - p).max(1e-300);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    // The quantile of the lower tail.
    let mut x = above / below - t;
    for _ in 0..3 {
        x -= (cdf(x) - tail) / log_density(x).exp();
    }
    if p < 0.5 { x } else { -x }
}

/// ln of (phi(z) + z Phi(z)): expected improvement by a standard normal over -z, without underflow
/// (Ament et al. 2023, equation 9; far out by the asymptotic series of Mills's ratio).
pub(super) fn log_improvement(z: f64) -> f64 {
    if z > -6.0 {
        (log_density(z).exp() + z * cdf(z))
            .max(f64::MIN_POSITIVE)
            .ln()
    } else {
        let square = z * z;
        log_density(z) - square.ln() + (1.0 - 3.0 / square + 15.0 / (square * square)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_known_ones() {
        for (p, x) in [(0.975, 1.959_963_985), (0.5, 0.0), (1e-6, -4.753_424_309)] {
            assert!((quantile(p) - x).abs() < 1e-8, "{p}: {}", quantile(p));
        }
    }

    #[test]
    fn log_improvement_is_smooth_where_the_formulas_meet() {
        let (near, far) = (log_improvement(-6.0 + 1e-9), log_improvement(-6.0 - 1e-9));
        assert!((near - far).abs() < 1e-2, "{near} {far}");
        assert!((log_improvement(0.0) - log_density(0.0)).abs() < 1e-12);
        assert!(log_improvement(-40.0).is_finite());
    }
}
