//! Crop, flip and antialiased resize of a batch, two batched matrix products; and its normalisation.
//!
//! A separable resize is a weighted sum along the columns, then along the rows. The weights of all
//! images of a batch make two tensors `[N, out, in]`; multiplying by them crops, flips and resamples
//! every image at once, whatever its own size and crop. The weights are Pillow's (`Image.resize` with its
//! `box` left out): the filter's support grows with the scale when shrinking, rows sum to 1, and a flip is
//! the reversed order of the rows. Pillow rounds to 8 bits after either pass; here levels are clipped
//! where the filter overshoots, and not rounded.

use cultivar_spec::trial::Interpolation;
use tch::{Device, Kind, Tensor};

use super::crop::View;
use crate::data::resident::PixelBatch;

/// How levels become numbers: `(level / 255 - mean) / std`, per channel.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Normalisation {
    pub mean: [f64; 3],
    pub std: [f64; 3],
}

/// Resamples each image's view to a square of `resolution` pixels.
///
/// `batch.pixels: [N, H, W, 3]` u8, `views`: one for each image. Returns levels
/// `[N, 3, resolution, resolution]` f32 in [0, 255], not rounded, on the device of the batch.
pub fn resample(
    batch: &PixelBatch,
    views: &[View],
    resolution: u32,
    interpolation: Interpolation,
) -> Tensor {
    let pixels = &batch.pixels;
    let (n, height, width, _) = pixels.size4().expect("pixels are [N, H, W, 3]");
    let out = i64::from(resolution);
    let weights = |axis, n_in| {
        // Evaluation of images of one size: one image's weights serve all.
        let views = if views.windows(2).all(|pair| pair[0] == pair[1]) {
            &views[..1]
        } else {
            views
        };
        weights(views, axis, n_in, out, interpolation, pixels.device())
    };
    let clip = |mut levels: Tensor| match interpolation {
        Interpolation::Bilinear => levels,
        Interpolation::Bicubic => levels.clamp_(0.0, 255.0),
    };
    let planes = pixels
        .permute([0, 1, 3, 2])
        .to_kind(Kind::Float)
        .contiguous();
    let columns = weights(1, width).transpose(1, 2);
    let narrowed = clip(if columns.size()[0] == 1 {
        planes.view([-1, width]).mm(&columns.squeeze_dim(0))
    } else {
        planes.view([n, height * 3, width]).bmm(&columns)
    });
    let rows = weights(0, height).expand([n, out, height], false);
    let resized = rows.bmm(&narrowed.view([n, height, 3 * out]));
    clip(resized).view([n, out, 3, out]).permute([0, 2, 1, 3])
}

/// Network input of levels `[N, 3, H, W]` f32 in [0, 255]: the same shape, channels-last.
pub fn normalise(levels: &Tensor, normalisation: Normalisation) -> Tensor {
    let channel = |value: [f64; 3]| {
        Tensor::from_slice(&value.map(|value| value as f32))
            .view([3, 1, 1])
            .to_device(levels.device())
    };
    let Normalisation { mean, std } = normalisation;
    let factor = channel(std.map(|std| 1.0 / (255.0 * std)));
    let offset = channel([0, 1, 2].map(|idx| -mean[idx] / std[idx]));
    (levels * factor + offset)
        .permute([0, 2, 3, 1])
        .contiguous()
        .permute([0, 3, 1, 2])
}

/// The inverse of [`normalise`], cut to levels: `[N, 3, H, W]` f32 in [0, 255].
pub fn denormalise(images: &Tensor, normalisation: Normalisation) -> Tensor {
    let channel = |value: [f64; 3]| {
        Tensor::from_slice(&value.map(|value| (value * 255.0) as f32))
            .view([3, 1, 1])
            .to_device(images.device())
    };
    let levels = images * channel(normalisation.std) + channel(normalisation.mean);
    levels.clamp(0.0, 255.0)
}

/// `[views, n_out, n_in]` f32: how much of each input row (axis 0) or column (axis 1) each output one
/// holds.
fn weights(
    views: &[View],
    axis: usize,
    n_in: i64,
    n_out: i64,
    interpolation: Interpolation,
    device: Device,
) -> Tensor {
    let of_views = |of: &dyn Fn(&View) -> f64| {
        let values: Vec<f32> = views.iter().map(|view| of(view) as f32).collect();
        Tensor::from_slice(&values)
            .view([-1, 1, 1])
            .to_device(device)
    };
    let scale = of_views(&|view| view.size[axis] / n_out as f64);
    let start = of_views(&|view| view.start[axis]);
    let first = of_views(&|view| {
        if view.flip[axis] {
            n_out as f64 - 0.5
        } else {
            0.5
        }
    });
    let stride = of_views(&|view| if view.flip[axis] { -1.0 } else { 1.0 });

    let outputs = Tensor::arange(n_out, (Kind::Float, device)).view([1, -1, 1]);
    let inputs = Tensor::arange(n_in, (Kind::Float, device)).view([1, 1, -1]);
    let centers = start + (outputs * stride + first) * &scale;
    let mut distance = &inputs + 0.5 - centers;
    let distance = distance.abs_().g_div_(&scale.clamp_min(1.0));
    let readable = {
        let low = of_views(&|view| view.low[axis]);
        let high = of_views(&|view| view.high[axis]);
        inputs.ge_tensor(&low).logical_and(&inputs.lt_tensor(&high))
    };
    let mut weights = filter(distance, interpolation);
    let mut weights = weights.g_mul_(&readable.to_kind(Kind::Float));
    let total = weights.sum_dim_intlist([2_i64].as_slice(), true, Kind::Float);
    weights.g_div_(&total)
}

/// The filter at distance `x >= 0`: a triangle, or the cubic of Keys 1981 with a = -0.5, as Pillow has
/// it.
fn filter(x: Tensor, interpolation: Interpolation) -> Tensor {
    match interpolation {
        Interpolation::Bilinear => {
            let mut falling: Tensor = 1.0 - x;
            falling.clamp_min_(0.0)
        }
        Interpolation::Bicubic => {
            // With |x| cut at 2, where the outer piece is 0, no piece needs a mask.
            let x = x.clamp_max(2.0);
            let near = ((&x * 1.5 - 2.5) * &x) * &x + 1.0;
            let far = ((&x * -0.5 + 2.5) * &x - 4.0) * &x + 2.0;
            near.where_self(&x.lt(1.0), &far)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view of all of a `[h, w]` image.
    fn all_of(height: f64, width: f64, flip: [bool; 2]) -> View {
        View {
            start: [0.0; 2],
            size: [height, width],
            low: [0.0; 2],
            high: [height, width],
            flip,
        }
    }

    fn noise(n: i64, height: i64, width: i64) -> Tensor {
        (Tensor::arange(n * height * width * 3, (Kind::Int64, Device::Cpu)) * 7919)
            .remainder(251)
            .to_kind(Kind::Uint8)
            .view([n, height, width, 3])
    }

    /// `[N, out, out, 3]`
    fn levels(pixels: &Tensor, views: &[View], resolution: u32) -> Tensor {
        let batch = PixelBatch {
            pixels: pixels.shallow_clone(),
            sizes: Vec::new(),
        };
        resample(&batch, views, resolution, Interpolation::Bicubic).permute([0, 2, 3, 1])
    }

    #[test]
    fn the_identity_view_gives_the_image_back_and_a_flip_mirrors_it() {
        let pixels = noise(4, 9, 9);
        let flips = [[false, false], [false, true], [true, false], [true, true]];
        let views = flips.map(|flip| all_of(9.0, 9.0, flip));
        let seen = levels(&pixels, &views, 9);
        for (idx, [vertical, horizontal]) in flips.into_iter().enumerate() {
            let mut wanted = pixels.get(idx as i64).to_kind(Kind::Float);
            if vertical {
                wanted = wanted.flip([0]);
            }
            if horizontal {
                wanted = wanted.flip([1]);
            }
            let error = (seen.get(idx as i64) - wanted).abs().max();
            assert!(error.double_value(&[]) < 1e-3, "{vertical} {horizontal}");
        }
    }

    #[test]
    fn what_lies_outside_a_crop_is_never_read() {
        let pixels = noise(2, 12, 10);
        let crop = View {
            start: [2.0, 3.0],
            size: [7.0, 5.0],
            low: [2.0, 3.0],
            high: [9.0, 8.0],
            flip: [false, true],
        };
        let cut = pixels.narrow(1, 2, 7).narrow(2, 3, 5).contiguous();
        let views = [crop, all_of(12.0, 10.0, [false; 2])];
        let from_whole = levels(&pixels, &views, 6).get(0);
        let from_cut = levels(&cut, &[all_of(7.0, 5.0, [false, true]); 2], 6).get(0);
        let error = (from_whole - from_cut).abs().max().double_value(&[]);
        assert!(error < 1e-3, "{error}");
    }

    #[test]
    fn shared_weights_and_own_weights_agree() {
        let pixels = noise(3, 20, 16);
        let view = all_of(20.0, 16.0, [false; 2]);
        let mut other = view;
        other.flip = [true, true];
        let shared = levels(&pixels, &[view; 3], 7);
        let own = levels(&pixels, &[view, view, other], 7);
        let error = (shared.narrow(0, 0, 2) - own.narrow(0, 0, 2)).abs().max();
        assert!(error.double_value(&[]) < 1e-3);
    }
}
