//! Every random draw of training: a function of (seed, step, stream) and nothing else.
//!
//! No generator lives from one step to the next, so a resumed run draws what an uninterrupted one
//! would have drawn, whatever it did in between. libtorch's own generators are used by TorchScript backbones only, and
//! seeded anew at every step.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a draw is for. The discriminants enter the key: never renumber one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Stream {
    /// Fresh weights; the step is the index of the parameter.
    Init = 0,
    /// The order of the training images; the step is the epoch.
    Shuffle = 1,
    Crop = 2,
    Flip = 3,
    /// CutMix and its kin: whether, how much, with whom.
    Mix = 4,
    Dropout = 5,
    DropPath = 6,
    Rotation = 7,
    /// Which operations of an augmentation policy, and how strong.
    Policy = 8,
    ColorJitter = 9,
    Erasing = 10,
    Cutout = 11,
    /// The order of a class in a balanced sampler; the step says which class and which pass over it.
    ClassPass = 12,
    /// The seed of libtorch's generator under a TorchScript backbone.
    Module = 13,
}

/// The generator of one stream at one step.
///
/// The triple is the ChaCha key itself, so two triples give unrelated draws.
pub fn stream(seed: u64, step: u64, stream: Stream) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&step.to_le_bytes());
    key[16..24].copy_from_slice(&(stream as u64).to_le_bytes());
    key[24..].copy_from_slice(b"cultivar");
    ChaCha8Rng::from_seed(key)
}

/// The randomness of one training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRng {
    pub seed: u64,
    /// Batches trained before this one, over all epochs.
    pub step: u64,
}

/// Steps stay below 2^48; the bits above tell micro-batches apart.
const PART_SHIFT: u32 = 48;

impl StepRng {
    /// The randomness of one of the micro-batches that a step's batch is split into. The first one's is the
    /// step's own.
    pub fn part(&self, part_idx: u64) -> Self {
        Self {
            step: self.step | part_idx << PART_SHIFT,
            ..*self
        }
    }

    /// This step's generator of `what`.
    pub fn stream(&self, what: Stream) -> ChaCha8Rng {
        stream(self.seed, self.step, what)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::Rng;

    use super::*;

    #[test]
    fn the_triple_decides_the_draws() {
        let draw = |seed, step, what| stream(seed, step, what).random::<u64>();
        assert_eq!(draw(7, 3, Stream::Crop), draw(7, 3, Stream::Crop));
        let streams = [
            Stream::Init,
            Stream::Shuffle,
            Stream::Crop,
            Stream::Flip,
            Stream::Mix,
            Stream::Dropout,
            Stream::DropPath,
            Stream::Rotation,
            Stream::Policy,
            Stream::ColorJitter,
            Stream::Erasing,
            Stream::Cutout,
            Stream::ClassPass,
        ];
        let mut seen = HashSet::new();
        for seed in 0..4 {
            for step in 0..4 {
                for what in streams {
                    assert!(
                        seen.insert(draw(seed, step, what)),
                        "{seed} {step} {what:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn micro_batches_draw_apart() {
        let step = StepRng { seed: 7, step: 3 };
        let draw = |rng: StepRng| rng.stream(Stream::Dropout).random::<u64>();
        assert_eq!(step.part(0), step);
        assert_ne!(draw(step.part(1)), draw(step));
        assert_ne!(draw(step.part(1)), draw(step.part(2)));
    }

    #[test]
    fn draws_stay_what_they_were() {
        // A changed key would silently change every seeded result ever recorded.
        assert_eq!(stream(1, 2, Stream::Mix).random::<u64>(), DRAW_1_2_MIX);
    }

    const DRAW_1_2_MIX: u64 = 16_420_164_119_906_769_058;
}
