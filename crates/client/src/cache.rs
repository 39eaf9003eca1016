//! A folder of artifacts, each under its hash: what is there is whole and verified.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cultivar_spec::Sha256Digest;

use crate::{Client, Error};

/// Artifacts on this machine. One process at a time may use a folder.
#[derive(Debug)]
pub struct ArtifactCache {
    client: Client,
    folder: PathBuf,
    /// Downloads under way: the second to ask for an artifact waits for the first.
    busy: Mutex<HashMap<Sha256Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl ArtifactCache {
    /// A cache in an existing folder.
    pub fn new(client: Client, folder: PathBuf) -> Self {
        Self {
            client,
            folder,
            busy: Mutex::default(),
        }
    }

    /// The path of an artifact, downloaded if it is not here.
    ///
    /// # Errors
    /// It cannot be downloaded, or not be written.
    pub async fn get(&self, sha256: Sha256Digest) -> Result<PathBuf, Error> {
        let path = self.folder.join(sha256.to_string());
        let turn = self.lock().entry(sha256).or_default().clone();
        let running = turn.lock().await;
        let exists = tokio::fs::try_exists(&path).await;
        let got = match exists.map_err(|e| Error::file(&path, e)) {
            Ok(true) => Ok(()),
            Ok(false) => self.client.download(sha256, &path).await,
            Err(error) => Err(error),
        };
        drop(running);
        let mut busy = self.lock();
        // Whoever waits for this turn holds it too; another turn would be beside it, not behind it.
        if Arc::strong_count(&turn) == 2 {
            busy.remove(&sha256);
        }
        got.map(|()| path)
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<Sha256Digest, Arc<tokio::sync::Mutex<()>>>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
