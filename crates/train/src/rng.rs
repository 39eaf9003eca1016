//! Every random draw of training is a function of (seed, step, stream), so that a resumed run draws
//! what an uninterrupted one would have drawn. No torch generator is ever used.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a draw is for. Draws of different streams are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Init = 1,
    Shuffle = 2,
    Crop = 3,
    Flip = 4,
    Mix = 5,
    Dropout = 6,
    DropPath = 7,
}

/// The generator of one stream at one step (or epoch, or tensor index: whatever counts the draws).
pub fn stream(seed: u64, step: u64, stream: Stream) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&step.to_le_bytes());
    key[16] = stream as u8;
    ChaCha8Rng::from_seed(key)
}
