//! How often the top row of a board is said to beat another, where it does not and where it does.

use cultivar_search::stats::ranking;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::blocks::blocks;
use crate::boards::{Config, World, board, configs};
use crate::coverage::Share;

/// Boards of equal rows on which any claim is made.
pub fn false_claims(world: &World, n_boards: usize, seed: u64) -> Share {
    let parts = blocks(n_boards, seed, |n, rng| {
        let mut share = Share::default();
        for _ in 0..n {
            let rows = with_seeds(world, rng);
            let drawn = board(world, &rows, rng);
            let ranked = ranking::rank(&drawn.correct());
            let mut claims = ranked.iter().filter_map(|row| row.vs_top);
            share.count(claims.any(|claim| ranking::is_separated(&claim)));
        }
        share
    });
    parts.into_iter().sum()
}

/// One row is better than the others, which are equal, by `gap` in accuracy: how many of them it is said
/// to beat.
pub fn power(world: &World, gap: f64, n_boards: usize, seed: u64) -> Share {
    let parts = blocks(n_boards, seed, |n, rng| {
        let mut share = Share::default();
        for _ in 0..n {
            let mut rows = with_seeds(world, rng);
            rows[0].0 = rows[0].0.better_by(gap);
            rows[0].1 = world.n_seeds.1;
            let drawn = board(world, &rows, rng);
            let ranked = ranking::rank(&drawn.correct());
            for row in ranked.iter().filter(|row| row.idx != 0) {
                let claim = row.vs_top.as_ref().filter(|_| ranked[0].idx == 0);
                share.count(claim.is_some_and(ranking::is_separated));
            }
        }
        share
    });
    parts.into_iter().sum()
}

fn with_seeds(world: &World, rng: &mut ChaCha8Rng) -> Vec<(Config, usize)> {
    let (fewest, most) = world.n_seeds;
    let configs = configs(world, rng);
    configs
        .into_iter()
        .map(|config| (config, rng.random_range(fewest..=most)))
        .collect()
}
