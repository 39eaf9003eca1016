//! Covariance matrix adaptation (Hansen 2016, "The CMA evolution strategy: a tutorial", with its default
//! constants and positive weights), for spaces of numbers; levels are continuous to it and rounded.
//!
//! It keeps no state of its own: the strategy is replayed from the results in the order of their numbers, a
//! generation each time enough are there. A result may stem from an older distribution than the one it
//! updates, which the strategy bears as an injected solution (Hansen 2011). The square root of the
//! covariance is its Cholesky factor rather than the symmetric root (as Krause, Arbonès and Igel 2016).

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::gp::linalg::{cholesky, dot, solve_lower};
use super::observed::{Observed, observed, targets};
use super::study::Study;
use crate::space::points::{Point, Space};

/// Draws that may leave the box before one is clipped to it.
const MAX_MISSES: usize = 20;

/// A draw from the strategy's distribution after all whole generations.
pub(super) fn propose(
    study: &Study,
    population: Option<u32>,
    sigma: f64,
    rng: &mut ChaCha8Rng,
) -> Option<Point> {
    let n = study.space.params().len();
    let lambda = match population {
        Some(population) => population as usize,
        None => 4 + (3.0 * (n as f64).ln()) as usize,
    };
    let observed = observed(study, rng);
    let own: Vec<&Observed> = observed.iter().filter(|o| o.source.is_none()).collect();
    let mut strategy = Strategy::new(start(&study.space, &observed), sigma, lambda);
    for generation in own.chunks_exact(lambda) {
        let mut ranked = generation.to_vec();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.number.cmp(&b.number)));
        let rows: Vec<Vec<f64>> = ranked
            .iter()
            .map(|o| units(&study.space, o.point))
            .collect();
        strategy.update(&rows);
    }
    let row = strategy.draw(rng);
    Some(
        study
            .space
            .build(|idx, param, _| param.domain.at_unit(row[idx])),
    )
}

/// The middle, or the best that other sweeps found: the one that stands out most from its own sweep.
fn start(space: &Space, observed: &[Observed]) -> Vec<f64> {
    let best = observed
        .iter()
        .zip(targets(observed))
        .filter(|(o, _)| o.source.is_some() && o.score.is_finite())
        .max_by(|(a, x), (b, y)| (a.weight * x).total_cmp(&(b.weight * y)));
    match best {
        Some((best, _)) => units(space, best.point),
        None => vec![0.5; space.params().len()],
    }
}

fn units(space: &Space, point: &Point) -> Vec<f64> {
    let unit =
        |(idx, x): (usize, &Option<f64>)| x.map_or(0.5, |x| space.params()[idx].domain.to_unit(x));
    point.iter().enumerate().map(unit).collect()
}

/// Mean, step size, covariance `[n][n]` and the two evolution paths.
struct Strategy {
    mean: Vec<f64>,
    sigma: f64,
    covariance: Vec<f64>,
    lower: Vec<f64>,
    path_sigma: Vec<f64>,
    path_c: Vec<f64>,
    weights: Vec<f64>,
    n_generations: i32,
}

impl Strategy {
    fn new(mean: Vec<f64>, sigma: f64, lambda: usize) -> Self {
        let n = mean.len();
        let n_parents = (lambda / 2).max(1);
        let mut weights: Vec<f64> = (1..=n_parents)
            .map(|rank| (n_parents as f64 + 0.5).ln() - (rank as f64).ln())
            .collect();
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let identity = |idx: usize| f64::from(idx / n == idx % n);
        let covariance: Vec<f64> = (0..n * n).map(identity).collect();
        Self {
            lower: covariance.clone(),
            covariance,
            path_sigma: vec![0.0; n],
            path_c: vec![0.0; n],
            mean,
            sigma,
            weights,
            n_generations: 0,
        }
    }

    /// One generation; `rows` from best to worst.
    fn update(&mut self, rows: &[Vec<f64>]) {
        let n = self.mean.len();
        let dims = n as f64;
        let mu_eff = 1.0 / dot(&self.weights, &self.weights);
        let c_sigma = (mu_eff + 2.0) / (dims + mu_eff + 5.0);
        let d_sigma = 1.0 + 2.0 * (((mu_eff - 1.0) / (dims + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_c = (4.0 + mu_eff / dims) / (dims + 4.0 + 2.0 * mu_eff / dims);
        let c_1 = 2.0 / ((dims + 1.3).powi(2) + mu_eff);
        let c_mu =
            (2.0 * (mu_eff - 2.0 + 1.0 / mu_eff) / ((dims + 2.0).powi(2) + mu_eff)).min(1.0 - c_1);
        let chi = dims.sqrt() * (1.0 - 1.0 / (4.0 * dims) + 1.0 / (21.0 * dims * dims));

        let steps: Vec<Vec<f64>> = rows[..self.weights.len()]
            .iter()
            .map(|row| {
                (0..n)
                    .map(|i| (row[i] - self.mean[i]) / self.sigma)
                    .collect()
            })
            .collect();
        let step: Vec<f64> = (0..n)
            .map(|i| {
                self.weights
                    .iter()
                    .zip(&steps)
                    .map(|(w, step)| w * step[i])
                    .sum()
            })
            .collect();
        for (mean, step) in self.mean.iter_mut().zip(&step) {
            *mean = (*mean + self.sigma * step).clamp(0.0, 1.0);
        }
        let mut whitened = step.clone();
        solve_lower(&self.lower, n, &mut whitened);
        let gain = (c_sigma * (2.0 - c_sigma) * mu_eff).sqrt();
        for (path, white) in self.path_sigma.iter_mut().zip(&whitened) {
            *path = (1.0 - c_sigma) * *path + gain * white;
        }
        self.n_generations += 1;
        let length = dot(&self.path_sigma, &self.path_sigma).sqrt();
        let settled = 1.0 - (1.0 - c_sigma).powi(2 * self.n_generations);
        let is_short = length / settled.sqrt() < (1.4 + 2.0 / (dims + 1.0)) * chi;
        let gain = if is_short {
            (c_c * (2.0 - c_c) * mu_eff).sqrt()
        } else {
            0.0
        };
        for (path, step) in self.path_c.iter_mut().zip(&step) {
            *path = (1.0 - c_c) * *path + gain * step;
        }
        let forgotten = if is_short {
            0.0
        } else {
            c_1 * c_c * (2.0 - c_c)
        };
        for i in 0..n {
            for j in 0..n {
                let rank_mu: f64 = (self.weights.iter().zip(&steps))
                    .map(|(w, step)| w * step[i] * step[j])
                    .sum();
                let entry = &mut self.covariance[i * n + j];
                *entry = (1.0 - c_1 - c_mu + forgotten) * *entry
                    + c_1 * self.path_c[i] * self.path_c[j]
                    + c_mu * rank_mu;
            }
        }
        self.sigma *= ((c_sigma / d_sigma) * (length / chi - 1.0)).min(1.0).exp();
        self.sigma = self.sigma.clamp(1e-8, 1.0);
        // Rounding may end positive definiteness once it has collapsed onto a line: begin anew around it.
        match cholesky(self.covariance.clone(), n) {
            Some(lower) => self.lower = lower,
            None => {
                let fresh = Self::new(std::mem::take(&mut self.mean), self.sigma, rows.len());
                *self = fresh;
            }
        }
    }

    /// A draw inside the unit cube.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let n = self.mean.len();
        let mut draw = || -> Vec<f64> {
            let normal: Vec<f64> = (0..n).map(|_| StandardNormal.sample(rng)).collect();
            (0..n)
                .map(|i| {
                    let row = &self.lower[i * n..=i * n + i];
                    self.mean[i] + self.sigma * dot(row, &normal[..=i])
                })
                .collect()
        };
        let inside = |row: &Vec<f64>| row.iter().all(|x| (0.0..=1.0).contains(x));
        let mut row = draw();
        for _ in 0..MAX_MISSES {
            if inside(&row) {
                break;
            }
            row = draw();
        }
        row.iter().map(|x| x.clamp(0.0, 1.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// A long valley: condition number 10,000, optimum off the axes' middle.
    fn valley(row: &[f64]) -> f64 {
        let (a, b) = (row[0] - 0.3, row[1] - 0.6);
        -(100.0 * (a + b).powi(2) + 0.01 * (a - b).powi(2))
    }

    #[test]
    fn it_follows_a_valley_to_its_end() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut strategy = Strategy::new(vec![0.5, 0.5], 0.25, 8);
        for _ in 0..80 {
            let mut rows: Vec<Vec<f64>> = (0..8).map(|_| strategy.draw(&mut rng)).collect();
            rows.sort_by(|a, b| valley(b).total_cmp(&valley(a)));
            strategy.update(&rows);
        }
        let score = valley(&strategy.mean);
        assert!(score > -1e-8, "{:?} {score}", strategy.mean);
    }
}
