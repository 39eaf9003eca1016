//! Augmentation of whole batches on the device. Random choices are drawn on the host from
//! (seed, step); pixels never leave the device, and one implementation serves CPU and GPU.
//!
//! | step | on | file |
//! | --- | --- | --- |
//! | crop and flip | cached pixels, while they are resampled | [`crop`], [`resample`] |
//! | rotation, policy, colour jitter | levels in [0, 255] | [`draws`], [`policy`]; done by [`ops`] |
//! | normalisation | levels | [`resample`] |
//! | erasing, cutout | normalised images | [`erase`] |
//! | mixing | normalised images and their labels | [`mix`] |
//!
//! This is the order of timm and of torchvision's reference scripts: a policy sees the crop, not the
//! photograph, so its translations and cutouts are shares of what the network sees.

pub mod crop;
pub mod draws;
pub mod erase;
pub mod mix;
pub mod ops;
mod patch;
pub mod policy;
pub mod resample;

use cultivar_spec::trial::Augment;
use tch::Tensor;

use crate::rng::StepRng;
use ops::{Sampling, apply};

/// Rotation, policy and colour jitter.
///
/// `levels: [N, 3, H, W]` f32 in [0, 255], as [`resample::resample`] gives them; `mean`: the colour, as
/// shares of 255, that stands where an image is moved away. Returns the same shape, in whole levels where
/// anything is on, and `levels` itself where nothing is.
pub fn augment_levels(levels: Tensor, augment: &Augment, mean: [f64; 3], step: &StepRng) -> Tensor {
    let n = levels.size()[0] as usize;
    let side = levels.size()[3] as f64;
    let of_mean = Sampling::bilinear(mean.map(|share| (share * 255.0).round().min(255.0)));
    let stages = [
        (draws::rotations(&augment.rotation, n, step), of_mean),
        (
            policy::draw(&augment.policy, n, side, step),
            policy::sampling(&augment.policy, of_mean),
        ),
        (draws::jitters(&augment.color_jitter, n, step), of_mean),
    ];
    if stages.iter().all(|(programs, _)| programs.is_empty()) {
        return levels;
    }
    // The references work on 8-bit images, which a crop has rounded to.
    let mut levels = levels.round().contiguous();
    for (programs, sampling) in &stages {
        levels = apply(levels, programs, sampling);
    }
    levels
}
