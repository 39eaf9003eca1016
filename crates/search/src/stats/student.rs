//! Student's t distribution: the tail and its inverse, for any positive degrees of freedom.

/// P(T > t) for `t >= 0`.
///
/// Half the regularized incomplete beta function at `df / (df + t^2)`, Abramowitz and Stegun 26.7.1.
pub fn upper_tail(t: f64, df: f64) -> f64 {
    0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t))
}

/// The `t` whose two-sided tail holds `alpha`: 1.96 for 0.05 and many degrees of freedom.
/// More than a million degrees of freedom count as a million.
pub fn two_sided(alpha: f64, df: f64) -> f64 {
    let df = df.min(1e6);
    let mut high = 1.0;
    while upper_tail(high, df) > alpha / 2.0 {
        high *= 2.0;
    }
    let mut low = 0.0;
    // Each step halves the bracket: 60 exhaust the digits of an f64.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if upper_tail(middle, df) > alpha / 2.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// I_x(a, b) by its continued fraction (DLMF 8.17.22), evaluated by the modified Lentz method.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean of the beta distribution; above it, use the mirror.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let ln_front =
        a * x.ln() + b * (-x).ln_1p() - a.ln() - ln_gamma(a) - ln_gamma(b) + ln_gamma(a + b);
    let floor = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < floor { floor } else { v };
    let mut c: f64 = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    ln_front.exp() * fraction
}

/// ln of the gamma function for `x > 0`: Stirling's series (DLMF 5.11.1) after shifting `x` above 12.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 12.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, want: f64) {
        assert!(
            (got - want).abs() <= 1e-8 * want.abs(),
            "got {got}, want {want}"
        );
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // scipy.stats.t.ppf(0.975, df)
        check(two_sided(0.05, 1.0), 12.706204736174694);
        check(two_sided(0.05, 2.0), 4.302652729749462);
        check(two_sided(0.05, 2.5), 3.5746548420036817);
        check(two_sided(0.05, 30.0), 2.0422724563012373);
        check(two_sided(0.05, 1e6), 1.959966356814107);
    }

    #[test]
    fn tails_are_those_of_the_tables() {
        // scipy.stats.t.sf(t, df)
        check(upper_tail(0.0, 7.0), 0.5);
        check(upper_tail(1.0, 1.0), 0.25);
        check(upper_tail(3.0, 10.0), 0.006671827511284785);
        check(upper_tail(30.0, 12.0), 5.886590953509468e-13);
    }
}
