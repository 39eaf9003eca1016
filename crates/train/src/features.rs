//! Features of a frozen backbone: computed once per machine, shared by every head-only trial.
//!
//! They are a function of the dataset version, the decoded size, the backbone with its weights and
//! activation, the preprocessing, the precision, BatchNorm's mode and this code. All of that
//! is the file's name, so a file is never out of date; a damaged one is computed again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, slice};

use cultivar_spec::trial::{Activation, Backbone, Weights};
use cultivar_spec::{Sha256Digest, canonical_json};
use tch::{Device, Kind, Tensor, no_grad};

use crate::data::cache::CacheKey;
use crate::data::{Watch, checksum, lock};
use crate::error::TrainError;
use crate::models::Model;
use crate::preprocess::Preprocess;
use crate::weights;

/// Changes whenever the features of equal inputs would change.
const CODE_VERSION: u32 = 3;
const FEATURES: &str = "features";
/// Prefix of the model's buffers, which recalibration has changed.
const BUFFER: &str = "buffer.";
/// Metadata: the checksum of the features.
const CHECKSUM: &str = "checksum";

/// What the features of a frozen backbone depend on.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct FeatureKey {
    dataset_version: Sha256Digest,
    short_side: u32,
    backbone: String,
    weights: String,
    activation: Activation,
    preprocess: Preprocess,
    batch_norm: &'static str,
    view: &'static str,
    dtype: &'static str,
    code_version: u32,
}

impl FeatureKey {
    /// `seed` is that of random weights; others do not depend on it.
    pub fn new(pixels: CacheKey, backbone: &Backbone, seed: u64, preprocess: Preprocess) -> Self {
        let weights = match (&backbone.weights, backbone.weights_sha256) {
            (Weights::Random, _) => format!("random:{seed}"),
            (_, Some(digest)) => digest.to_string(),
            (weights, None) => weights.to_string(),
        };
        Self {
            dataset_version: pixels.version,
            short_side: pixels.shrink.short_side,
            backbone: backbone.name.clone(),
            weights,
            activation: backbone.activation,
            preprocess: preprocess.of_evaluation(),
            batch_norm: if needs_recalibration(backbone) {
                "recalibrated on the train split"
            } else {
                "running statistics"
            },
            view: "evaluation crop",
            dtype: "f32",
            code_version: CODE_VERSION,
        }
    }

    /// Where their file lies below the cache folder.
    pub fn path(&self, cache_dir: &Path) -> PathBuf {
        let name = Sha256Digest::of(canonical_json(self).as_bytes());
        cache_dir
            .join("features")
            .join(format!("{name}.safetensors"))
    }
}

/// Statistics of other weights or another activation say nothing about this network's activations.
pub(crate) fn needs_recalibration(backbone: &Backbone) -> bool {
    backbone.weights == Weights::Random || backbone.activation != Activation::Native
}

/// The features of all images of the manifest, `[n_images, n_features]` f32 on the model's device,
/// from the cache or from `compute`. Afterwards the model's buffers are those that gave the features.
///
/// # Errors
/// The cache folder cannot be written, `compute` fails, or `watch` gives up while another trainer
/// computes them.
pub(crate) fn features(
    key: &FeatureKey,
    cache_dir: &Path,
    model: &mut Model,
    n_images: usize,
    watch: &mut Watch<'_>,
    compute: impl FnOnce(&mut Model, &mut Watch<'_>) -> Result<Tensor, TrainError>,
) -> Result<Tensor, TrainError> {
    let path = key.path(cache_dir);
    let shape = [n_images as i64, model.n_features()];
    let mut known = read(&path, shape, model);
    let mut held = None;
    if known.is_none() {
        let folder = path.parent().expect("features lie in a folder");
        fs::create_dir_all(folder).map_err(|source| TrainError::io(folder, source))?;
        held = Some(lock(&path.with_extension("lock"), watch)?);
        // Whoever held the lock may have computed them.
        known = read(&path, shape, model);
    }
    let device = model.params.device();
    let found = match known {
        Some(Known { features, buffers }) => {
            for (buffer, known) in model.params.buffers().iter().zip(buffers) {
                no_grad(|| buffer.tensor.shallow_clone().copy_(&known));
            }
            features.to_device(device)
        }
        None => {
            let features = compute(model, watch)?.to_kind(Kind::Float);
            write(&path, model, &features.to_device(Device::Cpu))?;
            features
        }
    };
    drop(held);
    Ok(found)
}

/// The content of a features file, on the CPU.
struct Known {
    features: Tensor,
    /// One for each buffer of the model, in its order.
    buffers: Vec<Tensor>,
}

/// A features file that is there and whole.
fn read(path: &Path, shape: [i64; 2], model: &Model) -> Option<Known> {
    if !path.exists() {
        return None;
    }
    let known = weights::read(path).ok().and_then(|mut file| {
        let features = file.tensors.remove(FEATURES)?;
        let wanted: u64 = file.metadata.get(CHECKSUM)?.parse().ok()?;
        let buffers = model
            .params
            .buffers()
            .iter()
            .map(|buffer| {
                let known = file.tensors.remove(&format!("{BUFFER}{}", buffer.name))?;
                (known.size() == buffer.tensor.size()).then_some(known)
            })
            .collect::<Option<_>>()?;
        let whole = features.size() == shape && checksum_of(&features) == wanted;
        whole.then_some(Known { features, buffers })
    });
    if known.is_none() {
        tracing::warn!("{} is damaged: it is computed again", path.display());
    }
    known
}

fn write(path: &Path, model: &Model, features: &Tensor) -> Result<(), TrainError> {
    let features = features.contiguous();
    let metadata = HashMap::from([(CHECKSUM.to_owned(), checksum_of(&features).to_string())]);
    let mut tensors = vec![(FEATURES.to_owned(), features)];
    let buffers = model.params.buffers().iter();
    tensors.extend(buffers.map(|buffer| {
        let name = format!("{BUFFER}{}", buffer.name);
        (name, buffer.tensor.shallow_clone())
    }));
    Ok(weights::write(path, &tensors, &metadata)?)
}

/// `features`: f32, contiguous, on the CPU.
fn checksum_of(features: &Tensor) -> u64 {
    assert!(features.is_contiguous() && features.device() == Device::Cpu);
    let n_bytes = features.numel() * features.kind().elt_size_in_bytes();
    // SAFETY: the tensor is contiguous host memory of that length and outlives the slice.
    let bytes = unsafe { slice::from_raw_parts(features.data_ptr().cast::<u8>(), n_bytes) };
    checksum(bytes)
}
