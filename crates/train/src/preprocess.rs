//! How pixels reach the network: normalisation, filter and evaluation geometry, as resolved at
//! submission.

use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Augment, Interpolation};
use tch::Tensor;

use crate::augment::crop::{View, evaluation_views, training_views};
use crate::augment::resample::{Normalisation, render};
use crate::data::resident::PixelBatch;
use crate::rng::StepRng;

/// ImageNet's, as torchvision and timm have them.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];
const CROP_PCT: f64 = 0.875;

/// From cached pixels to network input.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Preprocess {
    normalisation: Normalisation,
    interpolation: Interpolation,
    crop_pct: f64,
    resolution: u32,
    eval_resolution: u32,
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

    /// This, without what only training crops depend on: equal values give equal features.
    pub fn of_evaluation(&self) -> Self {
        Self {
            resolution: self.eval_resolution,
            ..*self
        }
    }

    /// The evaluation view: `[N, 3, eval_resolution, eval_resolution]` f32, channels-last.
    pub fn evaluation(&self, batch: &PixelBatch) -> Tensor {
        let views = evaluation_views(&batch.sizes, self.eval_resolution, self.crop_pct);
        self.render(batch, &views, self.eval_resolution)
    }

    /// A training view: `[N, 3, resolution, resolution]` f32, channels-last.
    pub fn training(&self, batch: &PixelBatch, augment: &Augment, step: &StepRng) -> Tensor {
        let views = training_views(
            &batch.sizes,
            &augment.crop,
            &augment.flip,
            self.resolution,
            self.crop_pct,
            step,
        );
        self.render(batch, &views, self.resolution)
    }

    fn render(&self, batch: &PixelBatch, views: &[View], resolution: u32) -> Tensor {
        render(
            batch,
            views,
            resolution,
            self.interpolation,
            self.normalisation,
        )
    }
}
