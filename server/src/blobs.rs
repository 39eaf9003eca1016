//! Artifacts as files named by their SHA-256.
//!
//! A blob is written to a temporary name, flushed to the disk and renamed, so that a name that exists
//! is whole (I5). Another object store can take the folder's place behind these functions.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use cultivar_spec::Sha256Digest;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// A folder of blobs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
}

/// Why a blob was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(
        "the body hashes to {found}, not to the {wanted} it was sent as: it was cut or changed on the way"
    )]
    Mismatch {
        wanted: Sha256Digest,
        found: Sha256Digest,
    },
    #[error("the body ended early: {0}")]
    Body(String),
    #[error("the blob store cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl Blobs {
    /// Opens the folder and makes it if it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub async fn open(dir: PathBuf) -> anyhow::Result<Self> {
        use anyhow::Context;
        let incoming = dir.join("incoming");
        fs::create_dir_all(&incoming)
            .await
            .with_context(|| format!("cannot make the blob folder {}", incoming.display()))?;
        Ok(Self { dir })
    }

    fn path(&self, digest: &Sha256Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    /// Size in bytes, if the blob is here.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn size(&self, digest: &Sha256Digest) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(digest)).await {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// It is not here, or cannot be read.
    pub async fn open_blob(&self, digest: &Sha256Digest) -> io::Result<(File, u64)> {
        let file = File::open(self.path(digest)).await?;
        let n_bytes = file.metadata().await?.len();
        Ok((file, n_bytes))
    }

    /// A small blob, whole.
    ///
    /// # Errors
    /// It is not here, or cannot be read.
    pub async fn read(&self, digest: &Sha256Digest) -> io::Result<Vec<u8>> {
        fs::read(self.path(digest)).await
    }

    /// Stores a stream under the digest it must have, and returns its size in bytes.
    ///
    /// # Errors
    /// The content hashes to something else, the stream breaks, or the disk does.
    pub async fn put<E: std::fmt::Display>(
        &self,
        digest: &Sha256Digest,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, PutError> {
        let temporary = Temporary(self.dir.join("incoming").join(Uuid::new_v4().to_string()));
        let mut file = File::create_new(&temporary.0).await?;
        let mut hash = Sha256::new();
        let mut n_bytes = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| PutError::Body(e.to_string()))?;
            hash.update(&chunk);
            n_bytes += chunk.len() as u64;
            file.write_all(&chunk).await?;
        }
        let found = Sha256Digest(hash.finalize().into());
        if found != *digest {
            return Err(PutError::Mismatch {
                wanted: *digest,
                found,
            });
        }
        file.flush().await?;
        file.sync_all().await?;
        let path = self.path(digest);
        let folder = path.parent().expect("a blob lies in a folder");
        fs::create_dir_all(folder).await?;
        fs::rename(&temporary.0, &path).await?;
        sync_folder(folder).await?;
        sync_folder(&self.dir).await?;
        Ok(n_bytes)
    }

    /// Whether the store can be written right now.
    ///
    /// # Errors
    /// It cannot.
    pub async fn probe(&self) -> io::Result<()> {
        let temporary = Temporary(self.dir.join("incoming").join(Uuid::new_v4().to_string()));
        fs::write(&temporary.0, b"probe").await
    }
}

async fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder).await?.sync_all().await
}

/// Removes the file when dropped; after the rename there is nothing left to remove.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, String>> + Unpin + use<> {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from(*part))).collect();
        stream::iter(parts)
    }

    #[tokio::test]
    async fn a_blob_is_stored_only_under_its_own_hash() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path().to_owned()).await.unwrap();
        let digest = Sha256Digest::of(b"onetwo");

        let wrong = blobs.put(&digest, chunks(&["one", "three"])).await;
        assert!(matches!(wrong, Err(PutError::Mismatch { .. })));
        assert_eq!(blobs.size(&digest).await.unwrap(), None);

        assert_eq!(
            blobs.put(&digest, chunks(&["one", "two"])).await.unwrap(),
            6
        );
        assert_eq!(blobs.read(&digest).await.unwrap(), b"onetwo");
        let incoming = std::fs::read_dir(dir.path().join("incoming"))
            .unwrap()
            .count();
        assert_eq!(incoming, 0, "nothing half-written stays behind");
    }
}
