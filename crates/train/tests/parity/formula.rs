//! Numbers that Rust and Python both compute exactly: the other half of `bench/parity/formula.py`.

use tch::{Kind, Tensor};

/// `n` numbers in [0, 1) from an integer key: splitmix64 of key * 2^32 + index, its top 24 bits.
pub fn units(key: u64, n: usize) -> Vec<f64> {
    (0..n as u64)
        .map(|idx| {
            let mut z = (key << 32)
                .wrapping_add(idx)
                .wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f64 / f64::from(1 << 24)
        })
        .collect()
}

/// f32 in [low, high), row-major.
pub fn tensor(key: u64, shape: &[i64], low: f64, high: f64) -> Tensor {
    let n: i64 = shape.iter().product();
    let values: Vec<f32> = units(key, n as usize)
        .into_iter()
        .map(|unit| (low + unit * (high - low)) as f32)
        .collect();
    Tensor::from_slice(&values).view(shape)
}

/// `[n, 3, side, side]` f32 in [-2, 2).
pub fn images(key: u64, n: i64, side: i64) -> Tensor {
    let mut pattern = Vec::new();
    for image in 0..n {
        for channel in 0..3 {
            for row in 0..side {
                for column in 0..side {
                    let step = row * (3 + image) + column * (5 + 2 * channel) + 17 * channel;
                    pattern.push((step % 64) as f32 / 64.0 * 3.0 - 1.5);
                }
            }
        }
    }
    let shape = [n, 3, side, side];
    Tensor::from_slice(&pattern).view(shape) + tensor(key, &shape, -0.5, 0.5)
}

/// Sums of the values of tensor `name_idx` under two sets of random signs.
pub fn projections(name_idx: usize, values: &Tensor) -> Vec<f64> {
    let flat = values.detach().to_kind(Kind::Double).contiguous().view(-1);
    (0..2)
        .map(|idx| {
            let key = 1_000_000 + 10 * name_idx as u64 + idx;
            let signs: Vec<f64> = units(key, flat.numel())
                .into_iter()
                .map(|unit| if unit < 0.5 { -1.0 } else { 1.0 })
                .collect();
            (&flat * Tensor::from_slice(&signs))
                .sum(Kind::Double)
                .double_value(&[])
        })
        .collect()
}
