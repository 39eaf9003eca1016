//! The Hugging Face hub: single files of public repositories, each downloaded once.
//!
//! `{endpoint}/{repo}/resolve/main/{file}` redirects to where the bytes lie, and says in a header,
//! `x-linked-etag`, which SHA-256 they have (of files kept in large-file storage, as weights are). The
//! cache holds contents under their hash, and for each name a note of the hash it had last, which is what
//! offline mode goes by.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cultivar_spec::Sha256Digest;
use futures::StreamExt;
use reqwest::header::{HeaderMap, LOCATION, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

use crate::artifacts::{CHUNK, IDLE, continues, hash_into};
use crate::http::builder;
use crate::{Backoff, digest_of_file};

const ENDPOINT: &str = "https://huggingface.co";
/// How long a hub that does not answer, or sends nothing, is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: usize = 10;

/// A hub and what was downloaded from it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Follows no redirect: the first answer is the one with the hash.
    asks: reqwest::Client,
    /// Follows them to the bytes.
    downloads: reqwest::Client,
    endpoint: Url,
    cache: PathBuf,
    is_offline: bool,
    patience: Duration,
}

/// A file of the hub on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    pub path: PathBuf,
    pub sha256: Sha256Digest,
}

/// A file of the hub cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("{url:?} is not a hub's address: {reason}; want one such as {ENDPOINT}")]
    BadEndpoint { url: String, reason: String },
    #[error("the HTTP client cannot start")]
    Setup(#[source] reqwest::Error),
    #[error("{name} is not in the cache, and HF_HUB_OFFLINE forbids to download it")]
    Offline { name: String },
    #[error("the hub has no {name}, or shows it to members only")]
    Unknown { name: String },
    #[error("{name}: the hub answers {status}")]
    Refused { name: String, status: u16 },
    #[error("{name}: the hub states no SHA-256 of it, so that it could not be verified")]
    NoHash { name: String },
    #[error("{name}: the connection broke ({reason}); what has arrived is kept for the next try")]
    Broken { name: String, reason: String },
    #[error("{name} arrived damaged: the hub states {wanted}, its content hashes to {found}")]
    Damaged {
        name: String,
        wanted: Sha256Digest,
        found: Sha256Digest,
    },
    #[error("{path}: {source}")]
    File { path: String, source: io::Error },
}

impl HubError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// What the hub says of a file before any byte of it.
struct Known {
    url: Url,
    sha256: Sha256Digest,
}

impl Hub {
    /// The hub that the environment asks for: `HF_ENDPOINT` (left out: the public one), not asked at all
    /// under `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// The address is none.
    pub fn from_env(
        cache: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, HubError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
        let is_offline = set("HF_HUB_OFFLINE").is_some_and(|value| {
            let value = value.to_ascii_uppercase();
            ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
        });
        Ok(Self {
            is_offline,
            ..Self::new(&endpoint, cache)?
        })
    }

    /// The hub at an address. Nothing is sent yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(endpoint: &str, cache: &Path) -> Result<Self, HubError> {
        let bad = |reason: String| HubError::BadEndpoint {
            url: endpoint.into(),
            reason,
        };
        let url: Url = endpoint.parse().map_err(|e| bad(format!("{e}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(bad("it is not an http address".into()));
        }
        let client = |policy| {
            let builder = builder(&url).redirect(policy);
            builder.build().map_err(HubError::Setup)
        };
        Ok(Self {
            asks: client(Policy::none())?,
            downloads: client(Policy::limited(MAX_REDIRECTS))?,
            endpoint: url,
            cache: cache.to_owned(),
            is_offline: false,
            patience: PATIENCE,
        })
    }

    /// The same, which waits this long for a hub that is away.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A file of the main branch of a repository, from the cache where its content is known to be the
    /// same. A download that was cut off goes on where it ended.
    ///
    /// # Errors
    /// The hub does not have it or cannot be reached, it arrives damaged, or the cache cannot be written.
    pub async fn file(&self, repo: &str, file: &str) -> Result<HubFile, HubError> {
        let name = format!("{repo}/{file}");
        let note = self.cache.join("names").join(&name);
        let sha256 = if self.is_offline {
            let noted = fs::read_to_string(&note).await.ok();
            let noted = noted.and_then(|text| text.trim().parse().ok());
            noted.ok_or_else(|| HubError::Offline { name: name.clone() })?
        } else {
            let known = self.patiently(None, || self.ask(&name, repo, file)).await?;
            let path = self.path_of(known.sha256);
            if !is_whole(&path, known.sha256).await {
                self.download(&name, &known, &path).await?;
            }
            write_note(&note, known.sha256).await?;
            known.sha256
        };
        let path = self.path_of(sha256);
        if self.is_offline && !is_whole(&path, sha256).await {
            return Err(HubError::Offline { name });
        }
        Ok(HubFile { path, sha256 })
    }

    fn path_of(&self, sha256: Sha256Digest) -> PathBuf {
        self.cache.join("contents").join(sha256.to_string())
    }

    /// Where the file is and what its content hashes to.
    async fn ask(&self, name: &str, repo: &str, file: &str) -> Result<Known, HubError> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .pop_if_empty()
            .extend(repo.split('/'))
            .extend(["resolve", "main"])
            .extend(file.split('/'));
        for _ in 0..MAX_REDIRECTS {
            let sent = self.asks.head(url.clone()).timeout(IDLE).send().await;
            let response = sent.map_err(|error| broken(name, &error))?;
            if let Some(sha256) = linked_etag(response.headers()) {
                return Ok(Known { url, sha256 });
            }
            // A repository that was renamed: the hash comes with the next answer.
            let next = redirect(&response, &url).filter(|next| next.origin() == url.origin());
            match (response.status(), next) {
                (_, Some(next)) => url = next,
                (status, None) if status.is_success() || status.is_redirection() => break,
                (status, None) => return Err(refused(name, status)),
            }
        }
        Err(HubError::NoHash { name: name.into() })
    }

    async fn download(&self, name: &str, known: &Known, path: &Path) -> Result<(), HubError> {
        let folder = path.parent().expect("contents lie in a folder");
        let created = fs::create_dir_all(folder).await;
        created.map_err(|error| HubError::file(folder, error))?;
        let part = path.with_extension("part");
        let fetched = self.patiently(Some(&part), || self.fetch(name, known, &part));
        let fetched = match fetched.await {
            // What an earlier try left may be the cause; it is gone now.
            Err(HubError::Damaged { .. }) => {
                let again = self.patiently(Some(&part), || self.fetch(name, known, &part));
                again.await
            }
            fetched => fetched,
        };
        fetched?;
        let renamed = fs::rename(&part, path).await;
        renamed.map_err(|error| HubError::file(path, error))
    }

    /// One try: brings `part` to its end and verifies it.
    async fn fetch(&self, name: &str, known: &Known, part: &Path) -> Result<(), HubError> {
        let on_file = |error| HubError::file(part, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(part).await.map_err(on_file)?;
        let mut hasher = Sha256::new();
        let n_here = hash_into(&mut file, &mut hasher).await.map_err(on_file)?;

        let mut response = self.get(name, known, n_here).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // It is at its end already, or was longer than the content.
            response = self.get(name, known, 0).await?;
        }
        if !response.status().is_success() {
            return Err(refused(name, response.status()));
        }
        if !continues(&response, n_here) {
            file.rewind().await.map_err(on_file)?;
            file.set_len(0).await.map_err(on_file)?;
            hasher = Sha256::new();
        }
        let mut writer = BufWriter::with_capacity(4 * CHUNK, file);
        let copied = copy(name, response, &mut hasher, &mut writer, part).await;
        // Also after a failure: the next try goes on from here.
        writer.flush().await.map_err(on_file)?;
        copied?;
        let found = Sha256Digest(hasher.finalize().into());
        if found != known.sha256 {
            fs::remove_file(part).await.map_err(on_file)?;
            return Err(HubError::Damaged {
                name: name.into(),
                wanted: known.sha256,
                found,
            });
        }
        writer.into_inner().sync_all().await.map_err(on_file)
    }

    async fn get(&self, name: &str, known: &Known, n_here: u64) -> Result<Response, HubError> {
        let mut request = self.downloads.get(known.url.clone());
        if n_here > 0 {
            request = request.header(RANGE, format!("bytes={n_here}-"));
        }
        match tokio::time::timeout(IDLE, request.send()).await {
            Ok(sent) => sent.map_err(|error| broken(name, &error)),
            Err(_) => Err(stands_still(name)),
        }
    }

    /// Tries again until it succeeds, fails for good, or has got nowhere for too long. A `part` that
    /// grows is progress.
    async fn patiently<T>(
        &self,
        part: Option<&Path>,
        mut once: impl AsyncFnMut() -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut backoff = Backoff::new(MAX_WAIT);
        let mut moved = (0, Instant::now());
        loop {
            let error = match once().await {
                Err(error) if error.is_transient() => error,
                done => return done,
            };
            let n_bytes = match part {
                Some(part) => fs::metadata(part).await.map_or(0, |found| found.len()),
                None => 0,
            };
            if n_bytes > moved.0 {
                moved = (n_bytes, Instant::now());
                backoff.reset();
            }
            let wait = backoff.next(&mut rand::rng());
            if moved.1.elapsed() + wait > self.patience {
                return Err(error);
            }
            tracing::debug!(%error, "trying the hub again");
            tokio::time::sleep(wait).await;
        }
    }
}

async fn copy(
    name: &str,
    response: Response,
    hasher: &mut Sha256,
    writer: &mut BufWriter<File>,
    part: &Path,
) -> Result<(), HubError> {
    let mut body = response.bytes_stream();
    loop {
        let chunk = match tokio::time::timeout(IDLE, body.next()).await {
            Err(_) => return Err(stands_still(name)),
            Ok(None) => return Ok(()),
            Ok(Some(chunk)) => chunk.map_err(|error| broken(name, &error))?,
        };
        hasher.update(&chunk);
        let written = writer.write_all(&chunk).await;
        written.map_err(|error| HubError::file(part, error))?;
    }
}

async fn is_whole(path: &Path, sha256: Sha256Digest) -> bool {
    path.exists()
        && digest_of_file(path)
            .await
            .is_ok_and(|found| found == sha256)
}

async fn write_note(note: &Path, sha256: Sha256Digest) -> Result<(), HubError> {
    let folder = note.parent().expect("a note lies in a folder");
    let created = fs::create_dir_all(folder).await;
    created.map_err(|error| HubError::file(folder, error))?;
    let written = fs::write(note, format!("{sha256}\n")).await;
    written.map_err(|error| HubError::file(note, error))
}

/// The SHA-256 in `x-linked-etag: "..."`.
fn linked_etag(headers: &HeaderMap) -> Option<Sha256Digest> {
    let etag = headers.get("x-linked-etag")?.to_str().ok()?;
    etag.trim_start_matches("W/").trim_matches('"').parse().ok()
}

fn redirect(response: &Response, from: &Url) -> Option<Url> {
    let to = response.headers().get(LOCATION)?.to_str().ok()?;
    let to = from.join(to).ok()?;
    response.status().is_redirection().then_some(to)
}

fn refused(name: &str, status: StatusCode) -> HubError {
    // The hub answers 401 for repositories that are not there.
    match status.as_u16() {
        401 | 403 | 404 => HubError::Unknown { name: name.into() },
        status => HubError::Refused {
            name: name.into(),
            status,
        },
    }
}

fn broken(name: &str, error: &reqwest::Error) -> HubError {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    HubError::Broken {
        name: name.into(),
        reason,
    }
}

fn stands_still(name: &str) -> HubError {
    HubError::Broken {
        name: name.into(),
        reason: format!("nothing moved for {} s", IDLE.as_secs()),
    }
}
