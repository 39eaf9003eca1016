//! Rectangles overwritten in normalised images, where 0 is the mean colour.
//!
//! Random erasing: Zhong et al. 2020, <https://arxiv.org/abs/1708.04896>, by timm's rule
//! (`data/random_erasing.py`, one rectangle, modes `const` and `pixel`): ten tries at a uniform share of
//! the area and a log-uniform ratio of height to width, smaller than the image both ways. Cutout: DeVries
//! and Taylor 2017, <https://arxiv.org/abs/1708.04552>: a fixed square around any pixel, cut off at the borders.
//! Each image has its own draw.

use cultivar_spec::trial::{Cutout, EraseFill, Erasing};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;

use super::patch::Patch;
use crate::rng::{StepRng, Stream};

/// Draws of a rectangle before the image is left alone.
const TRIES: usize = 10;

/// Overwrites one rectangle of some of `images: [N, 3, H, W]` f32, in place.
pub fn erase(images: &Tensor, erasing: &Erasing, step: &StepRng) {
    if erasing.prob == 0.0 {
        return;
    }
    let (n, channels, height, width) = images.size4().expect("images are [N, 3, H, W]");
    let mut rng = step.stream(Stream::Erasing);
    let drawn: Vec<(i64, Patch)> = (0..n)
        .filter_map(|idx| {
            let chosen = rng.random_bool(erasing.prob);
            let patch = chosen.then(|| draw_patch(height, width, erasing, &mut rng));
            Some((idx, patch.flatten()?))
        })
        .collect();
    if erasing.fill == EraseFill::Const {
        for (idx, patch) in drawn {
            let _ = patch.of(&images.get(idx)).zero_();
        }
        return;
    }
    // All the noise of a batch goes to the device at once.
    let n_values = |patch: &Patch| channels * patch.height * patch.width;
    let n_all: i64 = drawn.iter().map(|(_, patch)| n_values(patch)).sum();
    let noise: Vec<f32> = StandardNormal
        .sample_iter(&mut rng)
        .take(n_all as usize)
        .collect();
    let noise = Tensor::from_slice(&noise).to_device(images.device());
    let mut first = 0;
    for (idx, patch) in drawn {
        let values = noise.narrow(0, first, n_values(&patch));
        first += n_values(&patch);
        patch
            .of(&images.get(idx))
            .copy_(&values.view([channels, patch.height, patch.width]));
    }
}

fn draw_patch(height: i64, width: i64, erasing: &Erasing, rng: &mut impl Rng) -> Option<Patch> {
    let [low, high] = erasing.ratio.map(f64::ln);
    (0..TRIES).find_map(|_| {
        let area = (height * width) as f64 * rng.random_range(erasing.area[0]..=erasing.area[1]);
        let ratio = rng.random_range(low..=high).exp();
        let tall = (area * ratio).sqrt().round_ties_even() as i64;
        let wide = (area / ratio).sqrt().round_ties_even() as i64;
        (tall < height && wide < width).then(|| Patch {
            top: rng.random_range(0..=height - tall),
            left: rng.random_range(0..=width - wide),
            height: tall,
            width: wide,
        })
    })
}

/// Sets a square of some of `images: [N, 3, H, W]` f32 to 0, in place.
pub fn cut_out(images: &Tensor, cutout: &Cutout, step: &StepRng) {
    if cutout.prob == 0.0 {
        return;
    }
    let (n, _, height, width) = images.size4().expect("images are [N, 3, H, W]");
    let mut rng = step.stream(Stream::Cutout);
    let side = (height.min(width) as f64 * cutout.size).round() as i64;
    for idx in 0..n {
        if rng.random_bool(cutout.prob) {
            let patch = Patch::around(height, width, [side / 2; 2], &mut rng);
            let _ = patch.of(&images.get(idx)).zero_();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Device, Kind};

    use super::*;

    fn ones(n: i64, side: i64) -> Tensor {
        Tensor::ones([n, 3, side, side], (Kind::Float, Device::Cpu))
    }

    /// Rows, columns and pixels of each image that are not 1 any more.
    fn erased(images: &Tensor) -> Vec<(i64, i64, i64)> {
        let changed = images.ne(1.0).all_dim(1, false);
        (0..images.size()[0])
            .map(|idx| {
                let count = |x: Tensor| x.sum(Kind::Int64).int64_value(&[]);
                let of = changed.get(idx);
                (
                    count(of.any_dim(1, false)),
                    count(of.any_dim(0, false)),
                    count(of.shallow_clone()),
                )
            })
            .collect()
    }

    proptest! {
        #[test]
        fn an_erased_rectangle_has_the_area_and_ratio_asked_for(
            seed in 0_u64..10_000, low in 0.02_f64..0.3, pixel in any::<bool>(),
        ) {
            let images = ones(4, 40);
            let fill = if pixel { EraseFill::Pixel } else { EraseFill::Const };
            let erasing = Erasing { prob: 1.0, fill, area: [low, low + 0.1], ratio: [0.5, 2.0] };
            erase(&images, &erasing, &StepRng { seed, step: 1 });
            for (rows, columns, pixels) in erased(&images) {
                prop_assert_eq!(pixels, rows * columns, "not a rectangle");
                let (tall, wide) = (rows as f64, columns as f64);
                prop_assert!((tall + 0.5) * (wide + 0.5) >= low * 1600.0);
                prop_assert!((tall - 0.5) * (wide - 0.5) <= (low + 0.1) * 1600.0);
                prop_assert!((tall - 0.5) / (wide + 0.5) <= 2.0 && (tall + 0.5) / (wide - 0.5) >= 0.5);
            }
        }

        #[test]
        fn a_cutout_is_a_square_that_may_lie_partly_outside(
            seed in 0_u64..10_000, size in 0.1_f64..1.0,
        ) {
            let images = ones(4, 40);
            cut_out(&images, &Cutout { size, prob: 1.0 }, &StepRng { seed, step: 1 });
            let side = (40.0 * size).round() as i64 / 2 * 2;
            for (rows, columns, pixels) in erased(&images) {
                prop_assert_eq!(pixels, rows * columns);
                // The centre is a pixel of the image, so at least half of the square lies inside.
                for length in [rows, columns] {
                    prop_assert!((side / 2..=side).contains(&length) && length <= 40, "{}", length);
                }
            }
        }
    }

    #[test]
    fn probabilities_are_kept_and_noise_is_normal() {
        let images = ones(1000, 16);
        let (prob, fill) = (0.3, EraseFill::Pixel);
        let erasing = Erasing {
            prob,
            fill,
            ..Erasing::default()
        };
        erase(&images, &erasing, &StepRng { seed: 1, step: 1 });
        let n_erased = erased(&images).iter().filter(|area| area.2 > 0).count();
        assert!((250..350).contains(&n_erased), "{n_erased} of 1000");
        let noise = images.masked_select(&images.ne(1.0));
        let mean = noise.mean(Kind::Double).double_value(&[]);
        let std = noise.std(true).double_value(&[]);
        assert!(
            mean.abs() < 0.02 && (std - 1.0).abs() < 0.02,
            "{mean} {std}"
        );

        let images = ones(1000, 16);
        let size = 0.5;
        cut_out(
            &images,
            &Cutout { size, prob },
            &StepRng { seed: 1, step: 1 },
        );
        let n_cut = erased(&images).iter().filter(|area| area.2 > 0).count();
        assert!((250..350).contains(&n_cut), "{n_cut} of 1000");
    }
}
