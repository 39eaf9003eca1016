//! Manifests in memory: content-addressed, so what was read once stays true.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use cultivar_spec::Sha256Digest;
use cultivar_spec::manifest::Manifest;
use cultivar_spec::wire::DatasetFiles;

use crate::blobs::Blobs;

/// Versions kept in memory.
const MAX_KEPT: usize = 64;

/// A manifest and what a worker downloads for it.
pub struct Known {
    pub manifest: Manifest,
    pub files: DatasetFiles,
}

/// Reads manifests from the blob store once each; cheap to clone.
#[derive(Clone)]
pub struct Manifests {
    blobs: Blobs,
    known: Arc<Mutex<HashMap<Sha256Digest, Arc<Known>>>>,
}

impl Manifests {
    pub fn new(blobs: Blobs) -> Self {
        Self {
            blobs,
            known: Arc::default(),
        }
    }

    /// The manifest of a registered dataset version.
    ///
    /// # Errors
    /// Its blob is gone or is no manifest.
    pub async fn get(&self, version: &Sha256Digest) -> anyhow::Result<Arc<Known>> {
        let known = self
            .known
            .lock()
            .expect("no panic under the lock")
            .get(version)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let bytes = self
            .blobs
            .read(version)
            .await
            .with_context(|| format!("cannot read the manifest {version}"))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).with_context(|| format!("{version} is no manifest"))?;
        let files = DatasetFiles {
            name: manifest.name.clone(),
            version: *version,
            manifest: *version,
            data: manifest.files.iter().map(|file| file.sha256).collect(),
        };
        let known = Arc::new(Known { manifest, files });
        let mut all = self.known.lock().expect("no panic under the lock");
        if all.len() >= MAX_KEPT {
            all.clear();
        }
        all.insert(*version, known.clone());
        Ok(known)
    }
}
