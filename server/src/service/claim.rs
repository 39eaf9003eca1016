//! Claims: a worker asks for jobs, and waits while there are none.

use std::time::Duration;

use cultivar_spec::wire::{Claim, ClaimReply, Event, Job, JobKind, Lease};
use cultivar_spec::{SweepId, TrialState, manifest::Split};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;
use crate::store::claim::Claimed;
use crate::tx::run_tx;

/// A claim that met a rival on one trial tries again this often.
const MAX_TRIES: u32 = 3;

/// Hands out up to `claim.max` leases; with an empty queue waits up to `claim.wait_s` for work.
/// The same `claim.request` gets the same leases.
///
/// # Errors
/// The database is out of reach.
pub async fn claim(state: &AppState, claim: Claim) -> Result<ClaimReply, ApiError> {
    let (claimed, quarantine) = wait(state, &claim, None).await?;
    let mut leases = Vec::with_capacity(claimed.len());
    for claimed in claimed {
        leases.push(lease(state, claimed).await?);
    }
    Ok(ClaimReply {
        leases,
        lease_s: state.config.lease_s,
        heartbeat_s: state.config.heartbeat_s,
        quarantine,
    })
}

/// Takes jobs for workers or, where a sweep is `asked` for, its external trials; waits as the claim says.
///
/// # Errors
/// The database is out of reach.
pub async fn wait(
    state: &AppState,
    claim: &Claim,
    asked: Option<SweepId>,
) -> Result<Taken, ApiError> {
    let deadline = Instant::now() + Duration::from_secs_f64(claim.wait_s);
    loop {
        let woken = state.queue.notified();
        tokio::pin!(woken);
        // Listen before looking, or work that arrives in between would wake nobody.
        woken.as_mut().enable();
        let (claimed, quarantine) = take(state, claim, asked).await?;
        if !claimed.is_empty() || Instant::now() >= deadline {
            return Ok((claimed, quarantine));
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = state.shutdown.cancelled() => return Ok((Vec::new(), quarantine)),
        }
    }
}

/// What a claim gets, and why it gets nothing where its worker was put aside.
pub type Taken = (Vec<Claimed>, Option<String>);

async fn take(state: &AppState, claim: &Claim, asked: Option<SweepId>) -> Result<Taken, ApiError> {
    let _permit = state.claims.acquire().await.map_err(anyhow::Error::from)?;
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        match try_take(state, claim.clone(), asked).await {
            // Two replicas met on one trial, and the index on active attempts let one of them through.
            Err(ApiError::Conflict(_)) if n_tries < MAX_TRIES => {}
            Err(ApiError::Conflict(_)) => return Ok((Vec::new(), None)),
            other => return other,
        }
    }
}

async fn try_take(
    state: &AppState,
    claim: Claim,
    asked: Option<SweepId>,
) -> Result<Taken, ApiError> {
    let (taken, n_new) = run_tx("claim", &state.pool, move |conn| {
        Box::pin(async move {
            store::worker::upsert(conn, &claim.worker).await?;
            store::worker::enlist(conn, &claim.worker).await?;
            let before = store::claim::of_request(conn, &claim.worker, claim.request).await?;
            if !before.is_empty() {
                return Ok(((before, None), 0));
            }
            let quarantine = store::worker::quarantine_of(conn, claim.worker.id).await?;
            if quarantine.is_some() {
                return Ok(((Vec::new(), quarantine), 0));
            }
            let n_new =
                store::claim::take(conn, &claim.worker, claim.request, claim.max, asked).await?;
            if n_new == 0 {
                return Ok(((Vec::new(), None), 0));
            }
            let claimed = store::claim::of_request(conn, &claim.worker, claim.request).await?;
            let training = claimed
                .iter()
                .filter(|claimed| claimed.job == JobKind::Train);
            let events: Vec<_> = training.map(begun).collect();
            store::event::append(conn, &events).await?;
            Ok(((claimed, None), n_new))
        })
    })
    .await?;
    state.metrics.claims.inc_by(n_new);
    Ok(taken)
}

fn begun(claimed: &Claimed) -> Event {
    Event::Trial {
        trial: claimed.trial,
        sweep: claimed.sweep,
        dataset: claimed.spec.data.dataset.clone(),
        state: TrialState::Running,
    }
}

async fn lease(state: &AppState, claimed: Claimed) -> Result<Lease, ApiError> {
    let version = claimed
        .version
        .ok_or_else(|| anyhow::anyhow!("trial {} is for no worker", claimed.trial))?;
    let known = state.manifests.get(&version).await?;
    let dataset = known.files.clone();
    let job = match claimed.job {
        JobKind::Train => Job::Train {
            weights: claimed.spec.backbone.weights_sha256,
            spec: Box::new(claimed.spec),
            dataset,
            resume: claimed.resume,
            resume_spec: claimed.resume_spec,
        },
        JobKind::Evaluate => Job::Evaluate {
            spec: Box::new(claimed.spec),
            dataset,
            model: claimed.model.ok_or_else(|| {
                anyhow::anyhow!("trial {} is evaluated and has no model", claimed.trial)
            })?,
            split: claimed.split.unwrap_or(Split::Test),
        },
    };
    Ok(Lease {
        id: claimed.lease,
        trial: claimed.trial,
        epoch: claimed.epoch,
        job,
    })
}
