//! Augmentation policies: which operations an image goes through, drawn for each image from a published list.
//!
//! | policy | paper | list, ranges and probabilities |
//! | --- | --- | --- |
//! | AutoAugment | Cubuk et al. 2019, <https://arxiv.org/abs/1805.09501> | torchvision's three learnt ones |
//! | RandAugment | Cubuk et al. 2020, <https://arxiv.org/abs/1909.13719> | timm's or torchvision's |
//! | TrivialAugment | Mueller and Hutter 2021, <https://arxiv.org/abs/2103.10158> | torchvision's wide one |
//!
//! torchvision's moved images are read at the nearest pixel, black beyond the border, as its
//! defaults are. timm's are read bilinearly, with the mean colour beyond the border; timm draws between bilinear and
//! bicubic unless told which.

mod learnt;

use std::f64::consts::TAU;

use cultivar_spec::trial::{LearntOn, Policy, RandConvention};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_distr::{Distribution, Normal};

use super::ops::{Affine, Op, Program, Sampling};
use crate::rng::{StepRng, Stream};
use Name::*;
use learnt::Step;

/// timm's magnitudes end here.
const TIMM_TOP: f64 = 10.0;
/// timm's probability of an operation that was drawn.
pub const TIMM_PROB: f64 = 0.5;

/// An operation as the lists name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    SolarizeAdd,
    AutoContrast,
    Equalize,
    Invert,
}

/// timm's, in both its lists.
pub const TIMM: [Name; 15] = [
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
];

/// torchvision's, for RandAugment and TrivialAugment.
pub const TORCHVISION: [Name; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

/// The ranges of one of torchvision's lists, for images of `side` pixels.
#[derive(Clone, Copy, Debug)]
pub struct Ranges {
    /// Equally spaced magnitudes an operation has.
    n_magnitudes: u32,
    shear: f64,
    translate_px: f64,
    rotate_degrees: f64,
    enhance: f64,
    /// Bits that are lost at most.
    posterize: f64,
}

impl Ranges {
    pub fn auto_augment(side: f64) -> Self {
        Self {
            n_magnitudes: 10,
            ..Self::rand_augment(side)
        }
    }

    pub fn rand_augment(side: f64) -> Self {
        Self {
            n_magnitudes: 31,
            shear: 0.3,
            translate_px: 150.0 / 331.0 * side,
            rotate_degrees: 30.0,
            enhance: 0.9,
            posterize: 4.0,
        }
    }

    pub fn trivial_augment() -> Self {
        Self {
            n_magnitudes: 31,
            shear: 0.99,
            translate_px: 32.0,
            rotate_degrees: 135.0,
            enhance: 0.99,
            posterize: 6.0,
        }
    }

    /// The magnitude at place `idx` of its range as torchvision has it, and whether it gets a random sign.
    pub fn magnitude(&self, name: Name, idx: u32) -> Option<(f64, bool)> {
        let share = f64::from(idx) / f64::from(self.n_magnitudes - 1);
        Some(match name {
            ShearX | ShearY => (self.shear * share, true),
            TranslateX | TranslateY => (self.translate_px * share, true),
            Rotate => (self.rotate_degrees * share, true),
            Brightness | Color | Contrast | Sharpness => (self.enhance * share, true),
            Posterize => ((8.0 - self.posterize * share).round_ties_even(), false),
            Solarize => (1.0 - share, false),
            Identity | SolarizeAdd | AutoContrast | Equalize | Invert => return None,
        })
    }

    /// An operation at place `idx` of its range, with a random sign where it has one.
    fn op(&self, name: Name, idx: u32, side: f64, rng: &mut impl Rng) -> Option<Op> {
        let magnitude = match self.magnitude(name, idx) {
            Some((magnitude, true)) if rng.random_bool(0.5) => -magnitude,
            Some((magnitude, _)) => magnitude,
            None => 0.0,
        };
        Some(match name {
            Identity => return None,
            // torchvision moves the image right and down, in whole pixels.
            TranslateX => Op::Affine(Affine::translation(-magnitude.trunc(), 0.0)),
            TranslateY => Op::Affine(Affine::translation(0.0, -magnitude.trunc())),
            Brightness => Op::Brightness(1.0 + magnitude),
            Color => Op::Color(1.0 + magnitude),
            Contrast => Op::Contrast(1.0 + magnitude),
            Sharpness => Op::Sharpness(1.0 + magnitude),
            Solarize => Op::Solarize(255.0 * magnitude),
            other => plain(other, magnitude, side),
        })
    }
}

/// An operation of timm's list at a magnitude of [0, 10], with a random sign where it has one.
///
/// In the increasing list (`inc1`) posterizing and solarizing grow stronger with the magnitude, and
/// enhancing moves away from 1 to either side; in the other one they run through their ranges.
pub fn timm(name: Name, magnitude: f64, increasing: bool, side: f64, rng: &mut impl Rng) -> Op {
    let share = magnitude / TIMM_TOP;
    let mut signed = |value: f64| if rng.random_bool(0.5) { -value } else { value };
    let from_top = |top: f64, value: f64| if increasing { top - value } else { value };
    match name {
        Brightness | Color | Contrast | Sharpness => {
            let factor = if increasing {
                (1.0 + signed(share * 0.9)).max(0.1)
            } else {
                share * 1.8 + 0.1
            };
            match name {
                Brightness => Op::Brightness(factor),
                Color => Op::Color(factor),
                Contrast => Op::Contrast(factor),
                _ => Op::Sharpness(factor),
            }
        }
        ShearX | ShearY => plain(name, signed(share * 0.3), side),
        Rotate => plain(name, signed(share * 30.0), side),
        TranslateX => Op::Affine(Affine::translation(signed(share * 0.45) * side, 0.0)),
        TranslateY => Op::Affine(Affine::translation(0.0, signed(share * 0.45) * side)),
        Posterize => plain(name, from_top(4.0, (share * 4.0).floor()), side),
        Solarize => plain(name, from_top(256.0, (share * 256.0).floor()), side),
        SolarizeAdd => plain(name, (share * 110.0).floor(), side),
        Identity | AutoContrast | Equalize | Invert => plain(name, 0.0, side),
    }
}

/// Operations whose argument all lists agree on.
fn plain(name: Name, argument: f64, side: f64) -> Op {
    match name {
        ShearX => Op::Affine(Affine::shear_x(argument, side)),
        ShearY => Op::Affine(Affine::shear_y(argument, side)),
        Rotate => Op::Affine(Affine::rotation(argument * TAU / 360.0)),
        Posterize => Op::Posterize(argument as u32),
        Solarize => Op::Solarize(argument),
        SolarizeAdd => Op::SolarizeAdd(argument),
        AutoContrast => Op::AutoContrast,
        Equalize => Op::Equalize,
        Invert => Op::Invert,
        Identity | TranslateX | TranslateY | Brightness | Color | Contrast | Sharpness => {
            unreachable!("the lists do not agree on {name:?}")
        }
    }
}

/// The pairs of operations that AutoAugment chooses from, each with its probability and the place of its
/// magnitude.
pub fn pairs(policy: LearntOn) -> &'static [[Step; 2]; 25] {
    match policy {
        LearntOn::Imagenet => &learnt::IMAGENET,
        LearntOn::Cifar10 => &learnt::CIFAR10,
        LearntOn::Svhn => &learnt::SVHN,
    }
}

/// A program for each of `n` images of `side` pixels; none at all where there is no policy.
pub(super) fn draw(policy: &Policy, n: usize, side: f64, step: &StepRng) -> Vec<Program> {
    let mut rng = step.stream(Stream::Policy);
    let rng = &mut rng;
    match *policy {
        Policy::None {} => Vec::new(),
        Policy::AutoAugment { policy } => {
            let pairs = pairs(policy);
            let ranges = Ranges::auto_augment(side);
            let mut program = || {
                let pair = pairs[rng.random_range(0..pairs.len())];
                let steps = pair.into_iter().filter_map(|(name, prob, idx)| {
                    let chosen = rng.random_bool(prob);
                    chosen.then(|| ranges.op(name, idx, side, rng)).flatten()
                });
                steps.collect()
            };
            (0..n).map(|_| program()).collect()
        }
        Policy::RandAugment {
            convention: RandConvention::Torchvision,
            n: n_ops,
            m,
            ..
        } => {
            let ranges = Ranges::rand_augment(side);
            let mut op = |_| ranges.op(pick(&TORCHVISION, rng), m as u32, side, rng);
            (0..n)
                .map(|_| (0..n_ops).filter_map(&mut op).collect())
                .collect()
        }
        Policy::RandAugment {
            convention: RandConvention::Timm,
            n: n_ops,
            m,
            mstd,
            increasing,
        } => {
            let magnitudes = Normal::new(m, mstd).expect("a checked spec has mstd of at least 0");
            let mut op = |_| {
                let name = pick(&TIMM, rng);
                let magnitude = magnitudes.sample(rng).clamp(0.0, TIMM_TOP);
                let op = timm(name, magnitude, increasing, side, rng);
                rng.random_bool(TIMM_PROB).then_some(op)
            };
            (0..n)
                .map(|_| (0..n_ops).filter_map(&mut op).collect())
                .collect()
        }
        Policy::TrivialAugment {} => {
            let ranges = Ranges::trivial_augment();
            let mut program = || {
                let idx = rng.random_range(0..ranges.n_magnitudes);
                let op = ranges.op(pick(&TORCHVISION, rng), idx, side, rng);
                op.into_iter().collect()
            };
            (0..n).map(|_| program()).collect()
        }
    }
}

/// How a policy's moved images are read. `of_mean`: bilinear, with the mean colour beyond the border.
pub(super) fn sampling(policy: &Policy, of_mean: Sampling) -> Sampling {
    match policy {
        Policy::None {}
        | Policy::RandAugment {
            convention: RandConvention::Timm,
            ..
        } => of_mean,
        Policy::AutoAugment { .. }
        | Policy::RandAugment {
            convention: RandConvention::Torchvision,
            ..
        }
        | Policy::TrivialAugment {} => Sampling::nearest([0.0; 3]),
    }
}

fn pick(list: &[Name], rng: &mut impl Rng) -> Name {
    *list.choose(rng).expect("no list is empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(policy: &Policy) -> Vec<Program> {
        draw(policy, 4000, 96.0, &StepRng { seed: 5, step: 1 })
    }

    fn rand_augment(convention: RandConvention) -> Policy {
        Policy::RandAugment {
            convention,
            n: 2,
            m: 9.0,
            mstd: 0.0,
            increasing: false,
        }
    }

    #[test]
    fn conventions_differ_in_how_often_they_act() {
        let mean_len = |policy: &Policy| {
            let programs = programs(policy);
            programs.iter().map(Vec::len).sum::<usize>() as f64 / programs.len() as f64
        };
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.05, "{found}");
        near(mean_len(&rand_augment(RandConvention::Timm)), 2.0 * 0.5);
        // One of fourteen is the identity.
        let torchvision = rand_augment(RandConvention::Torchvision);
        near(mean_len(&torchvision), 2.0 * 13.0 / 14.0);
        near(mean_len(&Policy::TrivialAugment {}), 13.0 / 14.0);
        // Two steps of mean probability about 0.6.
        let learnt = Policy::AutoAugment {
            policy: LearntOn::Imagenet,
        };
        near(mean_len(&learnt), 1.232);
    }

    #[test]
    fn a_spread_magnitude_stays_in_range_and_keeps_its_mean() {
        let policy = Policy::RandAugment {
            convention: RandConvention::Timm,
            n: 2,
            m: 9.0,
            mstd: 0.5,
            increasing: true,
        };
        let distances: Vec<f64> = programs(&policy)
            .into_iter()
            .flatten()
            .filter_map(|op| match op {
                Op::Brightness(factor) => Some((factor - 1.0).abs() / 0.9 * 10.0),
                _ => None,
            })
            .collect();
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        assert!((mean - 9.0).abs() < 0.15, "{mean}");
        assert!(distances.iter().all(|m| (6.0..=10.0 + 1e-9).contains(m)));
        assert!(distances.iter().any(|m| (m - 9.0).abs() > 0.2));
    }
}
