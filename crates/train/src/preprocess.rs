//! How pixels reach the network: the checkpoint's convention, as resolved at submission.

use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Crop, Flip, Interpolation};
use tch::Tensor;

use crate::augment::{evaluation_views, render, training_views};
use crate::data::PixelBatch;

/// Normalisation, interpolation and evaluation geometry.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Preprocess {
    mean: [f64; 3],
    std: [f64; 3],
    interpolation: Interpolation,
    crop_pct: f64,
    eval_resolution: u32,
}

impl Preprocess {
    /// What a spec says. A resolved spec says everything; what it leaves out is ImageNet's usual.
    pub fn of(spec: &TrialSpec) -> Self {
        let input = &spec.input;
        Self {
            mean: input.mean.unwrap_or([0.485, 0.456, 0.406]),
            std: input.std.unwrap_or([0.229, 0.224, 0.225]),
            interpolation: input.interpolation.unwrap_or(Interpolation::Bicubic),
            crop_pct: input.crop_pct.unwrap_or(0.875),
            eval_resolution: spec.fit.eval_resolution.unwrap_or(spec.fit.resolution),
        }
    }

    /// The evaluation view: `[N, 3, eval_resolution, eval_resolution]` f32, channels-last.
    pub fn evaluation(&self, batch: &PixelBatch) -> Tensor {
        let views = evaluation_views(&batch.sizes, self.eval_resolution, self.crop_pct);
        render(
            batch,
            &views,
            self.eval_resolution,
            self.interpolation,
            self.mean,
            self.std,
        )
    }

    /// A training view drawn from (seed, step): `[N, 3, resolution, resolution]` f32, channels-last.
    pub fn training(
        &self,
        batch: &PixelBatch,
        crop: &Crop,
        flip: &Flip,
        resolution: u32,
        draw: (u64, u64),
    ) -> Tensor {
        let views = training_views(&batch.sizes, crop, flip, resolution, self.crop_pct, draw);
        render(
            batch,
            &views,
            resolution,
            self.interpolation,
            self.mean,
            self.std,
        )
    }
}
