//! Operations on levels where they stand, as torchvision v2 has them on uint8 images.

use tch::{Kind, Tensor};

use super::Op;

/// Weights of red, green and blue in a grey level (ITU-R BT.601).
const GREY: [f64; 3] = [0.2989, 0.587, 0.114];

/// One operation on every image: `op` says which, `magnitudes: [N, 1, 1, 1]` f32 how much.
///
/// `levels: [N, 3, H, W]` f32, whole levels in [0, 255]. Returns the same.
pub(super) fn apply(levels: &Tensor, op: Op, magnitudes: &Tensor) -> Tensor {
    match op {
        Op::Affine(_) => unreachable!("an affine map moves levels"),
        Op::Brightness(_) => cut(levels * magnitudes),
        Op::Color(_) => blend(levels, &grey(levels), magnitudes),
        Op::Contrast(_) => {
            let mean = grey(levels).mean_dim([1_i64, 2, 3].as_slice(), true, Kind::Float);
            blend(levels, &mean, magnitudes)
        }
        Op::Sharpness(_) => sharpness(levels, magnitudes),
        Op::Hue(_) => hue(levels, magnitudes),
        Op::Posterize(_) => {
            let step: Tensor = 8.0 - magnitudes;
            let step = step.exp2();
            (levels / &step).floor() * step
        }
        Op::Solarize(_) => invert(levels).where_self(&levels.ge_tensor(magnitudes), levels),
        Op::SolarizeAdd(_) => {
            let added = (levels + magnitudes).clamp_max(255.0);
            added.where_self(&levels.lt(128.0), levels)
        }
        Op::AutoContrast => auto_contrast(levels),
        Op::Equalize => equalize(levels),
        Op::Invert => invert(levels),
    }
}

/// Whole levels, as a cast to uint8 cuts them.
fn cut(mut levels: Tensor) -> Tensor {
    levels.clamp_(0.0, 255.0).floor_()
}

/// `levels` where the factor is 1, `other` where it is 0, and beyond.
fn blend(levels: &Tensor, other: &Tensor, factors: &Tensor) -> Tensor {
    cut(levels * factors + other * (1.0 - factors))
}

/// `[N, 1, H, W]`
fn grey(levels: &Tensor) -> Tensor {
    let channel = |idx: i64| levels.narrow(1, idx, 1);
    let mut grey: Tensor = channel(0) * GREY[0] + channel(1) * GREY[1] + channel(2) * GREY[2];
    grey.floor_()
}

fn invert(levels: &Tensor) -> Tensor {
    255.0 - levels
}

/// Between an image and its blur, a mean over 3 x 3 pixels with the middle counted five times. The border
/// stays as it is.
fn sharpness(levels: &Tensor, factors: &Tensor) -> Tensor {
    let (_, _, height, width) = levels.size4().expect("levels are [N, 3, H, W]");
    let around = [1.0_f32, 1.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0].map(|weight| weight / 13.0);
    let kernel = Tensor::from_slice(&around)
        .view([1, 1, 3, 3])
        .expand([3, 1, 3, 3], false)
        .to_device(levels.device());
    let blurred = levels
        .conv2d(&kernel, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 3)
        .round();
    let sharpened = levels.copy();
    let inner = |of: &Tensor| of.narrow(2, 1, height - 2).narrow(3, 1, width - 2);
    inner(&sharpened).copy_(&blend(&inner(levels), &blurred, factors));
    sharpened
}

/// Turns the hue by a share of the circle, in hue, saturation and value.
fn hue(levels: &Tensor, shifts: &Tensor) -> Tensor {
    let colors = levels / 255.0;
    let value = colors.amax([1_i64].as_slice(), true);
    let range = &value - colors.amin([1_i64].as_slice(), true);
    let is_grey = range.eq(0.0);
    // 1 instead of 0 below a fraction whose numerator is 0.
    let divisor = &range + is_grey.to_kind(Kind::Float);
    let from_value = (&value - &colors) / divisor;
    let part = |idx: i64| from_value.narrow(1, idx, 1);
    let (red, green, blue) = (part(0), part(1), part(2));
    let is_largest = |idx: i64| colors.narrow(1, idx, 1).eq_tensor(&value);
    let sixths = (&blue - &green).where_self(
        &is_largest(0),
        &(&red - &blue + 2.0).where_self(&is_largest(1), &(&green - &red + 4.0)),
    );
    let sixths = sixths + shifts * 6.0;
    let channel = |at: f64| {
        let distance = (&sixths + at).remainder(6.0);
        let falling = distance.minimum(&(4.0 - &distance)).clamp(0.0, 1.0);
        &value - &range * falling
    };
    let turned = Tensor::cat(&[channel(5.0), channel(3.0), channel(1.0)], 1);
    cut(turned * (256.0 - 1e-3))
}

fn auto_contrast(levels: &Tensor) -> Tensor {
    let lowest = levels.amin([2_i64, 3].as_slice(), true);
    let range = levels.amax([2_i64, 3].as_slice(), true) - &lowest;
    let is_flat = range.eq(0.0);
    let stretched = cut((levels - lowest) / (&range * (1.0 / 255.0)));
    levels.where_self(&is_flat, &stretched)
}

/// Pillow's rule: level k becomes (pixels below k + step / 2) / step, in whole numbers, where a step is a
/// 255th of the pixels below the channel's highest level. Fewer than 255 of them: nothing changes.
fn equalize(levels: &Tensor) -> Tensor {
    let (n, channels, height, width) = levels.size4().expect("levels are [N, 3, H, W]");
    let n_pixels = height * width;
    let flat = levels.to_kind(Kind::Int64).view([n * channels, n_pixels]);
    let counts = Tensor::zeros([n * channels, 256], (Kind::Int64, levels.device())).scatter_add(
        1,
        &flat,
        &flat.ones_like(),
    );
    let n_highest = counts.gather(1, &flat.amax([1_i64].as_slice(), true), false);
    let step = (n_pixels - n_highest).divide_scalar_mode(255, "floor");
    let below = counts.cumsum(1, Kind::Int64) - &counts;
    let half = step.divide_scalar_mode(2, "floor");
    let table = (below + half)
        .divide_tensor_mode(&step.clamp_min(1), "floor")
        .clamp_max(255);
    let is_flat = step.eq(0);
    flat.where_self(&is_flat, &table.gather(1, &flat, false))
        .to_kind(Kind::Float)
        .view([n, channels, height, width])
}
