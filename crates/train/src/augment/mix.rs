//! CutMix (Yun et al. 2019): a box of each image is replaced by the same box of its partner, the
//! batch in reverse order, and labels are mixed by area. timm's conventions.

use rand::Rng;
use rand_distr::{Beta, Distribution};
use tch::Tensor;

use crate::loss::MixedLabels;
use crate::rng::{Stream, stream};

/// Rows and columns of a pasted box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patch {
    top: i64,
    left: i64,
    height: i64,
    width: i64,
}

/// Mixes a batch with probability `prob`. `images: [N, 3, H, W]`, `labels: [N]` i64; `images` is changed in place.
pub(crate) fn cutmix(
    images: &Tensor,
    labels: &Tensor,
    alpha: f64,
    prob: f64,
    (seed, step): (u64, u64),
) -> Option<MixedLabels> {
    let mut rng = stream(seed, step, Stream::Mix);
    if !rng.random_bool(prob) {
        return None;
    }
    let share = Beta::new(alpha, alpha)
        .expect("alpha is above 0")
        .sample(&mut rng);
    let (_, _, height, width) = images.size4().expect("images are [N, 3, H, W]");
    let patch = draw_patch(height, width, share, &mut rng);
    let cut = |images: &Tensor| {
        images
            .narrow(2, patch.top, patch.height)
            .narrow(3, patch.left, patch.width)
    };
    let partner = cut(images).flip([0]);
    cut(images).copy_(&partner);
    Some(MixedLabels {
        other: labels.flip([0]),
        own_share: own_share(patch, height, width),
    })
}

/// A box of about `1 - share` of the area around a random centre, clipped at the borders.
fn draw_patch(height: i64, width: i64, share: f64, rng: &mut impl Rng) -> Patch {
    let side = (1.0 - share).sqrt();
    let mut axis = |n: i64| {
        let cut = (n as f64 * side) as i64;
        let center = rng.random_range(0..n);
        let low = (center - cut / 2).clamp(0, n);
        (low, (center + cut / 2).clamp(0, n) - low)
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

/// What is left of an image: recomputed after clipping.
fn own_share(patch: Patch, height: i64, width: i64) -> f64 {
    1.0 - (patch.height * patch.width) as f64 / (height * width) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tch::{Device, Kind};

    proptest! {
        #[test]
        fn the_share_is_the_area_that_was_not_pasted(seed in 0_u64..10_000, side in 4_i64..24, alpha in 0.2_f64..3.0) {
            let own = Tensor::zeros([2, 3, side, side + 3], (Kind::Float, Device::Cpu));
            let _ = own.get(1).fill_(1.0);
            let labels = Tensor::from_slice(&[0_i64, 1]);
            let mixed = cutmix(&own, &labels, alpha, 1.0, (seed, 0)).expect("always mixed");
            let pasted = own.get(0).mean(Kind::Float).double_value(&[]);
            prop_assert!((1.0 - pasted - mixed.own_share).abs() < 1e-6);
            prop_assert_eq!(Vec::<i64>::try_from(mixed.other).unwrap(), vec![1, 0]);
        }
    }

    #[test]
    fn the_probability_is_kept() {
        let labels = Tensor::from_slice(&[0_i64, 1]);
        let mixed = (0..1000).filter(|&step| {
            let images = Tensor::zeros([2, 3, 8, 8], (Kind::Float, Device::Cpu));
            cutmix(&images, &labels, 1.0, 0.3, (7, step)).is_some()
        });
        let n_mixed = mixed.count();
        assert!(
            (240..360).contains(&n_mixed),
            "{n_mixed} of 1000 batches were mixed"
        );
    }
}
