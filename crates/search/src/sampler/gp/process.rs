//! The law of a Gaussian process with a Matérn-5/2 kernel, one length scale a parameter, and noise: its data, and its
//! hyperparameters by them. What it says of the function is [`super::posterior`]'s.

use std::f64::consts::PI;

use super::linalg::{cholesky, dot, inverse, solve_lower, solve_upper};

/// What is known of the function: rows of features, values of mean 0 and variance about 1, and the noise
/// variance of each value in units of one result's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub rows: Vec<Vec<f64>>,
    pub values: Vec<f64>,
    pub noises: Vec<f64>,
    /// Features that are alternatives: equal or not.
    pub is_category: Vec<bool>,
}

/// ln of the length scales (features lie in [0, 1]), of the function's variance and of one result's noise
/// variance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hyper {
    pub log_scales: Vec<f64>,
    pub log_signal: f64,
    pub log_noise: f64,
}

/// Normal priors (mean, standard deviation) of the logarithms. Length scales grow with the square root of
/// the number of parameters, as distances do (Hvarfner, Hellsten and Nardi 2024), so that a wide space is not
/// taken for a rough one.
const LOG_SIGNAL: (f64, f64) = (0.0, 1.0);
const LOG_NOISE: (f64, f64) = (-1.7, 1.5);
fn log_scale_prior(n_features: usize) -> (f64, f64) {
    (0.6_f64.ln() + 0.5 * (n_features.max(1) as f64).ln(), 1.0)
}

/// Share of one result's variance about the smooth function that is the configuration's own: what further
/// seeds would confirm, though its neighbours do not share it. Results with one seed each cannot tell it from
/// chance, so it is fixed; 0 takes every deviation for luck, 1 none.
pub(super) const OWN_SHARE: f64 = 0.4;

/// Steps of the search for the hyperparameters, and the smallest step that goes on.
const N_STEPS: usize = 30;
const MIN_STEP: f64 = 0.01;
/// Keeps the covariance positive definite under equal rows.
pub(super) const JITTER: f64 = 1e-6;

impl Data {
    pub fn push(&mut self, row: Vec<f64>, value: f64, noise: f64) {
        self.rows.push(row);
        self.values.push(value);
        self.noises.push(noise);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows at `idxs` alone.
    pub fn subset(&self, idxs: &[usize]) -> Self {
        Self {
            rows: idxs.iter().map(|&idx| self.rows[idx].clone()).collect(),
            values: idxs.iter().map(|&idx| self.values[idx]).collect(),
            noises: idxs.iter().map(|&idx| self.noises[idx]).collect(),
            is_category: self.is_category.clone(),
        }
    }

    /// Variance of a value about the smooth function, in units of one result's.
    pub(super) fn noise(&self, idx: usize) -> f64 {
        OWN_SHARE + self.chance(idx)
    }

    /// The part of it that is chance.
    pub(super) fn chance(&self, idx: usize) -> f64 {
        (1.0 - OWN_SHARE) * self.noises[idx]
    }

    fn square(&self, feature: usize, a: &[f64], b: &[f64]) -> f64 {
        match self.is_category[feature] {
            true => f64::from(a[feature] != b[feature]),
            false => (a[feature] - b[feature]).powi(2),
        }
    }
}

/// The most probable hyperparameters: iRprop- (Igel and Hüsken 2000) on the log posterior's exact gradient.
pub(crate) fn fit(data: &Data) -> Hyper {
    let n_features = data.is_category.len();
    let scale_prior = log_scale_prior(n_features);
    let mut theta = vec![scale_prior.0; n_features];
    theta.extend([LOG_SIGNAL.0, LOG_NOISE.0]);
    let pairs = squares(data);
    let mut best = (f64::NEG_INFINITY, theta.clone());
    let mut steps = vec![0.3_f64; theta.len()];
    let mut before = vec![0.0_f64; theta.len()];
    for _ in 0..N_STEPS {
        let Some((objective, mut gradient)) = log_posterior(data, &pairs, &theta) else {
            // Outside of what can be computed: back to the best, more carefully.
            theta.clone_from(&best.1);
            steps.iter_mut().for_each(|step| *step *= 0.3);
            continue;
        };
        if objective > best.0 {
            best = (objective, theta.clone());
        }
        for (idx, slope) in gradient.iter_mut().enumerate() {
            let turn = *slope * before[idx];
            if turn > 0.0 {
                steps[idx] = (steps[idx] * 1.2).min(1.0);
            } else if turn < 0.0 {
                steps[idx] *= 0.5;
                *slope = 0.0;
            }
            if *slope != 0.0 {
                theta[idx] += steps[idx].copysign(*slope);
            }
            before[idx] = *slope;
        }
        if steps.iter().all(|step| *step < MIN_STEP) {
            break;
        }
    }
    let theta = best.1;
    Hyper {
        log_scales: theta[..n_features].to_vec(),
        log_signal: theta[n_features],
        log_noise: theta[n_features + 1],
    }
}

/// Squared differences of every pair of rows `i > j`, feature by feature.
fn squares(data: &Data) -> Vec<f64> {
    let mut pairs = Vec::with_capacity(data.len() * data.len() * data.is_category.len() / 2);
    for (i, a) in data.rows.iter().enumerate() {
        for b in &data.rows[..i] {
            pairs.extend((0..data.is_category.len()).map(|feature| data.square(feature, a, b)));
        }
    }
    pairs
}

/// ln of the posterior density of the hyperparameters, but for a constant, and its gradient (Rasmussen and
/// Williams 2006, equations 5.8 and 5.9); `None` where the covariance is not positive definite.
fn log_posterior(data: &Data, pairs: &[f64], theta: &[f64]) -> Option<(f64, Vec<f64>)> {
    let (n, n_features) = (data.len(), data.is_category.len());
    let inverse_squares: Vec<f64> = theta[..n_features]
        .iter()
        .map(|l| (-2.0 * l).exp())
        .collect();
    let (signal, noise) = (theta[n_features].exp(), theta[n_features + 1].exp());
    let mut covariance = vec![0.0; n * n];
    // d k / d (squared distance), times -2.
    let mut falls = Vec::with_capacity(n * n / 2);
    let mut pair = pairs.chunks_exact(n_features.max(1));
    for i in 0..n {
        for j in 0..i {
            let square = pair.next().map_or(0.0, |pair| dot(pair, &inverse_squares));
            let (k, fall) = matern(square);
            covariance[i * n + j] = signal * k;
            falls.push(signal * fall);
        }
        covariance[i * n + i] = signal + noise * data.noise(i) + JITTER;
    }
    let kernel = covariance.clone();
    let lower = cholesky(covariance, n)?;
    let mut alpha = data.values.clone();
    solve_lower(&lower, n, &mut alpha);
    let fit = dot(&alpha, &alpha);
    solve_upper(&lower, n, &mut alpha);
    let log_det: f64 = (0..n).map(|i| lower[i * n + i].ln()).sum();
    let mut objective = -0.5 * fit - log_det - 0.5 * n as f64 * (2.0 * PI).ln();

    let precision = inverse(&lower, n);
    let mut gradient = vec![0.0; theta.len()];
    let mut pair = pairs.chunks_exact(n_features.max(1));
    let mut fall = falls.iter();
    for i in 0..n {
        for j in 0..i {
            let weight = alpha[i] * alpha[j] - precision[i * n + j];
            gradient[n_features] += weight * kernel[i * n + j];
            if let (Some(pair), Some(fall)) = (pair.next(), fall.next()) {
                for feature in 0..n_features {
                    gradient[feature] += weight * fall * pair[feature] * inverse_squares[feature];
                }
            }
        }
        let weight = 0.5 * (alpha[i] * alpha[i] - precision[i * n + i]);
        gradient[n_features] += weight * signal;
        gradient[n_features + 1] += weight * noise * data.noise(i);
    }

    let scale_prior = log_scale_prior(n_features);
    let priors = std::iter::repeat_n(scale_prior, n_features).chain([LOG_SIGNAL, LOG_NOISE]);
    for (idx, (mean, deviation)) in priors.enumerate() {
        let z = (theta[idx] - mean) / deviation;
        objective -= 0.5 * z * z;
        gradient[idx] -= z / deviation;
    }
    objective.is_finite().then_some((objective, gradient))
}

/// Matérn-5/2 correlation at a squared scaled distance, and minus twice its derivative by that square.
pub(super) fn matern(square: f64) -> (f64, f64) {
    let r = (5.0 * square).sqrt();
    let decay = (-r).exp();
    (
        (1.0 + r + r * r / 3.0) * decay,
        5.0 / 3.0 * (1.0 + r) * decay,
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn data(n: usize) -> Data {
        let mut data = Data {
            is_category: vec![false, true, false],
            ..Data::default()
        };
        for i in 0..n {
            let x = (i as f64 * 0.37).fract();
            let group = (i % 2) as f64;
            let noise = 0.1 * ((i * 7919 % 101) as f64 / 50.5 - 1.0);
            let value = (6.0 * x).sin() + 0.5 * group + noise;
            data.push(vec![x, group, (i as f64 * 0.61).fract()], value, 1.0);
        }
        data
    }

    #[test]
    fn the_gradient_is_that_of_the_posterior() {
        let data = data(12);
        let pairs = squares(&data);
        let theta = [-0.4, 0.3, 0.1, 0.2, -1.5];
        let (_, gradient) = log_posterior(&data, &pairs, &theta).unwrap();
        for idx in 0..theta.len() {
            let at = |step: f64| {
                let mut moved = theta;
                moved[idx] += step;
                log_posterior(&data, &pairs, &moved).unwrap().0
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!(
                (gradient[idx] - numeric).abs() < 1e-5,
                "{idx}: {} {numeric}",
                gradient[idx]
            );
        }
    }
}
