//! Retention and garbage collection: which blobs go, and how none goes that is referred to.
//!
//! A blob goes in two steps. Its row is deleted where no reference is left; the foreign keys of
//! everything that refers to a blob have the last word on that. Then, under the lock that publishing takes too, its
//! file is removed unless a row has come back meanwhile. A crash between the steps leaves a file without a
//! row, which a later round finds. Rounds of several replicas do no harm to each other, and while a backup
//! runs no row goes.

use std::time::Duration;

use cultivar_spec::Sha256Digest;
use rand::Rng;

use crate::error::ApiError;
use crate::service::artifacts::broken;
use crate::service::datasets;
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(3600);
/// What an upload left is kept for this long, so that it can go on.
const UPLOAD_AGE: Duration = Duration::from_secs(24 * 3600);
/// Blobs looked at in one query.
const BATCH: i64 = 1000;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Collected {
    /// Trials that lost model and checkpoint to the retention setting.
    pub n_models: u64,
    pub n_blobs: u64,
    /// What uploads had left behind.
    pub n_parts: u64,
}

/// Collects once an hour, until shutdown.
pub async fn run(state: AppState) {
    // Replicas that start together need not collect together.
    let mut wait = EVERY.mul_f64(rand::rng().random_range(0.1..1.0));
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = state.shutdown.cancelled() => return,
        }
        wait = EVERY;
        match collect(&state).await {
            Ok(done) if done != Collected::default() => tracing::info!(?done, "collected garbage"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot collect garbage"),
        }
    }
}

/// One round.
///
/// # Errors
/// The database or the blob store is out of reach, or a manifest cannot be read: then nothing is removed,
/// since what it refers to is not known.
pub async fn collect(state: &AppState) -> Result<Collected, ApiError> {
    let retention = state.config.retention;
    let mut done = Collected::default();
    pin_datasets(state).await?;
    if let Some(keep_best) = retention.keep_best {
        done.n_models = retain(state, keep_best).await?;
    }
    let grace_s = retention.grace.as_secs_f64();
    let mut cursor = None;
    loop {
        let found =
            store::artifact::unreferenced(&state.pool, grace_s, cursor.as_ref(), BATCH).await?;
        let Some(last) = found.last().copied() else {
            break;
        };
        for digest in found {
            done.n_blobs += u64::from(remove(state, digest, grace_s).await?);
        }
        cursor = Some(last);
    }
    let orphans = state.blobs.older_than(retention.grace).await;
    for digests in orphans.map_err(broken)?.chunks(BATCH as usize) {
        let known = store::artifact::sizes(&state.pool, digests).await?;
        let has_row = |digest: &Sha256Digest| known.iter().any(|(known, _)| known == digest);
        for digest in digests.iter().copied().filter(|digest| !has_row(digest)) {
            done.n_blobs += u64::from(unlink(state, digest).await?);
        }
    }
    let parts = state.blobs.clear_incoming(UPLOAD_AGE).await;
    done.n_parts = parts.map_err(broken)? as u64;
    Ok(done)
}

/// Pins the blobs of datasets that a server of an earlier version registered.
async fn pin_datasets(state: &AppState) -> Result<(), ApiError> {
    for version in store::dataset::unpinned(&state.pool).await? {
        let known = state.manifests.get(&version).await?;
        let files = known.manifest.files.iter().map(|file| file.sha256);
        let blobs = datasets::blobs_of(version, files);
        run_tx("pin_dataset", &state.pool, move |conn| {
            Box::pin(async move {
                store::artifact::pin(conn, &blobs, &datasets::holder(version)).await?;
                Ok(())
            })
        })
        .await?;
    }
    Ok(())
}

async fn retain(state: &AppState, keep_best: u32) -> Result<u64, ApiError> {
    let mut n_all = 0;
    loop {
        let n = run_tx("retain", &state.pool, move |conn| {
            Box::pin(async move {
                let ids = store::trial::lock_beyond_best(conn, keep_best).await?;
                // In a statement of its own, which sees the evaluations asked for before the lock.
                Ok(store::trial::forget_models(conn, &ids).await?)
            })
        })
        .await?;
        n_all += n;
        if n == 0 {
            return Ok(n_all);
        }
    }
}

/// Removes a blob unless somebody refers to it, or has asked about it lately.
async fn remove(state: &AppState, digest: Sha256Digest, grace_s: f64) -> Result<bool, ApiError> {
    let deleted = run_tx("collect", &state.pool, move |conn| {
        Box::pin(async move {
            if !store::dump::may_remove_blobs(conn).await? {
                return Ok(false);
            }
            Ok(store::artifact::delete(conn, &digest, grace_s).await?)
        })
    })
    .await;
    match deleted {
        Ok(true) => unlink(state, digest).await,
        Ok(false) => Ok(false),
        // The constraint has spoken: somebody refers to it since.
        Err(ApiError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a file that has no row, and gets none while it is removed.
async fn unlink(state: &AppState, digest: Sha256Digest) -> Result<bool, ApiError> {
    let blobs = state.blobs.clone();
    run_tx("unlink", &state.pool, move |conn| {
        Box::pin(async move {
            store::artifact::lock(conn, &digest).await?;
            if store::artifact::size(&mut *conn, &digest).await?.is_some() {
                return Ok(false);
            }
            blobs.remove(&digest).await.map_err(broken)
        })
    })
    .await
}
