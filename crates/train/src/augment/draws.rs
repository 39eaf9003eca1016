//! Rotation and colour jitter: the same operations for every image, each with its own draw.
//!
//! Reference: torchvision v2's `RandomRotation` and `ColorJitter` (the latter after Howard 2013,
//! <https://arxiv.org/abs/1312.5402>: brightness, contrast and colour in random order). Differences: torchvision draws once
//! for all images that it is handed as one tensor; here every image of a batch has a draw of its own, a function of seed
//! and step.

use std::f64::consts::TAU;

use cultivar_spec::trial::{ColorJitter, Rotation};
use rand::Rng;
use rand::seq::SliceRandom;

use super::ops::{Affine, Op, Program};
use crate::rng::{StepRng, Stream};

/// A rotation about the centre by an angle from U[-degrees, degrees], the size kept, as torchvision's
/// `RandomRotation`; bilinear, with the mean colour beyond the border, where torchvision's default is nearest and black.
pub(super) fn rotations(rotation: &Rotation, n: usize, step: &StepRng) -> Vec<Program> {
    let range = rotation.degrees;
    if range == 0.0 {
        return Vec::new();
    }
    let mut rng = step.stream(Stream::Rotation);
    let mut draw = || {
        vec![Op::Affine(Affine::rotation(
            rng.random_range(-range..=range) * TAU / 360.0,
        ))]
    };
    (0..n).map(|_| draw()).collect()
}

/// torchvision's `ColorJitter`: brightness, contrast and saturation, each by a factor from U[1 - x, 1 + x], and hue by a
/// shift from U[-x, x] turns, in random order. One whose x is 0 is left out.
pub(super) fn jitters(jitter: &ColorJitter, n: usize, step: &StepRng) -> Vec<Program> {
    if *jitter == ColorJitter::default() {
        return Vec::new();
    }
    let mut rng = step.stream(Stream::ColorJitter);
    let mut draw = || {
        let mut around = |center: f64, range: f64| {
            let value = rng.random_range(center - range..=center + range);
            (range > 0.0).then_some(value)
        };
        let mut program: Program = [
            around(1.0, jitter.brightness).map(Op::Brightness),
            around(1.0, jitter.contrast).map(Op::Contrast),
            around(1.0, jitter.saturation).map(Op::Color),
            around(0.0, jitter.hue).map(Op::Hue),
        ]
        .into_iter()
        .flatten()
        .collect();
        program.shuffle(&mut rng);
        program
    };
    (0..n).map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_stay_in_their_ranges_and_come_in_every_order() {
        let jitter = ColorJitter {
            brightness: 0.4,
            contrast: 0.3,
            saturation: 0.2,
            hue: 0.1,
        };
        let programs = jitters(&jitter, 500, &StepRng { seed: 1, step: 2 });
        let mut first = [0; 4];
        for program in &programs {
            assert_eq!(program.len(), 4);
            for (place, op) in program.iter().enumerate() {
                let (idx, off, range) = match *op {
                    Op::Brightness(factor) => (0, factor - 1.0, 0.4),
                    Op::Contrast(factor) => (1, factor - 1.0, 0.3),
                    Op::Color(factor) => (2, factor - 1.0, 0.2),
                    Op::Hue(shift) => (3, shift, 0.1),
                    ref other => panic!("{other:?} is no jitter"),
                };
                assert!(off.abs() <= range, "{op:?}");
                if place == 0 {
                    first[idx] += 1;
                }
            }
        }
        assert!(first.iter().all(|n| (85..165).contains(n)), "{first:?}");
    }

    #[test]
    fn what_is_neutral_is_left_out() {
        let jitter = ColorJitter {
            hue: 0.1,
            ..ColorJitter::default()
        };
        let programs = jitters(&jitter, 3, &StepRng { seed: 1, step: 2 });
        assert!(programs.iter().all(|p| matches!(p[..], [Op::Hue(_)])));
        assert!(jitters(&ColorJitter::default(), 3, &StepRng { seed: 1, step: 2 }).is_empty());
        assert!(rotations(&Rotation::default(), 3, &StepRng { seed: 1, step: 2 }).is_empty());
    }
}
