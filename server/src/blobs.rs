//! Artifacts as files named by their SHA-256.
//!
//! A blob is written to a temporary name, flushed to the disk and renamed, so that a name that exists
//! is whole (I5). Another object store can take the folder's place behind these functions.

use std::fs::TryLockError;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use cultivar_spec::Sha256Digest;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};
use uuid::Uuid;

/// The largest artifact.
const MAX_BYTES: u64 = 256 << 30;

/// A whole, verified and durable file without its name yet. Gone when dropped before it is published.
#[derive(Debug)]
pub struct Staged {
    pub digest: Sha256Digest,
    pub n_bytes: u64,
    temporary: Temporary,
    /// Keeps others from the part.
    _held: Option<std::fs::File>,
}

/// How an upload in pieces stands.
#[derive(Debug)]
pub enum Appended {
    /// So many bytes are here.
    More(u64),
    Whole(Staged),
}

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
    #[error("an artifact has at most {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the upload stands at byte {0}")]
    Offset(u64),
    #[error("somebody else is uploading this artifact")]
    Busy,
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

    /// Where a blob lies that is here.
    pub fn path(&self, digest: &Sha256Digest) -> PathBuf {
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

    /// Writes a stream to the disk under a temporary name, if it hashes as it must.
    ///
    /// # Errors
    /// The content hashes to something else, the stream breaks or stands still, or the disk does.
    pub async fn stage<E: std::fmt::Display>(
        &self,
        digest: &Sha256Digest,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        idle: Duration,
    ) -> Result<Staged, PutError> {
        let temporary = Temporary(self.incoming().join(Uuid::new_v4().to_string()));
        let mut file = File::create_new(&temporary.0).await?;
        let mut hash = Sha256::new();
        let mut n_bytes = 0;
        while let Some(chunk) = next_chunk(&mut body, idle).await? {
            hash.update(&chunk);
            n_bytes += chunk.len() as u64;
            if n_bytes > MAX_BYTES {
                return Err(PutError::TooLarge);
            }
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
        Ok(Staged {
            digest: *digest,
            n_bytes,
            temporary,
            _held: None,
        })
    }

    /// How many bytes of an upload that was cut are here.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn n_received(&self, digest: &Sha256Digest) -> io::Result<u64> {
        match fs::metadata(self.part(digest)).await {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Goes on with an upload at byte `offset` of `n_total`. What arrived stays, also when the stream
    /// breaks. The whole is hashed once it is here, so that it does not matter what a crash did to the part.
    ///
    /// # Errors
    /// So much is not here yet, the upload is under way elsewhere, the whole hashes to something else (then it starts
    /// anew), the stream breaks or stands still, or the disk does.
    pub async fn append<E: std::fmt::Display>(
        &self,
        digest: &Sha256Digest,
        offset: u64,
        n_total: u64,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        idle: Duration,
    ) -> Result<Appended, PutError> {
        if n_total > MAX_BYTES {
            return Err(PutError::TooLarge);
        }
        let path = self.part(digest);
        let (file, locked) = open_part(&path).await?;
        let n_before = file.metadata().await?.len();
        if offset > n_before {
            return Err(PutError::Offset(n_before));
        }
        // Whoever knows better than the part where it went wrong may go back.
        file.set_len(offset).await?;
        let mut n_bytes = offset;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let received = async {
            while let Some(chunk) = next_chunk(&mut body, idle).await? {
                if n_bytes + chunk.len() as u64 > n_total {
                    return Err(PutError::Body(format!("it is longer than {n_total} bytes")));
                }
                writer.write_all(&chunk).await?;
                n_bytes += chunk.len() as u64;
            }
            Ok(())
        };
        let received = received.await;
        // Also after a failure: the next try goes on from here.
        writer.flush().await?;
        received?;
        let file = writer.into_inner();
        if n_bytes < n_total {
            return Ok(Appended::More(n_bytes));
        }
        let temporary = Temporary(path.clone());
        let found = tokio::task::spawn_blocking(move || digest_of_file(&path))
            .await
            .map_err(io::Error::other)??;
        if found != *digest {
            return Err(PutError::Mismatch {
                wanted: *digest,
                found,
            });
        }
        file.sync_all().await?;
        Ok(Appended::Whole(Staged {
            digest: *digest,
            n_bytes,
            temporary,
            _held: Some(locked),
        }))
    }

    /// Gives a staged blob its name. From then on it is there, whole, also after a power cut.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn publish(&self, staged: &Staged) -> io::Result<()> {
        let path = self.path(&staged.digest);
        let folder = path.parent().expect("a blob lies in a folder");
        fs::create_dir_all(folder).await?;
        fs::rename(&staged.temporary.0, &path).await?;
        sync_folder(folder).await?;
        sync_folder(&self.dir).await
    }

    /// Removes a blob, if it is here.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn remove(&self, digest: &Sha256Digest) -> io::Result<bool> {
        match fs::remove_file(self.path(digest)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Blobs whose files have not been written for `age`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn older_than(&self, age: Duration) -> io::Result<Vec<Sha256Digest>> {
        let dir = self.dir.clone();
        let scan = move || {
            let mut found = Vec::new();
            for folder in std::fs::read_dir(&dir)? {
                let folder = folder?.path();
                if !folder.is_dir() {
                    continue;
                }
                for entry in std::fs::read_dir(folder)? {
                    let entry = entry?;
                    let digest = entry
                        .file_name()
                        .to_str()
                        .and_then(|name| name.parse().ok());
                    if let Some(digest) = digest
                        && is_older(&entry, age)
                    {
                        found.push(digest);
                    }
                }
            }
            Ok(found)
        };
        tokio::task::spawn_blocking(scan)
            .await
            .map_err(io::Error::other)?
    }

    /// Removes what uploads left behind and nobody has gone on with for `age`.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub async fn clear_incoming(&self, age: Duration) -> io::Result<usize> {
        let incoming = self.incoming();
        let clear = move || {
            let mut n_removed = 0;
            for entry in std::fs::read_dir(incoming)? {
                let entry = entry?;
                if is_older(&entry, age) && std::fs::remove_file(entry.path()).is_ok() {
                    n_removed += 1;
                }
            }
            Ok(n_removed)
        };
        tokio::task::spawn_blocking(clear)
            .await
            .map_err(io::Error::other)?
    }

    fn incoming(&self) -> PathBuf {
        self.dir.join("incoming")
    }

    fn part(&self, digest: &Sha256Digest) -> PathBuf {
        self.incoming().join(format!("{digest}.part"))
    }

    /// Whether the store can be written right now.
    ///
    /// # Errors
    /// It cannot.
    pub async fn probe(&self) -> io::Result<()> {
        let temporary = Temporary(self.incoming().join(Uuid::new_v4().to_string()));
        fs::write(&temporary.0, b"probe").await
    }
}

/// The next piece, which must come within `idle`.
async fn next_chunk<E: std::fmt::Display>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    idle: Duration,
) -> Result<Option<Bytes>, PutError> {
    match tokio::time::timeout(idle, body.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(PutError::Body(error.to_string())),
        Err(_) => Err(PutError::Body(format!(
            "nothing came for {} s",
            idle.as_secs_f64()
        ))),
    }
}

/// Opens a part at its end, for this upload alone: also against other replicas that share the folder.
async fn open_part(path: &Path) -> Result<(File, std::fs::File), PutError> {
    let path = path.to_owned();
    let open = move || {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PutError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Whoever held it before may have published it: then it is a blob by now, and not ours to write.
        let is_ours = std::fs::metadata(&path)
            .is_ok_and(|found| file.metadata().is_ok_and(|ours| ours.ino() == found.ino()));
        if !is_ours {
            return Err(PutError::Busy);
        }
        let locked = file.try_clone()?;
        Ok((File::from_std(file), locked))
    };
    tokio::task::spawn_blocking(open)
        .await
        .map_err(io::Error::other)?
}

fn digest_of_file(path: &Path) -> io::Result<Sha256Digest> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256Digest(hash.finalize().into())),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn is_older(entry: &std::fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed >= age))
}

async fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder).await?.sync_all().await
}

/// Removes the file when dropped; after the rename there is nothing left to remove.
#[derive(Debug)]
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

    const IDLE: Duration = Duration::from_secs(5);

    async fn store() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path().to_owned()).await.unwrap();
        (dir, blobs)
    }

    fn n_incoming(dir: &tempfile::TempDir) -> usize {
        std::fs::read_dir(dir.path().join("incoming"))
            .unwrap()
            .count()
    }

    #[tokio::test]
    async fn a_blob_is_stored_only_under_its_own_hash() {
        let (dir, blobs) = store().await;
        let digest = Sha256Digest::of(b"onetwo");
        let wrong = blobs.stage(&digest, chunks(&["one", "three"]), IDLE).await;
        assert!(matches!(wrong, Err(PutError::Mismatch { .. })));
        assert_eq!(blobs.size(&digest).await.unwrap(), None);

        let staged = blobs
            .stage(&digest, chunks(&["one", "two"]), IDLE)
            .await
            .unwrap();
        assert_eq!(
            blobs.size(&digest).await.unwrap(),
            None,
            "not before its time"
        );
        blobs.publish(&staged).await.unwrap();
        drop(staged);
        assert_eq!(blobs.read(&digest).await.unwrap(), b"onetwo");
        assert_eq!(n_incoming(&dir), 0, "nothing half-written stays behind");
    }

    #[tokio::test]
    async fn an_upload_goes_on_where_it_was_cut() {
        let (dir, blobs) = store().await;
        let digest = Sha256Digest::of(b"onetwo");
        let append = |offset, parts: &[&'static str]| {
            let body = chunks(parts);
            let blobs = blobs.clone();
            async move { blobs.append(&digest, offset, 6, body, IDLE).await }
        };
        let cut: Vec<Result<Bytes, String>> = vec![Ok(Bytes::from("on")), Err("cut".into())];
        let broken = blobs.append(&digest, 0, 6, stream::iter(cut), IDLE).await;
        assert!(matches!(broken, Err(PutError::Body(_))), "{broken:?}");
        assert_eq!(blobs.n_received(&digest).await.unwrap(), 2);
        let gap = append(3, &["two"]).await;
        assert!(matches!(gap, Err(PutError::Offset(2))), "{gap:?}");
        assert!(matches!(append(2, &["xxx"]).await, Ok(Appended::More(5))));
        assert!(
            matches!(append(2, &["et"]).await, Ok(Appended::More(4))),
            "it may go back"
        );
        let long = append(4, &["wooo"]).await;
        assert!(matches!(long, Err(PutError::Body(_))), "{long:?}");
        let Ok(Appended::Whole(staged)) = append(4, &["wo"]).await else {
            panic!("it is whole");
        };
        // While it is held, nobody else may touch it; nor the blob it becomes.
        assert!(matches!(append(5, &["x"]).await, Err(PutError::Busy)));
        blobs.publish(&staged).await.unwrap();
        drop(staged);
        assert_eq!(blobs.read(&digest).await.unwrap(), b"onetwo");
        assert_eq!(n_incoming(&dir), 0);
    }

    #[tokio::test]
    async fn a_damaged_part_is_thrown_away() {
        let (dir, blobs) = store().await;
        let digest = Sha256Digest::of(b"onetwo");
        std::fs::write(blobs.part(&digest), b"\0\0\0").unwrap();
        let found = blobs.append(&digest, 3, 6, chunks(&["two"]), IDLE).await;
        assert!(matches!(found, Err(PutError::Mismatch { .. })), "{found:?}");
        assert_eq!(n_incoming(&dir), 0, "the next try starts anew");
    }
}
