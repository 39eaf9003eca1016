//! CutMix: Yun et al. 2019, <https://arxiv.org/abs/1905.04899>, with timm's conventions
//! (`data/mixup.py`, batch mode): the partner of an image is its mirror in the batch, all images
//! share one box, and the label follows the area that was really pasted, after clipping.

use rand::Rng;
use rand_distr::{Beta, Distribution};
use tch::Tensor;

use crate::rng::{StepRng, Stream};

/// The second half of a mixed batch's labels.
#[derive(Debug)]
pub struct MixedLabels {
    /// `[N]` i64: the class of what was pasted into each image.
    pub labels: Tensor,
    /// Share of each image that is still its own, in [0, 1].
    pub lambda: f64,
}

/// Rows and columns of a pasted box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patch {
    top: i64,
    left: i64,
    height: i64,
    width: i64,
}

/// Mixes a batch with probability `prob`; none where it stays as it is.
///
/// `images: [N, 3, H, W]`, changed in place; `labels: [N]` i64. `alpha`: both parameters of the Beta
/// distribution that the share is drawn from.
pub fn cutmix(
    images: &Tensor,
    labels: &Tensor,
    alpha: f64,
    prob: f64,
    step: &StepRng,
) -> Option<MixedLabels> {
    let mut rng = step.stream(Stream::Mix);
    if !rng.random_bool(prob) {
        return None;
    }
    let beta = Beta::new(alpha, alpha).expect("a checked spec has alpha above 0");
    let share = beta.sample(&mut rng);
    let (_, _, height, width) = images.size4().expect("images are [N, 3, H, W]");
    let patch = draw_patch(height, width, share, &mut rng);
    let mut cut = images
        .narrow(2, patch.top, patch.height)
        .narrow(3, patch.left, patch.width);
    cut.copy_(&cut.flip([0]));
    Some(MixedLabels {
        labels: labels.flip([0]),
        lambda: 1.0 - (patch.height * patch.width) as f64 / (height * width) as f64,
    })
}

/// A box of about `1 - share` of the area around a random centre, clipped at the borders.
fn draw_patch(height: i64, width: i64, share: f64, rng: &mut impl Rng) -> Patch {
    let side = (1.0 - share).sqrt();
    let mut axis = |length: i64| {
        let half = (length as f64 * side) as i64 / 2;
        let center = rng.random_range(0..length);
        let first = (center - half).clamp(0, length);
        (first, (center + half).clamp(0, length) - first)
    };
    let (top, height) = axis(height);
    let (left, width) = axis(width);
    Patch {
        top,
        left,
        height,
        width,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Device, Kind};

    use super::*;

    proptest! {
        #[test]
        fn lambda_is_the_area_that_was_not_pasted(
            seed in 0_u64..100_000, side in 4_i64..24, alpha in 0.2_f64..3.0,
        ) {
            // Image `i` is all `i`, so its mean tells how much of it is its partner's.
            let images = Tensor::arange(3, (Kind::Float, Device::Cpu))
                .view([3, 1, 1, 1])
                .expand([3, 3, side, side + 3], false)
                .contiguous();
            let labels = Tensor::from_slice(&[0_i64, 1, 2]);
            let step = StepRng { seed, step: 0 };
            let mixed = cutmix(&images, &labels, alpha, 1.0, &step).expect("always mixed");
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
        let labels = Tensor::from_slice(&[0_i64, 1]);
        let drawn: Vec<f64> = (0..2000)
            .filter_map(|step| {
                let images = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
                cutmix(&images, &labels, 1.0, 0.3, &StepRng { seed: 7, step })
            })
            .map(|mixed| mixed.lambda)
            .collect();
        assert!((520..680).contains(&drawn.len()), "{} of 2000", drawn.len());
        // Uniform before clipping, which can only raise it.
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((0.5..0.75).contains(&mean), "{mean}");
    }
}
