//! Crop, flip and antialiased resize as two batched matrix products.
//!
//! A separable resize is a weighted sum along the rows and one along the columns. The weights of
//! all images of a batch make two tensors `[N, out, in]`, and multiplying by them crops, flips and
//! resamples every image at once, whatever its own size and crop. Weights follow Pillow: the filter's
//! support grows with the scale when shrinking, and rows are normalised. Pillow rounds to 8 bits
//! between the two passes; this does not.

use cultivar_spec::trial::{Crop, Flip, Interpolation};
use rand::Rng;
use tch::{Device, Kind, Tensor};

use crate::data::PixelBatch;
use crate::rng::{Stream, stream};

/// What a network sees of one image. All in source pixels, rows first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    /// Upper left corner; fractional for an evaluation crop.
    pub start: [f64; 2],
    pub size: [f64; 2],
    /// First row and column that may be read, and the first beyond.
    pub low: [f64; 2],
    pub high: [f64; 2],
    /// Mirrored top to bottom, left to right.
    pub flip: [bool; 2],
}

/// Resize to `round(resolution / crop_pct)` along the short side, then the centre crop, as one view.
pub(crate) fn evaluation_views(sizes: &[(u32, u32)], resolution: u32, crop_pct: f64) -> Vec<View> {
    let resolution = f64::from(resolution);
    let short_to = (resolution / crop_pct).floor();
    let view = |&(height, width): &(u32, u32)| {
        let sides = [f64::from(height), f64::from(width)];
        let short = sides[0].min(sides[1]);
        let resized = sides.map(|side| (side * short_to / short).floor());
        let axis = |idx: usize| {
            let scale = sides[idx] / resized[idx];
            let offset = ((resized[idx] - resolution) / 2.0).round();
            (offset * scale, resolution * scale)
        };
        let (rows, columns) = (axis(0), axis(1));
        View {
            start: [rows.0, columns.0],
            size: [rows.1, columns.1],
            low: [0.0; 2],
            high: sides,
            flip: [false; 2],
        }
    };
    sizes.iter().map(view).collect()
}

/// A training crop and flip for each image, drawn from (seed, step).
pub(crate) fn training_views(
    sizes: &[(u32, u32)],
    crop: &Crop,
    flip: &Flip,
    resolution: u32,
    crop_pct: f64,
    (seed, step): (u64, u64),
) -> Vec<View> {
    let mut crop_rng = stream(seed, step, Stream::Crop);
    let mut flip_rng = stream(seed, step, Stream::Flip);
    let mut views = match crop {
        Crop::Center {} => evaluation_views(sizes, resolution, crop_pct),
        Crop::RandomResized { scale, ratio } => sizes
            .iter()
            .map(|&size| random_resized(size, *scale, *ratio, &mut crop_rng))
            .collect(),
    };
    for view in &mut views {
        view.flip = [
            flip_rng.random_bool(flip.vertical),
            flip_rng.random_bool(flip.horizontal),
        ];
    }
    views
}

/// torchvision's rule: ten tries at a random area and aspect ratio, then the largest central crop
/// with an admissible ratio.
fn random_resized(
    (height, width): (u32, u32),
    scale: [f64; 2],
    ratio: [f64; 2],
    rng: &mut impl Rng,
) -> View {
    let (h, w) = (f64::from(height), f64::from(width));
    for _ in 0..10 {
        let area = h * w * rng.random_range(scale[0]..=scale[1]);
        let aspect = rng.random_range(ratio[0].ln()..=ratio[1].ln()).exp();
        let crop_w = (area * aspect).sqrt().round();
        let crop_h = (area / aspect).sqrt().round();
        if crop_w >= 1.0 && crop_h >= 1.0 && crop_w <= w && crop_h <= h {
            let top = f64::from(rng.random_range(0..=height - crop_h as u32));
            let left = f64::from(rng.random_range(0..=width - crop_w as u32));
            return crop_view(top, left, crop_h, crop_w);
        }
    }
    let aspect = (w / h).clamp(ratio[0], ratio[1]);
    let crop_w = w.min((h * aspect).round());
    let crop_h = h.min((w / aspect).round());
    crop_view(
        ((h - crop_h) / 2.0).floor(),
        ((w - crop_w) / 2.0).floor(),
        crop_h,
        crop_w,
    )
}

/// A crop comes before the resize, so nothing beyond it is read.
fn crop_view(top: f64, left: f64, height: f64, width: f64) -> View {
    View {
        start: [top, left],
        size: [height, width],
        low: [top, left],
        high: [top + height, left + width],
        flip: [false; 2],
    }
}

/// Resamples each image's view to `resolution` and normalises.
///
/// `batch.pixels: [N, H, W, 3]` u8. Returns `[N, 3, resolution, resolution]` f32, channels-last,
/// `(pixel / 255 - mean) / std`.
pub(crate) fn render(
    batch: &PixelBatch,
    views: &[View],
    resolution: u32,
    interpolation: Interpolation,
    mean: [f64; 3],
    std: [f64; 3],
) -> Tensor {
    let (n, height, width, _) = batch.pixels.size4().expect("pixels are [N, H, W, 3]");
    let out = i64::from(resolution);
    let device = batch.pixels.device();
    let rows = resampling_weights(views, 0, height, out, interpolation, device);
    let columns = resampling_weights(views, 1, width, out, interpolation, device);
    // Columns first, so that the rows' product leaves channels last in memory.
    let pixels = batch
        .pixels
        .permute([0, 2, 1, 3])
        .to_kind(Kind::Float)
        .contiguous();
    let narrowed = columns
        .bmm(&pixels.view([n, width, height * 3]))
        .view([n, out, height, 3]);
    let narrowed = narrowed
        .permute([0, 2, 1, 3])
        .contiguous()
        .view([n, height, out * 3]);
    let resized = rows.bmm(&narrowed).view([n, out, out, 3]);
    let channel =
        |values: [f64; 3]| Tensor::from_slice(&values.map(|v| v as f32)).to_device(device);
    let factor = channel(std.map(|std| 1.0 / (255.0 * std)));
    let offset = channel([0, 1, 2].map(|idx| -mean[idx] / std[idx]));
    (resized * factor + offset).permute([0, 3, 1, 2])
}

/// `[N, n_out, n_in]` f32: how much of each input row (axis 0) or column (axis 1) each output one holds.
fn resampling_weights(
    views: &[View],
    axis: usize,
    n_in: i64,
    n_out: i64,
    interpolation: Interpolation,
    device: Device,
) -> Tensor {
    let column = |of: &dyn Fn(&View) -> f64| {
        let values: Vec<f32> = views.iter().map(|view| of(view) as f32).collect();
        Tensor::from_slice(&values)
            .to_device(device)
            .view([-1, 1, 1])
    };
    let scale = column(&|view| view.size[axis] / n_out as f64);
    let start = column(&|view| view.start[axis]);
    let low = column(&|view| view.low[axis]);
    let high = column(&|view| view.high[axis]);
    let flipped = column(&|view| f64::from(u8::from(view.flip[axis])));

    let outputs = Tensor::arange(n_out, (Kind::Float, device)).view([1, -1, 1]);
    // A flip reads the outputs from the other end.
    let outputs = &outputs + &flipped * ((n_out - 1) as f64 - &outputs * 2.0);
    let inputs = Tensor::arange(n_in, (Kind::Float, device)).view([1, 1, -1]);
    let center = start + (outputs + 0.5) * &scale;
    let distance = (&inputs + 0.5 - center) / scale.clamp_min(1.0);
    let readable = inputs.ge_tensor(&low).logical_and(&inputs.lt_tensor(&high));
    let weights = filter(&distance.abs(), interpolation) * readable.to_kind(Kind::Float);
    let total = weights.sum_dim_intlist([2_i64].as_slice(), true, Kind::Float);
    weights / total
}

/// The filter at distance `x >= 0`: a triangle, or Keys' cubic with a = -0.5 (1981), as Pillow has it.
fn filter(x: &Tensor, interpolation: Interpolation) -> Tensor {
    match interpolation {
        Interpolation::Bilinear => (-x + 1.0).clamp_min(0.0),
        Interpolation::Bicubic => {
            let near: Tensor = (1.5 * x - 2.5) * x * x + 1.0;
            let far: Tensor = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
            let far = far.where_self(&x.lt(2.0), &x.zeros_like());
            near.where_self(&x.lt(1.0), &far)
        }
    }
}
