//! The operations that policies are made of, each on a whole group of images at once.
//!
//! Every image has a program of its own. The programs run side by side: at each place the images are grouped
//! by operation, and each group is one batched tensor operation with a magnitude for each image.
//! Photometric operations are those of torchvision v2 on uint8 images, within one level;
//! geometric ones are one affine sampling, as torchvision's with `nearest` and as Pillow's with `bilinear`.

mod affine;
mod photometric;

use std::collections::BTreeMap;

use tch::Tensor;

pub use affine::{Affine, Sampling};

/// One operation, with its magnitude where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Shear, translation or rotation.
    Affine(Affine),
    /// 0 is black, 1 changes nothing.
    Brightness(f64),
    /// Saturation: 0 is grey, 1 changes nothing.
    Color(f64),
    /// 0 is the mean grey, 1 changes nothing.
    Contrast(f64),
    /// 0 is blurred, 1 changes nothing.
    Sharpness(f64),
    /// A shift in turns.
    Hue(f64),
    /// Leading bits of each level that are kept, 0 to 8.
    Posterize(u32),
    /// Levels from here on are inverted.
    Solarize(f64),
    /// Added to levels below 128, up to 255.
    SolarizeAdd(f64),
    /// Each channel stretched to the full range.
    AutoContrast,
    /// Each channel's histogram flattened.
    Equalize,
    Invert,
}

/// What is done to one image, in order.
pub type Program = Vec<Op>;

/// Runs `programs[i]` on image `i`; no programs at all change nothing.
///
/// `levels: [N, 3, H, W]` f32, whole levels in [0, 255], contiguous; it is used up. Returns the same.
pub fn apply(mut levels: Tensor, programs: &[Program], sampling: &Sampling) -> Tensor {
    let n_places = programs.iter().map(Vec::len).max().unwrap_or(0);
    for place in 0..n_places {
        let mut groups: BTreeMap<u8, (Vec<i64>, Vec<Op>)> = BTreeMap::new();
        for (idx, program) in programs.iter().enumerate() {
            if let Some(&op) = program.get(place) {
                let (indices, ops) = groups.entry(op.group()).or_default();
                indices.push(idx as i64);
                ops.push(op);
            }
        }
        for (indices, ops) in groups.values() {
            if ops.len() == programs.len() {
                levels = together(&levels, ops, sampling);
            } else {
                let indices = Tensor::from_slice(indices).to_device(levels.device());
                let changed = together(&levels.index_select(0, &indices), ops, sampling);
                let _ = levels.index_copy_(0, &indices, &changed);
            }
        }
    }
    levels
}

/// Operations of one group, one for each image.
fn together(levels: &Tensor, ops: &[Op], sampling: &Sampling) -> Tensor {
    if let Op::Affine(_) = ops[0] {
        let maps: Vec<Affine> = ops
            .iter()
            .map(|op| match op {
                Op::Affine(map) => *map,
                other => unreachable!("{other:?} is in the group of affine maps"),
            })
            .collect();
        return affine::sample(levels, &maps, sampling);
    }
    let magnitudes: Vec<f32> = ops.iter().map(|op| op.magnitude() as f32).collect();
    let magnitudes = Tensor::from_slice(&magnitudes)
        .view([-1, 1, 1, 1])
        .to_device(levels.device());
    photometric::apply(levels, ops[0], &magnitudes)
}

impl Op {
    /// Operations of one group run together.
    fn group(&self) -> u8 {
        match self {
            Self::Affine(_) => 0,
            Self::Brightness(_) => 1,
            Self::Color(_) => 2,
            Self::Contrast(_) => 3,
            Self::Sharpness(_) => 4,
            Self::Hue(_) => 5,
            Self::Posterize(_) => 6,
            Self::Solarize(_) => 7,
            Self::SolarizeAdd(_) => 8,
            Self::AutoContrast => 9,
            Self::Equalize => 10,
            Self::Invert => 11,
        }
    }

    /// The one number of a photometric operation; 0 for those that have none.
    fn magnitude(&self) -> f64 {
        match *self {
            Self::Brightness(x)
            | Self::Color(x)
            | Self::Contrast(x)
            | Self::Sharpness(x)
            | Self::Hue(x)
            | Self::Solarize(x)
            | Self::SolarizeAdd(x) => x,
            Self::Posterize(bits) => bits.into(),
            Self::Affine(_) | Self::AutoContrast | Self::Equalize | Self::Invert => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn programs_side_by_side_do_what_each_does_alone() {
        let side = 12;
        let levels = (Tensor::arange(5 * 3 * side * side, (Kind::Int64, Device::Cpu)) * 7919)
            .remainder(256)
            .to_kind(Kind::Float)
            .view([5, 3, side, side]);
        let sampling = Sampling::bilinear([10.0, 20.0, 30.0]);
        let programs = [
            vec![Op::Equalize, Op::Brightness(0.7)],
            vec![Op::Affine(Affine::rotation(0.3))],
            vec![],
            vec![
                Op::Brightness(1.4),
                Op::Affine(Affine::translation(2.0, 1.0)),
                Op::Invert,
            ],
            vec![Op::Affine(Affine::rotation(-0.2)), Op::Brightness(1.1)],
        ];
        let all = apply(levels.copy(), &programs, &sampling);
        for (idx, program) in programs.iter().enumerate() {
            let one = levels.narrow(0, idx as i64, 1).contiguous();
            let alone = apply(one, std::slice::from_ref(program), &sampling);
            let error = (all.narrow(0, idx as i64, 1) - alone).abs().max();
            assert_eq!(error.double_value(&[]), 0.0, "{program:?}");
        }
    }
}
