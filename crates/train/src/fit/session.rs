//! A job's dataset, opened: the manifest, the decoded images, and who trains and who validates.

use cultivar_spec::TrialSpec;
use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::trainer::JobFiles;
use cultivar_spec::trial::TrainOn;
use tch::Device;

use super::report::Reporter;
use crate::TrainError;
use crate::data::{Cache, CacheKey, Pixels, training_subset};
use crate::preprocess::Preprocess;

/// What training and evaluation have in common.
pub(super) struct Session<'a> {
    pub spec: &'a TrialSpec,
    pub files: &'a JobFiles,
    pub device: Device,
    pub manifest: Manifest,
    pub pixels: Pixels,
    pub preprocess: Preprocess,
    /// Indices into the manifest.
    pub train: Vec<i64>,
    /// Empty for a refit on train and validation.
    pub val: Vec<i64>,
}

impl<'a> Session<'a> {
    pub fn open(
        spec: &'a TrialSpec,
        files: &'a JobFiles,
        device: Device,
        reporter: &mut Reporter<'_>,
    ) -> Result<Self, TrainError> {
        let text = std::fs::read(&files.manifest)
            .map_err(|source| TrainError::io(&files.manifest, source))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(TrainError::Manifest)?;
        let eval_resolution = spec.fit.eval_resolution.unwrap_or(spec.fit.resolution);
        let key =
            CacheKey::for_resolution(manifest.version(), spec.fit.resolution.max(eval_resolution));
        reporter.phase("decoding");
        let cache = Cache::open(
            key,
            &files.cache_dir,
            &files.data,
            manifest.images.len(),
            &mut |_| reporter.alive(),
        )?;
        let val = match spec.data.train_on {
            TrainOn::Train => manifest
                .indices(Split::Val)
                .into_iter()
                .map(|idx| idx as i64)
                .collect(),
            TrainOn::TrainVal => Vec::new(),
        };
        let train = training_subset(&manifest, &spec.data);
        if train.is_empty() {
            return Err(TrainError::EmptySplit("training"));
        }
        let preprocess = Preprocess::of(spec);
        Ok(Self {
            spec,
            files,
            device,
            pixels: Pixels::new(cache, device),
            manifest,
            preprocess,
            train,
            val,
        })
    }
}
