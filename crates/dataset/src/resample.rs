//! The antialiased resize of Pillow, bit for bit: an exported model meets behind timm's transform the pixels it was
//! trained on.
//!
//! Two passes, along rows and then along columns. A weight is a fixed-point number of 22 fractional bits; what lies
//! between the passes is rounded and clipped to 8 bits, so that the order shows where the bicubic filter overshoots.
//! Reference: `Image.resize` of Pillow (`reducing_gap` left out). Filters: bilinear (a triangle) and bicubic with
//! a = -0.5 (Keys, Cubic convolution interpolation for digital image processing, 1981); shrinking widens them by the scale.

use cultivar_spec::trial::Interpolation;
use image::RgbImage;

/// Fractional bits of a weight: 8 of the sum are the level, and two keep an overshoot from wrapping.
const PRECISION_BITS: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (PRECISION_BITS - 1);
const N_CHANNELS: usize = 3;

/// Resizes to `width` x `height` pixels, both above zero.
pub fn resize(image: &RgbImage, width: u32, height: u32, interpolation: Interpolation) -> RgbImage {
    let [old_width, old_height, new_width, new_height] =
        [image.width(), image.height(), width, height].map(|side| side as usize);
    let across = taps(old_width, new_width, interpolation);
    let narrowed = along_rows(image.as_raw(), old_width, &across);
    let down = taps(old_height, new_height, interpolation);
    let resized = along_columns(&narrowed, new_width, &down);
    RgbImage::from_raw(width, height, resized).expect("a level for every channel of every pixel")
}

/// What one pixel of the output is made of: pixels from `start` on, each with its weight.
struct Tap {
    start: usize,
    weights: Vec<i32>,
}

fn taps(n_in: usize, n_out: usize, interpolation: Interpolation) -> Vec<Tap> {
    let scale = n_in as f64 / n_out as f64;
    let widening = scale.max(1.0);
    let (filter, support): (fn(f64) -> f64, f64) = match interpolation {
        Interpolation::Bilinear => (triangle, 1.0),
        Interpolation::Bicubic => (cubic, 2.0),
    };
    let support = support * widening;
    let tap = |idx: usize| {
        let center = (idx as f64 + 0.5) * scale;
        // Towards zero, as the reference's integer conversion.
        let start = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(n_in);
        let weights: Vec<f64> = (start..end)
            .map(|at| filter((at as f64 - center + 0.5) * (1.0 / widening)))
            .collect();
        let sum: f64 = weights.iter().sum();
        let weights = weights.iter().map(|weight| fixed(weight / sum)).collect();
        Tap { start, weights }
    };
    (0..n_out).map(tap).collect()
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rounds half away from zero.
fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << PRECISION_BITS)).round() as i32
}

fn level(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn along_rows(levels: &[u8], width: usize, taps: &[Tap]) -> Vec<u8> {
    let mut out = Vec::with_capacity(levels.len() / width * taps.len());
    for row in levels.chunks_exact(width * N_CHANNELS) {
        for tap in taps {
            let mut sums = [HALF; N_CHANNELS];
            let pixels = row[tap.start * N_CHANNELS..].chunks_exact(N_CHANNELS);
            for (weight, pixel) in tap.weights.iter().zip(pixels) {
                for (sum, old) in sums.iter_mut().zip(pixel) {
                    *sum += weight * i32::from(*old);
                }
            }
            out.extend(sums.map(level));
        }
    }
    out
}

fn along_columns(levels: &[u8], width: usize, taps: &[Tap]) -> Vec<u8> {
    let row_len = width * N_CHANNELS;
    let mut out = Vec::with_capacity(row_len * taps.len());
    let mut sums = vec![HALF; row_len];
    for tap in taps {
        sums.fill(HALF);
        let rows = levels[tap.start * row_len..].chunks_exact(row_len);
        for (weight, row) in tap.weights.iter().zip(rows) {
            for (sum, old) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(*old);
            }
        }
        out.extend(sums.iter().map(|sum| level(*sum)));
    }
    out
}
