//! Artifacts: files under their SHA-256, streamed both ways and never held in memory.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::UploadView;
use futures::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufWriter, SeekFrom};
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use crate::http::{Call, Failure, Repeat, broken};
use crate::{Backoff, Client, Error};

pub(crate) const CHUNK: usize = 256 << 10;
/// Files from this size on are sent so that a cut upload goes on where it was.
const RESUMABLE: u64 = 8 << 20;
/// A transfer that stands still for this long is broken.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// The slowest upload that is not given up, in bytes per second.
const MIN_UPLOAD_RATE: u64 = 64 << 10;

/// `/api/v1/artifacts`. Each fails as any call may, or where the file cannot be read or written.
impl Client {
    /// The size of an artifact in bytes, if the server has it.
    pub async fn artifact_size(&self, sha256: Sha256Digest) -> Result<Option<u64>, Error> {
        let call = self.artifact(Method::HEAD, sha256);
        let attempt = || self.send(&call, reqwest::Body::default());
        let found = self.repeat(&call, attempt).await;
        match found {
            Ok(response) => Ok(Some(length(&response).unwrap_or(0))),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a file under its hash and returns it. What the server has is not sent.
    pub async fn upload(&self, path: &Path) -> Result<Sha256Digest, Error> {
        let sha256 = digest_of_file(path).await?;
        self.upload_file(sha256, path, |_| ()).await?;
        Ok(sha256)
    }

    /// Stores a file whose hash is known. `progress` hears how many bytes are on their way.
    pub async fn upload_file(
        &self,
        sha256: Sha256Digest,
        path: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Error> {
        let metadata = tokio::fs::metadata(path).await;
        let n_bytes = metadata.map_err(|e| Error::file(path, e))?.len();
        if self.artifact_size(sha256).await? == Some(n_bytes) {
            return Ok(());
        }
        let mut call = self.artifact(Method::PUT, sha256);
        call.timeout = Some(IDLE + Duration::from_secs(n_bytes / MIN_UPLOAD_RATE));

        let (sent, mut watched) = watch::channel(0);
        let (call, sent) = (&call, &sent);
        let attempt = || async move {
            let mut call = call.clone();
            let start = match n_bytes >= RESUMABLE {
                true => self.n_received(sha256, n_bytes).await?,
                false => 0,
            };
            call.headers
                .insert(CONTENT_LENGTH, (n_bytes - start).into());
            if n_bytes >= RESUMABLE {
                let range = format!("bytes {start}-{}/{n_bytes}", n_bytes - 1);
                let range = HeaderValue::from_str(&range).expect("digits are ASCII");
                call.headers.insert(CONTENT_RANGE, range);
            }
            let body = chunks(path, start, n_bytes, sent.clone()).await?;
            self.send(&call, reqwest::Body::wrap_stream(body)).await
        };
        let transfer = self.repeat(call, attempt);
        tokio::pin!(transfer);
        loop {
            tokio::select! {
                done = &mut transfer => return done.map(drop),
                Ok(()) = watched.changed() => progress(*watched.borrow_and_update()),
            }
        }
    }

    /// Fetches an artifact to `to`, which is whole and verified, or not there. A transfer that broke
    /// goes on from where it was, if the server offers that, even in another process.
    pub async fn download(&self, sha256: Sha256Digest, to: &Path) -> Result<(), Error> {
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);

        let mut backoff = Backoff::new(Duration::from_secs(5));
        let mut moved = (0, Instant::now());
        let mut was_damaged = false;
        loop {
            let Err(error) = self.fetch(sha256, &part).await else {
                break;
            };
            let n_bytes = tokio::fs::metadata(&part).await.map_or(0, |m| m.len());
            if n_bytes > moved.0 {
                moved = (n_bytes, Instant::now());
                backoff.reset();
            }
            let wait = match &error {
                // What an earlier process left may be the cause; it is gone now.
                Error::Damaged { .. } if !was_damaged => Duration::ZERO,
                _ if error.is_transient() => backoff.next(&mut rand::rng()),
                _ => return Err(error),
            };
            was_damaged |= matches!(error, Error::Damaged { .. });
            if moved.1.elapsed() + wait > self.patience && !wait.is_zero() {
                return Err(error);
            }
            tracing::debug!(%error, "going on with the download");
            tokio::time::sleep(wait).await;
        }
        let renamed = tokio::fs::rename(&part, to).await;
        renamed.map_err(|e| Error::file(to, e))
    }

    /// From which byte an upload goes on. A server that does not say takes the whole.
    async fn n_received(&self, sha256: Sha256Digest, n_bytes: u64) -> Result<u64, Failure> {
        let path = ["artifacts", &sha256.to_string(), "upload"];
        let call = self.call(Method::GET, &path, Repeat::Harmless);
        let response = match self.send(&call, reqwest::Body::default()).await {
            Err(failure) if failure.error.status() == Some(404) => return Ok(0),
            other => other?,
        };
        let bytes = response.bytes().await.map_err(|e| broken(&call, &e))?;
        let view: UploadView =
            serde_json::from_slice(&bytes).map_err(|source| Error::Unreadable {
                request: call.line(),
                source,
            })?;
        // Of what is stored meanwhile, the last byte alone is sent, for the answer.
        Ok(view.n_received.min(n_bytes.saturating_sub(1)))
    }

    fn artifact(&self, method: Method, sha256: Sha256Digest) -> Call {
        let mut call = self.call(
            method,
            &["artifacts", &sha256.to_string()],
            Repeat::Harmless,
        );
        call.timeout = (call.method == Method::HEAD).then_some(IDLE);
        call
    }

    /// One try: brings `part` to its end and verifies it.
    async fn fetch(&self, sha256: Sha256Digest, part: &Path) -> Result<(), Error> {
        let on_file = |e| Error::file(part, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(part)
            .await
            .map_err(on_file)?;
        let mut hasher = Sha256::new();
        let n_here = hash_into(&mut file, &mut hasher).await.map_err(on_file)?;

        let mut call = self.artifact(Method::GET, sha256);
        if n_here > 0 {
            let range = HeaderValue::from_str(&format!("bytes={n_here}-"));
            call.headers.insert(RANGE, range.expect("digits are ASCII"));
        }
        let mut response = self.start(&call).await;
        if matches!(&response, Err(error) if error.status() == Some(416)) {
            // It is at its end already, or was longer than the artifact.
            call.headers.remove(RANGE);
            response = self.start(&call).await;
        }
        let response = response?;
        if !continues(&response, n_here) {
            file.rewind().await.map_err(on_file)?;
            file.set_len(0).await.map_err(on_file)?;
            hasher = Sha256::new();
        }

        let mut writer = BufWriter::with_capacity(4 * CHUNK, file);
        let mut body = response.bytes_stream();
        let copied = copy(&call, &mut body, &mut hasher, &mut writer, part).await;
        // Also after a failure: the next try goes on from here.
        writer.flush().await.map_err(on_file)?;
        copied?;
        let found = Sha256Digest(hasher.finalize().into());
        if found != sha256 {
            tokio::fs::remove_file(part).await.map_err(on_file)?;
            return Err(Error::Damaged {
                wanted: sha256,
                found,
            });
        }
        writer.into_inner().sync_all().await.map_err(on_file)
    }

    async fn start(&self, call: &Call) -> Result<Response, Error> {
        let sent = tokio::time::timeout(IDLE, self.send(call, reqwest::Body::default())).await;
        match sent {
            Ok(sent) => sent.map_err(|failure| failure.error),
            Err(_) => Err(stands_still(call)),
        }
    }
}

/// The SHA-256 of a file's content.
///
/// # Errors
/// The file cannot be read.
pub async fn digest_of_file(path: &Path) -> Result<Sha256Digest, Error> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(owned)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Sha256Digest(hasher.finalize().into())),
                n => hasher.update(&buffer[..n]),
            }
        }
    });
    let hashed = hashed.await.expect("hashing does not panic");
    hashed.map_err(|e| Error::file(path, e))
}

/// The file from byte `start`, telling how much of it was taken.
async fn chunks(
    path: &Path,
    start: u64,
    n_bytes: u64,
    sent: watch::Sender<u64>,
) -> Result<impl Stream<Item = std::io::Result<bytes::Bytes>> + use<>, Failure> {
    let on_file = |e| Error::file(path, e);
    let mut file = File::open(path).await.map_err(on_file)?;
    file.seek(SeekFrom::Start(start)).await.map_err(on_file)?;
    sent.send_replace(start);
    // A file that grows meanwhile must not outgrow the length announced.
    let stream = ReaderStream::with_capacity(file.take(n_bytes - start), CHUNK);
    Ok(stream.inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            sent.send_modify(|n| *n += chunk.len() as u64);
        }
    }))
}

pub(crate) async fn hash_into(file: &mut File, hasher: &mut Sha256) -> std::io::Result<u64> {
    let mut n_bytes = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).await? {
            0 => return Ok(n_bytes),
            n => {
                hasher.update(&buffer[..n]);
                n_bytes += n as u64;
            }
        }
    }
}

async fn copy(
    call: &Call,
    body: &mut (impl Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
    hasher: &mut Sha256,
    writer: &mut BufWriter<File>,
    part: &Path,
) -> Result<(), Error> {
    loop {
        let next = tokio::time::timeout(IDLE, body.next()).await;
        let chunk = match next {
            Err(_) => return Err(stands_still(call)),
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => return Err(broken(call, &error)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        hasher.update(&chunk);
        let written = writer.write_all(&chunk).await;
        written.map_err(|e| Error::file(part, e))?;
    }
}

/// Whether the answer starts where the file ends.
pub(crate) fn continues(response: &Response, n_here: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    response.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range.starts_with(&format!("bytes {n_here}-")))
}

fn length(response: &Response) -> Option<u64> {
    let value = response.headers().get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

fn stands_still(call: &Call) -> Error {
    Error::Broken {
        request: call.line(),
        reason: format!("nothing moved for {} s", IDLE.as_secs()),
    }
}
