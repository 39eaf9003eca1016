//! Simulations on every core.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Draws of a block.
const BLOCK: usize = 25;

/// `work(n, rng)` for blocks of `total` draws. Each block has random numbers of its own, so what comes of it does
/// not depend on the number of cores.
pub fn blocks<T: Send>(
    total: usize,
    seed: u64,
    work: impl Fn(usize, &mut ChaCha8Rng) -> T + Sync,
) -> Vec<T> {
    let block = |idx: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(idx as u64);
        work(BLOCK.min(total - idx * BLOCK), &mut rng)
    };
    let n_blocks = total.div_ceil(BLOCK);
    (0..n_blocks).into_par_iter().map(block).collect()
}
