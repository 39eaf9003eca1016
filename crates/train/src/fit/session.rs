//! A job's dataset: the manifest, who trains and who validates, and the way to the pixels.

use std::fs;
use std::sync::Arc;

use cultivar_spec::TrialSpec;
use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::trainer::JobFiles;
use cultivar_spec::trial::TrainOn;
use tch::{Device, Tensor};

use super::report::Reporter;
use crate::data::cache::{Cache, CacheKey};
use crate::data::order::training_subset;
use crate::data::resident::Pixels;
use crate::error::TrainError;
use crate::predict;
use crate::preprocess::{Preprocess, largest_crop};

/// What training and evaluation have in common.
pub(super) struct Session<'a> {
    pub spec: &'a TrialSpec,
    pub files: &'a JobFiles,
    pub device: Device,
    pub manifest: Manifest,
    pub preprocess: Preprocess,
    /// Indices into the manifest, ascending.
    pub train: Vec<i64>,
    /// The same; empty for a refit on train and validation.
    pub val: Vec<i64>,
}

impl<'a> Session<'a> {
    /// Reads the manifest. No pixel is touched yet.
    ///
    /// # Errors
    /// The manifest cannot be read, or a split that is needed is empty.
    pub fn open(
        spec: &'a TrialSpec,
        files: &'a JobFiles,
        device: Device,
    ) -> Result<Self, TrainError> {
        let path = &files.manifest;
        let text = fs::read(path).map_err(|source| TrainError::io(path, source))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|source| TrainError::Manifest {
                path: path.display().to_string(),
                source,
            })?;
        fs::create_dir_all(&files.work_dir)
            .map_err(|source| TrainError::io(&files.work_dir, source))?;
        let preprocess = Preprocess::of(spec);
        let train = training_subset(&manifest, &spec.data);
        let val = match spec.data.train_on {
            TrainOn::Train => indices(&manifest, Split::Val),
            TrainOn::TrainVal => Vec::new(),
        };
        if train.is_empty() {
            return Err(TrainError::EmptySplit("train"));
        }
        if val.is_empty() && spec.data.train_on == TrainOn::Train {
            return Err(TrainError::EmptySplit("val"));
        }
        Ok(Self {
            spec,
            files,
            device,
            manifest,
            preprocess,
            train,
            val,
        })
    }

    /// The images on the device as random crops are taken from them.
    ///
    /// # Errors
    /// See [`Cache::open`].
    pub fn training_pixels(&self, reporter: &mut Reporter<'_>) -> Result<Pixels, TrainError> {
        let key = CacheKey::for_resolution(self.manifest.version(), largest_crop(self.spec));
        self.pixels(key, reporter)
    }

    /// The images on the device as evaluation crops are taken from them.
    ///
    /// # Errors
    /// See [`Cache::open`].
    pub fn evaluation_pixels(&self, reporter: &mut Reporter<'_>) -> Result<Pixels, TrainError> {
        self.pixels(self.evaluation_key(), reporter)
    }

    /// What the pixels of evaluation are a function of.
    pub fn evaluation_key(&self) -> CacheKey {
        CacheKey {
            version: self.manifest.version(),
            shrink: self.preprocess.evaluation_shrink(),
        }
    }

    /// The decoded images on the device, from the cache of this machine.
    fn pixels(&self, key: CacheKey, reporter: &mut Reporter<'_>) -> Result<Pixels, TrainError> {
        reporter.phase("decoding");
        let cache = Cache::open(
            key,
            &self.files.cache_dir,
            &self.files.data,
            self.manifest.images.len(),
            &mut |done, total| reporter.pulse(done, total),
        )?;
        Ok(Pixels::new(Arc::new(cache), self.device))
    }

    /// The evaluation view of some images, of those that are shrunk for it: `[N, 3, R, R]` f32.
    pub fn evaluation(&self, pixels: &Pixels, indices: &[i64]) -> Tensor {
        self.preprocess.evaluation(&pixels.gather(indices))
    }

    /// The training images with the class of each.
    pub fn labelled_train(&self) -> Vec<(i64, u32)> {
        let label = |&idx: &i64| (idx, self.manifest.images[idx as usize].label);
        self.train.iter().map(label).collect()
    }

    /// The classes of some images: `[N]` i64 on the device.
    pub fn labels(&self, indices: &[i64]) -> Tensor {
        predict::labels_of(&self.manifest, indices).to_device(self.device)
    }

    /// The classes of the validation images: `[N]` i64 on the CPU.
    pub fn val_labels(&self) -> Tensor {
        predict::labels_of(&self.manifest, &self.val)
    }
}

/// The images of a split, ascending.
pub(super) fn indices(manifest: &Manifest, split: Split) -> Vec<i64> {
    let found = manifest.indices(split);
    found.into_iter().map(|idx| idx as i64).collect()
}
