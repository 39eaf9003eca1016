//! Storing and opening blobs.

use std::fmt::Display;
use std::io;

use axum::body::Bytes;
use cultivar_spec::wire::ArtifactView;
use cultivar_spec::{Sha256Digest, Violation};
use futures::{Stream, StreamExt};
use tokio::fs::File;

use crate::blobs::PutError;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

/// Stores a blob under its hash. One that is here already is not written again.
///
/// # Errors
/// The body does not hash to its name (422), or the disk is full (503).
pub async fn store<E: Display>(
    state: &AppState,
    digest: Sha256Digest,
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<ArtifactView, ApiError> {
    if let Some(n_bytes) = store::artifact::size(&state.pool, &digest).await?
        && state.blobs.size(&digest).await.map_err(broken)? == Some(n_bytes)
    {
        // Read to the end, or a client still sending would see its connection cut instead of a 200.
        while let Some(Ok(_)) = body.next().await {}
        return Ok(ArtifactView {
            sha256: digest,
            n_bytes,
        });
    }
    let n_bytes = state
        .blobs
        .put(&digest, body)
        .await
        .map_err(|error| match error {
            PutError::Mismatch { found, .. } => {
                ApiError::violation("", found.to_string(), error.to_string())
            }
            PutError::Body(_) => ApiError::Malformed(error.to_string()),
            PutError::Io(error) => broken(error),
        })?;
    store::artifact::insert(&state.pool, &digest, n_bytes).await?;
    Ok(ArtifactView {
        sha256: digest,
        n_bytes,
    })
}

/// Opens a blob for reading, with its size in bytes.
///
/// # Errors
/// It is not here.
pub async fn open(state: &AppState, digest: &Sha256Digest) -> Result<(File, u64), ApiError> {
    if store::artifact::size(&state.pool, digest).await?.is_none() {
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

fn broken(error: io::Error) -> ApiError {
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
