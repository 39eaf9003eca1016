//! Storing and opening blobs.

use std::fmt::Display;
use std::io;

use axum::body::Bytes;
use cultivar_spec::wire::{ArtifactView, UploadView};
use cultivar_spec::{Sha256Digest, Violation};
use futures::{Stream, StreamExt};
use tokio::fs::File;

use crate::blobs::{Appended, PutError, Staged};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// What part of an artifact a body holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Its first byte's place.
    pub start: u64,
    /// Bytes of the whole.
    pub n_total: u64,
}

/// Stores a blob under its hash. One that is here already is not written again.
///
/// # Errors
/// The body does not hash to its name (422), or the disk is full (503).
pub async fn store<E: Display>(
    state: &AppState,
    digest: Sha256Digest,
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<ArtifactView, ApiError> {
    let idle = state.config.pace.body;
    if let Some(n_bytes) = size(state, &digest).await? {
        // Read to the end, or a client still sending would see its connection cut instead of a 200.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(idle, body.next()).await {}
        return Ok(ArtifactView {
            sha256: digest,
            n_bytes,
        });
    }
    let staged = state.blobs.stage(&digest, body, idle).await;
    publish(state, staged.map_err(refused)?).await
}

/// Goes on with an upload. `Err` in the answer: so many bytes are here, and more are to come.
///
/// # Errors
/// The upload stands elsewhere or is under way (409, 503), the whole does not hash to its name (422), or
/// the disk is full (503).
pub async fn resume<E: Display>(
    state: &AppState,
    digest: Sha256Digest,
    piece: Piece,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Result<ArtifactView, UploadView>, ApiError> {
    if size(state, &digest).await?.is_some() {
        return store(state, digest, body).await.map(Ok);
    }
    let idle = state.config.pace.body;
    let appended = state
        .blobs
        .append(&digest, piece.start, piece.n_total, body, idle)
        .await;
    match appended.map_err(refused)? {
        Appended::Whole(staged) => publish(state, staged).await.map(Ok),
        Appended::More(n_received) => Ok(Err(UploadView {
            is_stored: false,
            n_received,
        })),
    }
}

/// Where an upload stands.
///
/// # Errors
/// The blob store cannot be read.
pub async fn upload(state: &AppState, digest: &Sha256Digest) -> Result<UploadView, ApiError> {
    if let Some(n_bytes) = size(state, digest).await? {
        return Ok(UploadView {
            is_stored: true,
            n_received: n_bytes,
        });
    }
    Ok(UploadView {
        is_stored: false,
        n_received: state.blobs.n_received(digest).await.map_err(broken)?,
    })
}

/// Size in bytes of a blob that is registered and here. Asking keeps it for a while.
pub async fn size(state: &AppState, digest: &Sha256Digest) -> Result<Option<u64>, ApiError> {
    let registered = store::artifact::touch(&state.pool, digest).await?;
    let here = match registered {
        Some(_) => state.blobs.size(digest).await.map_err(broken)?,
        None => None,
    };
    Ok(registered.filter(|n_bytes| here == Some(*n_bytes)))
}

/// Gives a staged blob its name and its row, as one step for whoever collects garbage.
async fn publish(state: &AppState, staged: Staged) -> Result<ArtifactView, ApiError> {
    let blobs = state.blobs.clone();
    run_tx("publish_artifact", &state.pool, move |conn| {
        Box::pin(async move {
            store::artifact::lock(conn, &staged.digest).await?;
            blobs.publish(&staged).await.map_err(broken)?;
            store::artifact::insert(&mut *conn, &staged.digest, staged.n_bytes).await?;
            Ok(ArtifactView {
                sha256: staged.digest,
                n_bytes: staged.n_bytes,
            })
        })
    })
    .await
}

fn refused(error: PutError) -> ApiError {
    match error {
        PutError::Mismatch { found, .. } => {
            ApiError::violation("", found.to_string(), error.to_string())
        }
        PutError::Body(_) => ApiError::Malformed(error.to_string()),
        PutError::TooLarge => ApiError::TooLarge(error.to_string()),
        PutError::Offset(n_received) => ApiError::WrongOffset(n_received),
        PutError::Busy => ApiError::Unavailable(format!("{error}: try again")),
        PutError::Io(error) => broken(error),
    }
}

/// Opens a blob for reading, with its size in bytes.
///
/// # Errors
/// It is not here.
pub async fn open(state: &AppState, digest: &Sha256Digest) -> Result<(File, u64), ApiError> {
    if store::artifact::touch(&state.pool, digest).await?.is_none() {
        return Err(ApiError::no_such("artifact", digest));
    }
    state
        .blobs
        .open_blob(digest)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ApiError::Internal(anyhow::anyhow!(
                "artifact {digest} is registered and its blob is gone"
            )),
            _ => broken(error),
        })
}

/// Refuses references to artifacts that do not exist (I5): `(pointer, digest)` pairs.
///
/// # Errors
/// One violation for each that is missing.
pub async fn must_exist(
    state: &AppState,
    references: &[(&str, Sha256Digest)],
) -> Result<(), ApiError> {
    let digests: Vec<_> = references.iter().map(|(_, digest)| *digest).collect();
    let known = store::artifact::sizes(&state.pool, &digests).await?;
    let missing: Vec<_> = references
        .iter()
        .filter(|(_, digest)| !known.iter().any(|(found, _)| found == digest))
        .map(|(pointer, digest)| {
            Violation::new(
                *pointer,
                digest.to_string(),
                "an artifact uploaded before it is named here",
            )
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid(cultivar_spec::Violations(missing)))
}

/// A failure of the blob store, in the API's words.
pub fn broken(error: io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            tracing::error!(%error, "the blob store is full");
            ApiError::Unavailable(
                "the server's disk is full: free space in its home folder and try again".into(),
            )
        }
        _ => ApiError::Internal(anyhow::Error::from(error).context("the blob store failed")),
    }
}
