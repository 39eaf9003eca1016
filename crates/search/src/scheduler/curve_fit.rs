//! Where a learning curve will end: an ensemble of saturating curves, each with its own uncertainty, weighted by how
//! well it explains what was seen.
//!
//! After Domhan, Springenberg and Hutter 2015 ("Speeding up Automatic Hyperparameter Optimization of Deep Neural
//! Networks by Extrapolation of Learning Curves", IJCAI), which fits eleven families by MCMC. Here every curve is
//! `y(x) = c + a g(x)` with a shape `g` out of a fixed set of powers and exponentials that fall to 0. Given the shape,
//! `c` and `a` are a Bayesian linear regression with a conjugate prior, so that evidence and prediction have closed
//! forms (Bishop 2006, section 3.3 with unknown noise): no sampling, and the same answer each time.

use crate::stats::student::upper_tail;

/// Shapes: powers of x, decays by e every so many epochs, and powers that set in after so many epochs.
const POWERS: [f64; 4] = [0.3, 0.6, 1.0, 2.0];
const DECAYS: [f64; 5] = [1.0, 2.5, 6.0, 15.0, 40.0];
const ONSETS: [f64; 4] = [1.0, 3.0, 10.0, 30.0];
const LATE_POWERS: [f64; 2] = [0.5, 1.0];
/// Prior on the standard deviations of `c` and `a`, in units of the curve's spread: wide,
/// since a slow curve has most of its way ahead of it.
const PRIOR_SD: f64 = 20.0;
/// Prior on the noise: as if one epoch had been seen with this much, in units of the spread.
const NOISE_SD: f64 = 0.2;

/// A Student's t distribution about what one shape predicts.
struct Member {
    weight: f64,
    mean: f64,
    scale: f64,
    df: f64,
}

/// The distribution of a curve's value at a later epoch.
pub(super) struct Forecast(Vec<Member>);

impl Forecast {
    /// Of the value after `at` epochs, from finite values by epoch. `None` for fewer than three.
    pub fn new(values: &[(f64, f64)], at: f64) -> Option<Self> {
        if values.len() < 3 {
            return None;
        }
        let n = values.len() as f64;
        let center = values.iter().map(|(_, y)| y).sum::<f64>() / n;
        let low = values.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
        let high = values
            .iter()
            .map(|(_, y)| *y)
            .fold(f64::NEG_INFINITY, f64::max);
        let unit = (high - low).max(1e-12);
        let scaled: Vec<(f64, f64)> = values
            .iter()
            .map(|(x, y)| (*x, (y - center) / unit))
            .collect();
        let powers = POWERS.map(|power| fit(&scaled, at, |x| x.powf(-power)));
        let decays = DECAYS.map(|epochs| fit(&scaled, at, |x| (-x / epochs).exp()));
        let late = LATE_POWERS.into_iter().flat_map(|power| {
            let scaled = &scaled;
            ONSETS.map(|onset| fit(scaled, at, |x| (1.0 + x / onset).powf(-power)))
        });
        let mut members: Vec<Member> = powers.into_iter().chain(decays).chain(late).collect();
        let top = members
            .iter()
            .map(|m| m.weight)
            .fold(f64::NEG_INFINITY, f64::max);
        for member in &mut members {
            member.weight = (member.weight - top).exp();
        }
        let total: f64 = members.iter().map(|m| m.weight).sum();
        for member in &mut members {
            member.weight /= total;
            member.mean = center + unit * member.mean;
            member.scale *= unit;
        }
        Some(Self(members))
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().map(|m| m.weight * m.mean).sum()
    }

    /// The value below which the end lies with this probability.
    pub fn quantile(&self, probability: f64) -> f64 {
        let above = |y: f64| -> f64 {
            let tail = |m: &Member| {
                let t = (y - m.mean) / m.scale;
                let tail = upper_tail(t.abs(), m.df);
                m.weight * if t >= 0.0 { tail } else { 1.0 - tail }
            };
            self.0.iter().map(tail).sum()
        };
        let widest = self.0.iter().map(|m| m.scale).fold(0.0, f64::max);
        let (mut low, mut high) = (self.mean() - widest, self.mean() + widest);
        for _ in 0..60 {
            let width = high - low;
            if above(high) > 1.0 - probability {
                high += width;
            } else if above(low) < 1.0 - probability {
                low -= width;
            } else {
                break;
            }
        }
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if above(middle) > 1.0 - probability {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

/// Regression on `[1, g]` with prior N(0, PRIOR_SD² σ² I) on (c, a) and inverse gamma on σ²; the weight is the log of
/// the evidence, up to what all shapes share. `g` is scaled to 1 at the first epoch seen, so that the prior means the
/// same for all shapes.
fn fit(values: &[(f64, f64)], at: f64, shape: impl Fn(f64) -> f64) -> Member {
    let unit = shape(values[0].0).max(1e-300);
    let g = |x: f64| shape(x) / unit;
    let prior = 1.0 / (PRIOR_SD * PRIOR_SD);
    let (mut s11, mut s12, mut s22) = (prior, 0.0, prior);
    let (mut b1, mut b2, mut yy) = (0.0, 0.0, 0.0);
    for &(x, y) in values {
        let g = g(x);
        s11 += 1.0;
        s12 += g;
        s22 += g * g;
        b1 += y;
        b2 += g * y;
        yy += y * y;
    }
    let det = s11 * s22 - s12 * s12;
    let c = (s22 * b1 - s12 * b2) / det;
    let a = (s11 * b2 - s12 * b1) / det;
    let (shape0, rate0) = (0.5, 0.5 * NOISE_SD * NOISE_SD);
    let shape_n = shape0 + values.len() as f64 / 2.0;
    let rate_n = rate0 + 0.5 * (yy - c * b1 - a * b2).max(0.0);
    let g_at = g(at);
    let leverage = (s22 - 2.0 * s12 * g_at + s11 * g_at * g_at) / det;
    Member {
        weight: -0.5 * det.ln() - shape_n * rate_n.ln(),
        mean: c + a * g_at,
        scale: (rate_n / shape_n * (1.0 + leverage)).sqrt(),
        df: 2.0 * shape_n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    /// A curve of no family in the ensemble, with noise.
    fn curve(rng: &mut ChaCha8Rng, n_epochs: u32) -> Vec<(f64, f64)> {
        let (top, gain, speed) = (
            rng.random_range(0.5..0.9),
            rng.random_range(0.2..0.5),
            rng.random_range(0.05..0.6),
        );
        let sd = rng.random_range(0.002..0.02);
        let value = |x: f64| top - gain / (1.0 + speed * x + 0.1 * (1.0 + x).ln());
        (1..=n_epochs)
            .map(|x| {
                let noise: f64 = rng.sample(StandardNormal);
                (f64::from(x), value(f64::from(x)) + sd * noise)
            })
            .collect()
    }

    /// How often the end lies below the bound.
    fn coverage(seen: usize, probability: f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seen as u64);
        let n_curves = 2_000;
        let mut n_below = 0;
        for _ in 0..n_curves {
            let values = curve(&mut rng, 30);
            let forecast = Forecast::new(&values[..seen], 30.0).unwrap();
            n_below += u32::from(values[29].1 <= forecast.quantile(probability));
        }
        f64::from(n_below) / f64::from(n_curves)
    }

    #[test]
    fn the_bound_holds_for_curves_of_other_families() {
        for seen in [5, 10, 20] {
            let found = coverage(seen, 0.9);
            assert!(found >= 0.88, "{found} after {seen} of 30 epochs");
        }
    }

    #[test]
    fn a_long_look_narrows_the_bound() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let values = curve(&mut rng, 30);
        let width = |seen: usize| {
            let forecast = Forecast::new(&values[..seen], 30.0).unwrap();
            forecast.quantile(0.95) - forecast.mean()
        };
        assert!(width(25) < width(5), "{} {}", width(25), width(5));
    }

    #[test]
    fn a_flat_curve_has_a_bound() {
        let values: Vec<(f64, f64)> = (1..=6).map(|x| (f64::from(x), 0.5)).collect();
        let forecast = Forecast::new(&values, 30.0).unwrap();
        assert!((forecast.mean() - 0.5).abs() < 1e-9);
        assert!((forecast.quantile(0.9) - 0.5).abs() < 1e-9);
        assert!(Forecast::new(&values[..2], 30.0).is_none());
    }
}
