//! Datasets and pretrained weights.

use cultivar_spec::manifest::Manifest;
use cultivar_spec::wire::{DatasetDetail, DatasetView, WeightsEntry};

use crate::{Client, Error};

/// `/api/v1/datasets`, `/api/v1/weights`. Each fails as any call may; see [`Error`].
impl Client {
    /// Datasets, each in its newest version.
    pub async fn datasets(&self) -> Result<Vec<DatasetView>, Error> {
        self.get(&["datasets"], &[]).await
    }

    /// The newest version of a dataset with its manifest.
    pub async fn dataset(&self, name: &str) -> Result<DatasetDetail, Error> {
        self.get(&["datasets", name], &[]).await
    }

    /// Registers a dataset version, whose files were uploaded before.
    pub async fn register_dataset(&self, manifest: &Manifest) -> Result<DatasetView, Error> {
        self.create(&["datasets"], manifest).await
    }

    /// What `pretrained` means for each backbone.
    pub async fn weights(&self) -> Result<Vec<WeightsEntry>, Error> {
        self.get(&["weights"], &[]).await
    }

    /// Makes an artifact, uploaded before, the pretrained weights of a backbone.
    pub async fn register_weights(&self, entry: &WeightsEntry) -> Result<WeightsEntry, Error> {
        self.create(&["weights"], entry).await
    }
}
