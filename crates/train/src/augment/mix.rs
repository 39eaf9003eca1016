//! Mixing two images of a batch, with timm's conventions (`data/mixup.py`, batch mode): the partner of an
//! image is its mirror in the batch, and all images share one draw.
//!
//! CutMix: Yun et al. 2019, <https://arxiv.org/abs/1905.04899>. A box is pasted; the label follows the area
//! that was really pasted, after clipping. Mixup: Zhang et al. 2018, <https://arxiv.org/abs/1710.09412>.
//! x = lambda a + (1 - lambda) b, and so the label. Lambda is drawn from Beta(alpha, alpha) in both.

use cultivar_spec::trial::Mix;
use rand::Rng;
use rand_distr::{Beta, Distribution};
use tch::Tensor;

use super::patch::Patch;
use crate::rng::{StepRng, Stream};

/// The second half of a mixed batch's labels.
#[derive(Debug)]
pub struct MixedLabels {
    /// `[N]` i64: the class of what was mixed into each image.
    pub labels: Tensor,
    /// Share of each image that is still its own, in [0, 1].
    pub lambda: f64,
}

/// Mixes a batch as `mix` says; none where it stays as it is.
///
/// `images: [N, 3, H, W]` f32, changed in place; `labels: [N]` i64.
pub fn mix(images: &Tensor, labels: &Tensor, mix: &Mix, step: &StepRng) -> Option<MixedLabels> {
    let mut rng = step.stream(Stream::Mix);
    let lambda = match *mix {
        Mix::None {} => return None,
        Mix::Cutmix { prob, .. } | Mix::Mixup { prob, .. } | Mix::CutmixOrMixup { prob, .. }
            if !rng.random_bool(prob) =>
        {
            return None;
        }
        Mix::Cutmix { alpha, .. } => cutmix(images, alpha, &mut rng),
        Mix::Mixup { alpha, .. } => mixup(images, alpha, &mut rng),
        Mix::CutmixOrMixup {
            cutmix_alpha,
            mixup_alpha,
            switch_prob,
            ..
        } => {
            if rng.random_bool(switch_prob) {
                cutmix(images, cutmix_alpha, &mut rng)
            } else {
                mixup(images, mixup_alpha, &mut rng)
            }
        }
    };
    Some(MixedLabels {
        labels: labels.flip([0]),
        lambda,
    })
}

/// Pastes one box into all images and returns the share that was not pasted.
fn cutmix(images: &Tensor, alpha: f64, rng: &mut impl Rng) -> f64 {
    let (_, _, height, width) = images.size4().expect("images are [N, 3, H, W]");
    // A box of about 1 - share of the area.
    let side = (1.0 - share(alpha, rng)).sqrt();
    let half = [height, width].map(|length| (length as f64 * side) as i64 / 2);
    let patch = Patch::around(height, width, half, rng);
    let mut cut = patch.of(images);
    cut.copy_(&cut.flip([0]));
    1.0 - (patch.height * patch.width) as f64 / (height * width) as f64
}

/// Takes the weighted mean of all images with their partners and returns their own weight.
fn mixup(images: &Tensor, alpha: f64, rng: &mut impl Rng) -> f64 {
    let lambda = share(alpha, rng);
    let partners = images.flip([0]) * (1.0 - lambda);
    let mut images = images.shallow_clone();
    let _ = images.g_mul_scalar_(lambda).g_add_(&partners);
    lambda
}

fn share(alpha: f64, rng: &mut impl Rng) -> f64 {
    let beta = Beta::new(alpha, alpha).expect("a checked spec has alpha above 0");
    beta.sample(rng)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Device, Kind};

    use super::*;

    /// Image `i` is all `i`, so its mean tells how much of it is its partner's.
    fn numbered(side: i64) -> Tensor {
        Tensor::arange(3, (Kind::Float, Device::Cpu))
            .view([3, 1, 1, 1])
            .expand([3, 3, side, side + 3], false)
            .contiguous()
    }

    fn always(kind: &str, alpha: f64) -> Mix {
        match kind {
            "cutmix" => Mix::Cutmix { alpha, prob: 1.0 },
            _ => Mix::Mixup { alpha, prob: 1.0 },
        }
    }

    proptest! {
        #[test]
        fn lambda_is_the_share_that_stayed(
            seed in 0_u64..100_000, side in 4_i64..24, alpha in 0.2_f64..3.0,
            kind in prop_oneof!["cutmix", "mixup"],
        ) {
            let images = numbered(side);
            let labels = Tensor::from_slice(&[0_i64, 1, 2]);
            let step = StepRng { seed, step: 0 };
            let mixed = mix(&images, &labels, &always(&kind, alpha), &step).expect("always mixed");
            let mean = |idx| images.get(idx).mean(Kind::Double).double_value(&[]);
            prop_assert!((mean(0) - 2.0 * (1.0 - mixed.lambda)).abs() < 1e-6);
            prop_assert!((mean(2) - 2.0 * mixed.lambda).abs() < 1e-6);
            prop_assert!((mean(1) - 1.0).abs() < 1e-6);
            prop_assert!((0.0..=1.0).contains(&mixed.lambda));
            prop_assert_eq!(Vec::<i64>::try_from(&mixed.labels).unwrap(), vec![2, 1, 0]);
        }
    }

    #[test]
    fn the_probability_and_the_mean_share_are_kept() {
        let labels = Tensor::from_slice(&[0_i64, 1, 2]);
        let drawn = |what: &Mix| -> Vec<f64> {
            let mixed = |step| mix(&numbered(32), &labels, what, &StepRng { seed: 7, step });
            (0..1000)
                .filter_map(mixed)
                .map(|mixed| mixed.lambda)
                .collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (alpha, prob) = (1.0, 0.3);
        let cut = drawn(&Mix::Cutmix { alpha, prob });
        let mixed = drawn(&Mix::Mixup { alpha, prob });
        for values in [&cut, &mixed] {
            assert!(
                (240..360).contains(&values.len()),
                "{} of 1000",
                values.len()
            );
        }
        // Uniform; CutMix's before clipping, which can only raise it.
        assert!((0.45..0.55).contains(&mean(&mixed)), "{}", mean(&mixed));
        assert!((0.5..0.75).contains(&mean(&cut)), "{}", mean(&cut));
    }

    #[test]
    fn one_of_the_two_is_switched_between() {
        let labels = Tensor::from_slice(&[0_i64, 1, 2]);
        let what = Mix::CutmixOrMixup {
            cutmix_alpha: 1.0,
            mixup_alpha: 1.0,
            switch_prob: 0.25,
            prob: 1.0,
        };
        let n_pasted = (0..400)
            .filter(|&step| {
                let images = numbered(16);
                mix(&images, &labels, &what, &StepRng { seed: 3, step }).expect("always mixed");
                // A pasted pixel is one image's or the other's, never in between.
                let first = images.get(0);
                first
                    .eq(0.0)
                    .logical_or(&first.eq(2.0))
                    .all()
                    .int64_value(&[])
                    == 1
            })
            .count();
        assert!((70..130).contains(&n_pasted), "{n_pasted} of 400");
    }
}
