//! How pixels reach the network: normalisation, filter and evaluation geometry, as resolved at
//! submission.

use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Augment, Interpolation, Tta};
use tch::Tensor;

use crate::augment::crop::{Spot, View, evaluation_short_side, evaluation_views, training_views};
use crate::augment::resample::{Normalisation, denormalise, normalise, resample};
use crate::augment::{augment_levels, erase};
use crate::data::cache::Shrink;
use crate::data::resident::PixelBatch;
use crate::rng::StepRng;

/// ImageNet's, as torchvision and timm have them.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];
const CROP_PCT: f64 = 0.875;

/// The largest side of any training crop of a run in pixels, whichever phase takes it.
pub(crate) fn largest_crop(spec: &TrialSpec) -> u32 {
    let of_phases = spec.fit.phases.iter().filter_map(|phase| phase.resolution);
    of_phases.fold(spec.fit.resolution, u32::max)
}

/// From cached pixels to network input.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Preprocess {
    normalisation: Normalisation,
    interpolation: Interpolation,
    crop_pct: f64,
    resolution: u32,
    eval_resolution: u32,
    tta: Tta,
}

impl Preprocess {
    /// What a spec says. The server writes the checkpoint's own values into what was left out; a spec
    /// that never met a server gets ImageNet's usual ones.
    pub fn of(spec: &TrialSpec) -> Self {
        let input = &spec.input;
        Self {
            normalisation: Normalisation {
                mean: input.mean.unwrap_or(MEAN),
                std: input.std.unwrap_or(STD),
            },
            interpolation: input.interpolation.unwrap_or(Interpolation::Bicubic),
            crop_pct: input.crop_pct.unwrap_or(CROP_PCT),
            resolution: spec.fit.resolution,
            eval_resolution: spec.fit.eval_resolution.unwrap_or(spec.fit.resolution),
            tta: input.tta,
        }
    }

    /// The same with training crops of another side.
    pub fn at(&self, resolution: u32) -> Self {
        Self {
            resolution,
            ..*self
        }
    }

    /// The largest side of any crop in pixels.
    pub fn largest_resolution(&self) -> u32 {
        self.resolution.max(self.eval_resolution)
    }

    /// The side of evaluation crops in pixels.
    pub fn eval_resolution(&self) -> u32 {
        self.eval_resolution
    }

    /// This, without what only training crops depend on: equal values give equal features.
    pub fn of_evaluation(&self) -> Self {
        Self {
            resolution: self.eval_resolution,
            ..*self
        }
    }

    /// How images are shrunk for evaluation: to the very pixels that timm's transform crops from.
    pub fn evaluation_shrink(&self) -> Shrink {
        Shrink {
            short_side: evaluation_short_side(self.eval_resolution, self.crop_pct),
            interpolation: self.interpolation,
        }
    }

    /// The evaluation crop: `[N, 3, eval_resolution, eval_resolution]` f32, channels-last.
    pub fn evaluation(&self, batch: &PixelBatch) -> Tensor {
        self.seen_at(batch, Spot::Center, false)
    }

    /// The mean of what `of_view` makes of each view an evaluated image is seen in, each as
    /// [`evaluation`](Self::evaluation) gives it; only one is in memory at a time.
    pub fn mean_over_views(
        &self,
        batch: &PixelBatch,
        mut of_view: impl FnMut(&Tensor) -> Tensor,
    ) -> Tensor {
        let (spots, mirrors) = self.views();
        let mut sum: Option<Tensor> = None;
        for &mirrored in mirrors {
            for &spot in spots {
                let result = of_view(&self.seen_at(batch, spot, mirrored));
                sum = Some(match sum {
                    Some(sum) => sum + result,
                    None => result,
                });
            }
        }
        sum.expect("evaluation has a view") / self.n_views() as f64
    }

    /// Views that an evaluated image is seen in.
    pub fn n_views(&self) -> usize {
        let (spots, mirrors) = self.views();
        spots.len() * mirrors.len()
    }

    fn views(&self) -> (&'static [Spot], &'static [bool]) {
        match self.tta {
            Tta::None => (&[Spot::Center], &[false]),
            Tta::Flip => (&[Spot::Center], &[false, true]),
            Tta::MultiCrop => (&Spot::ALL, &[false, true]),
        }
    }

    fn seen_at(&self, batch: &PixelBatch, spot: Spot, mirrored: bool) -> Tensor {
        let side = self.eval_resolution;
        let mut views = evaluation_views(&batch.sizes, side, self.crop_pct, spot);
        for view in &mut views {
            view.flip[1] = mirrored;
        }
        normalise(&self.resample(batch, &views, side), self.normalisation)
    }

    /// A training view: `[N, 3, resolution, resolution]` f32, channels-last; everything but mixing.
    pub fn training(&self, batch: &PixelBatch, augment: &Augment, step: &StepRng) -> Tensor {
        let views = training_views(
            &batch.sizes,
            &augment.crop,
            &augment.flip,
            self.resolution,
            self.crop_pct,
            step,
        );
        let levels = self.resample(batch, &views, self.resolution);
        let levels = augment_levels(levels, augment, self.normalisation.mean, step);
        let images = normalise(&levels, self.normalisation);
        erase::erase(&images, &augment.erasing, step);
        erase::cut_out(&images, &augment.cutout, step);
        images
    }

    /// What the network sees of levels `[N, 3, H, W]` f32 in [0, 255].
    pub fn normalised(&self, levels: &Tensor) -> Tensor {
        normalise(levels, self.normalisation)
    }

    /// Levels `[N, 3, H, W]` f32 in [0, 255] of what the network sees.
    pub fn levels(&self, images: &Tensor) -> Tensor {
        denormalise(images, self.normalisation)
    }

    fn resample(&self, batch: &PixelBatch, views: &[View], resolution: u32) -> Tensor {
        resample(batch, views, resolution, self.interpolation)
    }
}

#[cfg(test)]
mod tests {
    use cultivar_dataset::resample::resize;
    use image::{Rgb, RgbImage, imageops};
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn an_evaluation_crop_is_cut_from_one_resize() {
        let mut spec = TrialSpec::example();
        spec.fit.resolution = 24;
        spec.input.crop_pct = Some(0.8);
        let preprocess = Preprocess::of(&spec);
        // Fine enough a pattern for a second filter to show.
        let image = RgbImage::from_fn(130, 97, |x, y| {
            Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, (x * 5) as u8])
        });
        // 24 / 0.8 is 30, and 130 * 30 / 97 is 40.2.
        let resized = resize(&image, 40, 30, Interpolation::Bicubic);
        let wanted = imageops::crop_imm(&resized, 8, 3, 24, 24).to_image();
        let shrunk = preprocess.evaluation_shrink().apply(image);
        let seen = preprocess.evaluation(&PixelBatch::of(&[shrunk], Device::Cpu));
        let wanted = PixelBatch::of(&[wanted], Device::Cpu).pixels;
        let wanted = wanted.to_kind(Kind::Float).permute([0, 3, 1, 2]);
        let error = (preprocess.levels(&seen) - wanted).abs().max();
        assert!(error.double_value(&[]) < 1e-2, "{error:?} levels");
    }
}
