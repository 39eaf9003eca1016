//! What the network sees of each image: crops and flips, before any pixel is touched.

use cultivar_spec::trial::{Crop, Flip};
use rand::Rng;

use crate::rng::{StepRng, Stream};

/// Draws of a random crop before the fallback, as in torchvision and timm.
const TRIES: usize = 10;

/// What a network sees of one image, in source pixels. Pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Upper left corner; fractional for an evaluation crop.
    pub start: [f64; 2],
    pub size: [f64; 2],
    /// First row and column that may be read, and the first beyond.
    pub low: [f64; 2],
    pub high: [f64; 2],
    /// Mirrored top to bottom, left to right.
    pub flip: [bool; 2],
}

/// Where an evaluation crop lies in the resized image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    Center,
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

impl Spot {
    /// Those of Krizhevsky et al. 2012, as torchvision's `five_crop` has them.
    pub const ALL: [Self; 5] = [
        Self::TopLeft,
        Self::TopRight,
        Self::BottomLeft,
        Self::BottomRight,
        Self::Center,
    ];

    /// The crop's upper left corner, where the image is larger than it by `slack` rows and columns.
    fn corner(self, slack: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Center => slack.map(|slack| (slack / 2.0).round_ties_even()),
            Self::TopLeft => [0.0, 0.0],
            Self::TopRight => [0.0, slack[1]],
            Self::BottomLeft => [slack[0], 0.0],
            Self::BottomRight => slack,
        }
    }
}

/// The short side that an image is resized to before its evaluation crop, as timm has it.
pub fn evaluation_short_side(resolution: u32, crop_pct: f64) -> u32 {
    (f64::from(resolution) / crop_pct).floor() as u32
}

/// The evaluation crop as timm makes it, as one view: short side to [`evaluation_short_side`],
/// then a square at `spot`, timm's own being the central one.
///
/// `sizes`: (height, width) of each image in pixels. One that has that short side already is cropped and not resampled.
pub fn evaluation_views(
    sizes: &[(u32, u32)],
    resolution: u32,
    crop_pct: f64,
    spot: Spot,
) -> Vec<View> {
    let side = f64::from(resolution);
    let short_to = f64::from(evaluation_short_side(resolution, crop_pct));
    let view = |&(height, width): &(u32, u32)| {
        let source = [f64::from(height), f64::from(width)];
        let short = source[0].min(source[1]);
        let resized = source.map(|length| (length * short_to / short).floor());
        let scale = [source[0] / resized[0], source[1] / resized[1]];
        let offset = spot.corner(resized.map(|length| length - side));
        // The resize comes before the crop, so it reads beyond the crop, up to the image's edges.
        View {
            start: [offset[0] * scale[0], offset[1] * scale[1]],
            size: scale.map(|scale| side * scale),
            low: [0.0; 2],
            high: source,
            flip: [false; 2],
        }
    };
    sizes.iter().map(view).collect()
}

/// A training crop and flip for each image.
///
/// `sizes`: (height, width) of each image in pixels. `resolution` and `crop_pct` describe the crop
/// where it is the evaluation's.
pub fn training_views(
    sizes: &[(u32, u32)],
    crop: &Crop,
    flip: &Flip,
    resolution: u32,
    crop_pct: f64,
    step: &StepRng,
) -> Vec<View> {
    let mut views = match crop {
        Crop::Center {} => evaluation_views(sizes, resolution, crop_pct, Spot::Center),
        Crop::RandomResized { scale, ratio } => {
            let mut rng = step.stream(Stream::Crop);
            sizes
                .iter()
                .map(|&size| random_resized(size, *scale, *ratio, &mut rng))
                .collect()
        }
    };
    let mut rng = step.stream(Stream::Flip);
    for view in &mut views {
        view.flip = [flip.vertical, flip.horizontal].map(|prob| rng.random_bool(prob));
    }
    views
}

/// Szegedy et al. 2015, <https://arxiv.org/abs/1409.4842>, by the rule of torchvision's and timm's
/// `RandomResizedCrop`: ten tries at a random area and a log-uniform aspect ratio, then the largest
/// central crop whose ratio is admissible.
fn random_resized(
    (height, width): (u32, u32),
    scale: [f64; 2],
    ratio: [f64; 2],
    rng: &mut impl Rng,
) -> View {
    let (h, w) = (f64::from(height), f64::from(width));
    for _ in 0..TRIES {
        let area = h * w * rng.random_range(scale[0]..=scale[1]);
        let aspect = rng.random_range(ratio[0].ln()..=ratio[1].ln()).exp();
        let crop_w = (area * aspect).sqrt().round_ties_even();
        let crop_h = (area / aspect).sqrt().round_ties_even();
        if (1.0..=w).contains(&crop_w) && (1.0..=h).contains(&crop_h) {
            let top = rng.random_range(0..=height - crop_h as u32);
            let left = rng.random_range(0..=width - crop_w as u32);
            return cropped([top.into(), left.into()], [crop_h, crop_w]);
        }
    }
    let aspect = (w / h).clamp(ratio[0], ratio[1]);
    let crop_w = (h * aspect).round_ties_even().min(w).max(1.0);
    let crop_h = (w / aspect).round_ties_even().min(h).max(1.0);
    let corner = [h - crop_h, w - crop_w].map(|slack| (slack / 2.0).floor());
    cropped(corner, [crop_h, crop_w])
}

/// A crop that comes before the resize, so nothing beyond it is read.
fn cropped(start: [f64; 2], size: [f64; 2]) -> View {
    View {
        start,
        size,
        low: start,
        high: [start[0] + size[0], start[1] + size[1]],
        flip: [false; 2],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step(seed: u64) -> StepRng {
        StepRng { seed, step: 3 }
    }

    proptest! {
        #[test]
        fn a_random_crop_lies_inside_with_the_area_and_ratio_asked_for(
            seed in 0_u64..100_000, height in 8_u32..400, width in 8_u32..400,
            low in 0.05_f64..1.0, narrow in 0.5_f64..1.0,
        ) {
            let crop = Crop::RandomResized { scale: [low, 1.0], ratio: [narrow, 1.0 / narrow] };
            let flip = Flip { horizontal: 0.5, vertical: 0.0 };
            let view = training_views(&[(height, width)], &crop, &flip, 96, 1.0, &step(seed))[0];
            let sides = [f64::from(height), f64::from(width)];
            for (axis, side) in sides.into_iter().enumerate() {
                prop_assert!(view.low[axis] >= 0.0 && view.high[axis] <= side);
                prop_assert!(view.size[axis] >= 1.0);
                prop_assert_eq!(view.start[axis].fract(), 0.0);
            }
            // Rounding moves each side by half a pixel at most.
            let area = (view.size[0] + 0.5) * (view.size[1] + 0.5);
            let fallback = view.size[0] == sides[0] || view.size[1] == sides[1];
            prop_assert!(fallback || area >= low * sides[0] * sides[1]);
            let widest = (view.size[1] - 0.5) / (view.size[0] + 0.5);
            let narrowest = (view.size[1] + 0.5) / (view.size[0] - 0.5);
            prop_assert!(widest <= 1.0 / narrow + 1e-9 && narrowest >= narrow - 1e-9);
        }
    }

    #[test]
    fn an_evaluation_crop_is_central() {
        // 224 / 0.875 = 256: the short side of 128 doubles, so 16 of its 128 pixels are cut.
        let view = evaluation_views(&[(128, 256)], 224, 0.875, Spot::Center)[0];
        assert_eq!(view.start, [8.0, 72.0]);
        assert_eq!(view.size, [112.0, 112.0]);
        assert_eq!((view.low, view.high), ([0.0; 2], [128.0, 256.0]));
    }

    #[test]
    fn flips_keep_their_probability_and_leave_crops_alone() {
        let sizes = [(32, 32); 1000];
        let views = |horizontal| {
            let flip = Flip {
                horizontal,
                vertical: 0.0,
            };
            let crop = Crop::RandomResized {
                scale: [0.5, 1.0],
                ratio: [1.0, 1.0],
            };
            training_views(&sizes, &crop, &flip, 32, 1.0, &step(1))
        };
        let some = views(0.3);
        let n_flipped = some.iter().filter(|view| view.flip[1]).count();
        assert!((250..350).contains(&n_flipped), "{n_flipped} of 1000");
        let none = views(0.0);
        assert!(none.iter().all(|view| view.flip == [false, false]));
        assert!(some.iter().zip(&none).all(|(a, b)| a.start == b.start));
    }
}
