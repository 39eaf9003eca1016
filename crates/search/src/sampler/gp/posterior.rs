//! What a Gaussian process says of the function, given the data (Rasmussen and Williams 2006, algorithm 2.1).
//!
//! Results that are still to come can be imagined: each fantasy is a joint draw of them from what is known (Snoek,
//! Larochelle and Adams 2012, section 3.2). Under the Cholesky factor L of all covariances, known results first, such a
//! draw is L times what is known in white coordinates followed by standard normal numbers, so a fantasy costs one triangular
//! solution. All fantasies share their variances.

use super::linalg::{cholesky, dot, solve_lower, solve_upper};
use super::process::{Data, Hyper, JITTER, OWN_SHARE, matern};

/// Variance of chance in a result of one seed, in units of one result's.
const ONE_CHANCE: f64 = 1.0 - OWN_SHARE;

/// The function given the data.
pub(crate) struct Posterior {
    data: Data,
    n_rows: usize,
    /// Features by column, numbers over their length scale, `[n_features][n_rows]`.
    columns: Vec<Vec<f64>>,
    /// Inverse length scales.
    inverse_scales: Vec<f64>,
    signal: f64,
    noise: f64,
    lower: Vec<f64>,
    /// The values in white coordinates: those of known results.
    white: Vec<f64>,
    /// By fantasy; one where nothing is imagined.
    alphas: Vec<Vec<f64>>,
    /// Values of the rows beyond those of `data`, by fantasy.
    imagined: Vec<Vec<f64>>,
}

impl Posterior {
    /// Conditions on `data`; `None` where the covariance is not positive definite, which values that are
    /// not finite cause.
    pub fn new(data: Data, hyper: &Hyper) -> Option<Self> {
        let n = data.len();
        let inverse_scales: Vec<f64> = hyper.log_scales.iter().map(|l| (-l).exp()).collect();
        let mut this = Self {
            columns: vec![Vec::with_capacity(n); inverse_scales.len()],
            inverse_scales,
            signal: hyper.log_signal.exp(),
            noise: hyper.log_noise.exp(),
            lower: Vec::new(),
            white: Vec::new(),
            alphas: Vec::new(),
            imagined: vec![Vec::new()],
            n_rows: 0,
            data,
        };
        let mut covariance = vec![0.0; n * n];
        for i in 0..n {
            let row = this.data.rows[i].clone();
            covariance[i * n..i * n + i].copy_from_slice(&this.covariances(&row));
            covariance[i * n + i] = this.variance(this.data.noise(i));
            this.append(&row);
        }
        this.lower = cholesky(covariance, n)?;
        this.white = this.data.values.clone();
        solve_lower(&this.lower, n, &mut this.white);
        let mut alpha = this.white.clone();
        solve_upper(&this.lower, n, &mut alpha);
        this.alphas = vec![alpha];
        Some(this)
    }

    /// Of a result with this much noise, in units of one result's.
    fn variance(&self, noise: f64) -> f64 {
        self.signal + self.noise * noise + JITTER
    }

    fn append(&mut self, row: &[f64]) {
        self.n_rows += 1;
        for (feature, column) in self.columns.iter_mut().enumerate() {
            column.push(match self.data.is_category[feature] {
                true => row[feature],
                false => row[feature] * self.inverse_scales[feature],
            });
        }
    }

    /// With the results of one seed each still to come at `rows`: a fantasy for each of `draws`, which holds a standard
    /// normal number a row. Zeros are the results expected.
    pub fn imagine(mut self, rows: Vec<Vec<f64>>, draws: &[Vec<f64>]) -> Option<Self> {
        let (n_known, n) = (self.data.len(), self.data.len() + rows.len());
        let mut lower = vec![0.0; n * n];
        for i in 0..n_known {
            let row = &self.lower[i * n_known..=i * n_known + i];
            lower[i * n..=i * n + i].copy_from_slice(row);
        }
        for (i, row) in (n_known..n).zip(rows) {
            let mut new = self.covariances(&row);
            solve_lower(&lower, n, &mut new);
            self.append(&row);
            let pivot = self.variance(1.0) - dot(&new, &new);
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            lower[i * n..i * n + i].copy_from_slice(&new);
            lower[i * n + i] = pivot.sqrt();
        }
        self.alphas.clear();
        self.imagined.clear();
        for draw in draws {
            let mut alpha = [self.white.as_slice(), draw].concat();
            let value = |i: usize| dot(&lower[i * n..=i * n + i], &alpha[..=i]);
            self.imagined.push((n_known..n).map(value).collect());
            solve_upper(&lower, n, &mut alpha);
            self.alphas.push(alpha);
        }
        self.lower = lower;
        Some(self)
    }

    pub fn n_fantasies(&self) -> usize {
        self.alphas.len()
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Covariances of the function between the rows so far and `row`.
    fn covariances(&self, row: &[f64]) -> Vec<f64> {
        let mut squares = vec![0.0; self.n_rows];
        for (feature, column) in self.columns.iter().enumerate() {
            let scale = self.inverse_scales[feature];
            match self.data.is_category[feature] {
                true => {
                    let apart = scale * scale;
                    for (square, known) in squares.iter_mut().zip(column) {
                        *square += if *known == row[feature] { 0.0 } else { apart };
                    }
                }
                false => {
                    let x = row[feature] * scale;
                    for (square, known) in squares.iter_mut().zip(column) {
                        *square += (known - x) * (known - x);
                    }
                }
            }
        }
        for square in &mut squares {
            *square = self.signal * matern(*square).0;
        }
        squares
    }

    /// Expected value of the configuration of row `idx` in each fantasy, its own deviation included: its value, less
    /// what of it was chance.
    pub fn fitted(&self, idx: usize) -> impl Iterator<Item = f64> {
        let n_known = self.data.len();
        let noise = if idx < n_known {
            self.data.chance(idx)
        } else {
            ONE_CHANCE
        };
        let chance = self.noise * noise + JITTER;
        let fantasies = self.alphas.iter().zip(&self.imagined);
        fantasies.map(move |(alpha, imagined)| {
            let value = match idx < n_known {
                true => self.data.values[idx],
                false => imagined[idx - n_known],
            };
            value - chance * alpha[idx]
        })
    }

    /// Expected values at `row`, which was not tried, in each fantasy; and the standard deviation of a configuration
    /// there, its own deviation included and chance left out.
    pub fn means_and_deviation(&self, row: &[f64]) -> (impl Iterator<Item = f64>, f64) {
        let known = self.covariances(row);
        let mut white = known.clone();
        solve_lower(&self.lower, known.len(), &mut white);
        let variance = self.signal + OWN_SHARE * self.noise - dot(&white, &white);
        let means = self.alphas.iter().map(move |alpha| dot(&known, alpha));
        (means, variance.max(1e-12).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::{fit, tests::data};
    use super::*;

    fn mean_and_deviation(posterior: &Posterior, row: &[f64]) -> (f64, f64) {
        let (mut means, deviation) = posterior.means_and_deviation(row);
        (means.next().unwrap(), deviation)
    }

    #[test]
    fn the_fit_finds_which_features_matter_and_smooths_noise() {
        let data = data(60);
        let hyper = fit(&data);
        assert!(hyper.log_scales[2] > hyper.log_scales[0] + 1.0, "{hyper:?}");
        let posterior = Posterior::new(data, &hyper).unwrap();
        let (mean, deviation) = mean_and_deviation(&posterior, &[0.3, 1.0, 0.5]);
        let truth = (6.0_f64 * 0.3).sin() + 0.5;
        assert!(
            (mean - truth).abs() < 0.1 && deviation < 0.12,
            "{mean} {deviation} {truth}"
        );
        let (_, far) = mean_and_deviation(&posterior, &[3.0, 1.0, 0.5]);
        assert!(far > 3.0 * deviation);
    }

    #[test]
    fn a_tried_configuration_keeps_a_part_of_its_deviation() {
        let mut data = data(60);
        data.values[7] += 1.0;
        let hyper = fit(&data);
        let (value, row) = (data.values[7], data.rows[7].clone());
        let kept = |data: Data| {
            let posterior = Posterior::new(data, &hyper).unwrap();
            (posterior.fitted(7).next().unwrap() - mean_and_deviation(&posterior, &row).0)
                / (value - mean_and_deviation(&posterior, &row).0)
        };
        assert!((kept(data.clone()) - OWN_SHARE).abs() < 1e-3);
        // With nine seeds there is less chance left to explain it.
        data.noises[7] = 1.0 / 9.0;
        assert!(kept(data) > 0.8);
    }

    #[test]
    fn equal_rows_and_values_that_are_not_finite_do_no_harm() {
        let mut equal = data(4);
        equal.rows = vec![vec![0.5, 0.0, 0.5]; 4];
        assert!(Posterior::new(equal.clone(), &fit(&equal)).is_some());
        equal.values[0] = f64::NAN;
        let hyper = fit(&equal);
        assert!(hyper.log_noise.is_finite());
    }

    #[test]
    fn an_expected_result_changes_no_mean_and_takes_away_doubt() {
        let data = data(30);
        let hyper = fit(&data);
        let (there, elsewhere) = (vec![0.45, 1.0, 0.5], vec![0.5, 1.0, 0.4]);
        let before = Posterior::new(data.clone(), &hyper).unwrap();
        let (mean, deviation) = mean_and_deviation(&before, &elsewhere);
        let chances = [vec![0.0, 0.0], vec![2.0, 2.0], vec![-2.0, -2.0]];
        let pending = vec![there.clone(), vec![0.9, 0.0, 0.1]];
        let after = before.imagine(pending, &chances).unwrap();
        let (means, less) = after.means_and_deviation(&elsewhere);
        let means: Vec<f64> = means.collect();
        assert!((means[0] - mean).abs() < 1e-9 && less < deviation);
        assert!(means[1] > mean && means[2] < mean, "{means:?}");
        // As if the results had been told.
        let mut told = data;
        let mean_there =
            mean_and_deviation(&Posterior::new(told.clone(), &hyper).unwrap(), &there).0;
        told.push(there, mean_there, 1.0);
        let told = Posterior::new(told, &hyper).unwrap();
        assert!((mean_and_deviation(&told, &elsewhere).0 - mean).abs() < 1e-9);
    }
}
