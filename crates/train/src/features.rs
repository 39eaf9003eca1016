//! Features of a frozen backbone: computed once per machine, shared by every head-only trial.
//!
//! They are a function of the dataset version, the backbone and its weights, the activation, the
//! preprocessing, the precision and this code; all of that is the file's name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use cultivar_spec::trial::{Activation, Backbone, Weights};
use cultivar_spec::{Sha256Digest, canonical_json};
use tch::{Kind, Tensor};

use crate::data::lock;
use crate::models::Model;
use crate::preprocess::Preprocess;
use crate::{TrainError, weights};

/// Changes whenever the features of the same inputs would change.
const CODE_VERSION: u32 = 1;
const FEATURES: &str = "features";
/// Prefix of the model's buffers where they were recalibrated.
const BUFFER: &str = "buffer.";

/// What the features of a frozen backbone depend on.
#[derive(Debug, serde::Serialize)]
pub(crate) struct FeatureKey {
    dataset_version: Sha256Digest,
    backbone: String,
    weights: String,
    activation: Activation,
    preprocess: Preprocess,
    /// The images BatchNorm was recalibrated on, if it was.
    recalibrated_on: Option<Sha256Digest>,
    pooling: &'static str,
    dtype: &'static str,
    code_version: u32,
}

impl FeatureKey {
    pub fn new(
        version: Sha256Digest,
        backbone: &Backbone,
        seed: u64,
        preprocess: Preprocess,
        train: &[i64],
    ) -> Self {
        let weights = match (backbone.weights, backbone.weights_sha256) {
            (Weights::Random, _) => format!("random:{seed}"),
            (_, Some(digest)) => digest.to_string(),
            (weights, None) => weights.to_string(),
        };
        let recalibrated_on = needs_recalibration(backbone)
            .then(|| Sha256Digest::of(canonical_json(&train).as_bytes()));
        Self {
            dataset_version: version,
            backbone: backbone.name.clone(),
            weights,
            activation: backbone.activation,
            preprocess,
            recalibrated_on,
            pooling: "mean",
            dtype: "f32",
            code_version: CODE_VERSION,
        }
    }

    fn path(&self, folder: &Path) -> PathBuf {
        let name = Sha256Digest::of(canonical_json(self).as_bytes());
        folder.join("features").join(format!("{name}.safetensors"))
    }
}

/// Statistics of other weights or another activation say nothing about this network.
pub(crate) fn needs_recalibration(backbone: &Backbone) -> bool {
    backbone.weights == Weights::Random || backbone.activation != Activation::Native
}

/// The features of all images, `[n_images, n_features]` f32, from the cache or from `compute`.
/// Where BatchNorm is recalibrated, the model's buffers are those that gave the features.
///
/// # Errors
/// The cache folder cannot be written, or `compute` fails.
pub(crate) fn features(
    key: &FeatureKey,
    folder: &Path,
    model: &mut Model,
    n_images: usize,
    compute: impl FnOnce(&mut Model) -> Result<Tensor, TrainError>,
) -> Result<Tensor, TrainError> {
    let path = key.path(folder);
    let parent = path.parent().expect("features lie in a folder");
    std::fs::create_dir_all(parent).map_err(|source| TrainError::io(parent, source))?;
    let _lock = lock(&path.with_extension("lock"))?;
    let shape = [n_images as i64, model.n_features()];
    // A damaged file is no reason to fail: it is computed again.
    if let Ok((mut saved, _)) = weights::read(&path) {
        if let Some(features) = saved.remove(FEATURES).filter(|found| found.size() == shape) {
            let buffers: HashMap<String, Tensor> = saved
                .into_iter()
                .filter_map(|(name, tensor)| Some((name.strip_prefix(BUFFER)?.to_owned(), tensor)))
                .collect();
            model.params.load_buffers(&buffers);
            return Ok(features.to_device(model.params.device()));
        }
    }
    let features = compute(model)?;
    let mut tensors = vec![(FEATURES.to_owned(), features.shallow_clone())];
    if key.recalibrated_on.is_some() {
        tensors.extend(
            model
                .params
                .buffers()
                .into_iter()
                .map(|(name, tensor)| (format!("{BUFFER}{name}"), tensor)),
        );
    }
    weights::write(&path, &tensors, HashMap::new())?;
    Ok(features.to_kind(Kind::Float))
}
