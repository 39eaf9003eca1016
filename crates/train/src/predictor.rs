//! A trained model and images that belong to no dataset.
//!
//! Images take the way they take in evaluation: decoded to 8-bit RGB, shrunk as the cache shrinks them, and rendered
//! by the evaluation view. So a prediction here is the one an `evaluate` job would make.

use std::path::Path;

use cultivar_spec::{TrialSpec, model_file};
use image::RgbImage;
use rayon::prelude::*;
use tch::{Device, Kind, no_grad};

use crate::data::cache::Shrink;
use crate::data::resident::PixelBatch;
use crate::error::TrainError;
use crate::models::{self, Mode, Model};
use crate::params::LoadPolicy;
use crate::preprocess::Preprocess;
use crate::weights;

/// A model file, ready to predict.
pub struct Predictor {
    model: Model,
    preprocess: Preprocess,
    classes: Vec<String>,
    device: Device,
}

/// A file that cannot predict.
#[derive(Debug, thiserror::Error)]
pub enum PredictorError {
    #[error(
        "{path} says nothing of its {key}: want a model that Cultivar trained, or `cultivar export`"
    )]
    Metadata { path: String, key: &'static str },
    #[error("{0}")]
    Train(String),
}

impl From<TrainError> for PredictorError {
    fn from(error: TrainError) -> Self {
        Self::Train(error.to_string())
    }
}

impl Predictor {
    /// Opens a model file; see [`cultivar_spec::model_file`].
    ///
    /// # Errors
    /// It cannot be read, says too little of itself, or its tensors are not those of its backbone.
    pub fn open(path: &Path, device: Device) -> Result<Self, PredictorError> {
        let file = weights::read(path).map_err(TrainError::from)?;
        let lacks = |key| PredictorError::Metadata {
            path: path.display().to_string(),
            key,
        };
        let json = |key| file.metadata.get(key).ok_or_else(|| lacks(key));
        let spec: TrialSpec =
            serde_json::from_str(json(model_file::SPEC)?).map_err(|_| lacks(model_file::SPEC))?;
        let classes: Vec<String> = serde_json::from_str(json(model_file::CLASSES)?)
            .map_err(|_| lacks(model_file::CLASSES))?;
        let n_classes = classes.len() as i64;
        let mut model =
            models::of_spec(&spec, n_classes, device, None).map_err(TrainError::from)?;
        model
            .params
            .load(&file.tensors, LoadPolicy::Exact)
            .map_err(|source| TrainError::Load {
                path: path.display().to_string(),
                source,
            })?;
        Ok(Self {
            model,
            preprocess: Preprocess::of(&spec),
            classes,
            device,
        })
    }

    /// The network alone, and how its images are prepared.
    pub(crate) fn into_network(self) -> (Model, Preprocess) {
        (self.model, self.preprocess)
    }

    /// The class names, in the order of the logits.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// What [`Self::top`] does to an image first: for callers that want it done beforehand, on another thread.
    pub fn shrink(&self) -> Shrink {
        self.preprocess.evaluation_shrink()
    }

    /// The `k` likeliest classes of each image, in one batch: indices into [`Self::classes`] with their
    /// probabilities, the likeliest first.
    ///
    /// # Panics
    /// There is no image, or libtorch gives up.
    pub fn top(&self, images: Vec<RgbImage>, k: usize) -> Vec<Vec<(usize, f64)>> {
        let shrink = self.shrink();
        let images: Vec<RgbImage> = images
            .into_par_iter()
            .map(|image| shrink.apply(image))
            .collect();
        let batch = PixelBatch::of(&images, self.device);
        let logits = no_grad(|| {
            self.preprocess
                .mean_over_views(&batch, |images| self.model.forward(images, Mode::Eval))
        });
        let k = k.min(self.classes.len()) as i64;
        let (probabilities, classes) = logits
            .to_kind(Kind::Double)
            .softmax(-1, Kind::Double)
            .to_device(Device::Cpu)
            .topk(k, 1, true, true);
        let at = |row: i64, place: i64| {
            let class = classes.int64_value(&[row, place]) as usize;
            (class, probabilities.double_value(&[row, place]))
        };
        let rows = 0..images.len() as i64;
        rows.map(|row| (0..k).map(|place| at(row, place)).collect())
            .collect()
    }
}
