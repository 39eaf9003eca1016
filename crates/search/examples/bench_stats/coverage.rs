//! How often 95% intervals hold the truth.

use std::array;
use std::iter::Sum;
use std::ops::Add;

use cultivar_search::stats::{SeedSpread, interval};
use cultivar_spec::wire::Estimate;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::blocks::blocks;
use crate::boards::{Board, World, board, configs};

/// Hits and draws.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    pub hits: usize,
    pub of: usize,
}

impl Share {
    pub fn count(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.of += 1;
    }

    pub fn value(self) -> f64 {
        self.hits as f64 / self.of as f64
    }
}

impl Add for Share {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            of: self.of + other.of,
        }
    }
}

impl Sum for Share {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        shares.fold(Self::default(), Add::add)
    }
}

/// Coverage over many boards of a world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage {
    /// Of all rows, by number of seeds less one.
    pub by_seeds: [Share; 5],
    /// Of the differences to a random other row.
    pub differences: Share,
    /// Of the row that came out on top, on the images it was chosen by: flattered.
    pub chosen: Share,
    /// Of that row refitted with fresh seeds and scored on fresh images, beside the four next best.
    pub refit: Share,
}

/// Rows that are refitted.
const N_FINALISTS: usize = 5;

impl Add for Coverage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            by_seeds: array::from_fn(|idx| self.by_seeds[idx] + other.by_seeds[idx]),
            differences: self.differences + other.differences,
            chosen: self.chosen + other.chosen,
            refit: self.refit + other.refit,
        }
    }
}

pub fn measure(world: &World, n_boards: usize, seed: u64) -> Coverage {
    let parts = blocks(n_boards, seed, |n, rng| measure_block(world, n, rng));
    parts.into_iter().fold(Coverage::default(), Add::add)
}

fn measure_block(world: &World, n_boards: usize, rng: &mut ChaCha8Rng) -> Coverage {
    let mut coverage = Coverage::default();
    let (fewest, most) = world.n_seeds;
    for _ in 0..n_boards {
        let rows: Vec<_> = configs(world, rng)
            .into_iter()
            .map(|config| (config, rng.random_range(fewest..=most)))
            .collect();
        let drawn = board(world, &rows, rng);
        let correct = drawn.correct();
        let spread = SeedSpread::of(&correct);
        let is_known = most > 1;
        let mut ranked: Vec<(usize, Estimate)> = correct
            .iter()
            .map(|row| interval::estimate_among(row, &spread))
            .enumerate()
            .collect();
        for (idx, estimate) in &ranked {
            let hit = holds(estimate, truth(&drawn, *idx, is_known));
            coverage.by_seeds[estimate.n as usize - 1].count(hit);
        }
        let (a, b) = (0, correct.len() - 1);
        let (gap, _) = interval::difference_among(&correct[a], &correct[b], &spread);
        let truth_gap = truth(&drawn, a, is_known) - truth(&drawn, b, is_known);
        coverage.differences.count(holds(&gap, truth_gap));

        ranked.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
        let (top, estimate) = &ranked[0];
        coverage
            .chosen
            .count(holds(estimate, truth(&drawn, *top, is_known)));
        let n_seeds = rng.random_range(fewest..=most);
        let finalists: Vec<_> = ranked
            .iter()
            .take(N_FINALISTS)
            .map(|(idx, _)| (rows[*idx].0, n_seeds))
            .collect();
        let refitted = board(world, &finalists, rng);
        let correct = refitted.correct();
        let estimate = interval::estimate_among(&correct[0], &SeedSpread::of(&correct));
        coverage
            .refit
            .count(holds(&estimate, truth(&refitted, 0, n_seeds > 1)));
    }
    coverage
}

/// What an interval speaks of: the configuration, or, where no row has two seeds, the one trained model.
fn truth(board: &Board, idx: usize, is_known: bool) -> f64 {
    match is_known {
        true => board.rows[idx].config.truth(),
        false => board.rows[idx].truth_of_first,
    }
}

fn holds(estimate: &Estimate, truth: f64) -> bool {
    (estimate.low..=estimate.high).contains(&truth)
}
