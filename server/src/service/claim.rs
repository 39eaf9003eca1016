//! Claims: a worker asks for jobs, and waits while there are none.

use std::time::Duration;

use cultivar_spec::SweepId;
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::Weights;
use cultivar_spec::wire::{Claim, ClaimReply, Job, JobKind, Lease};
use rand::Rng;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth;
use crate::error::ApiError;
use crate::service::desk::{self, Question};
use crate::state::AppState;
use crate::store::claim::Claimed;
use crate::store::spec_text::SpecText;

/// The part of its time that an empty-handed claim waits at least.
const MIN_PATIENCE: f64 = 0.5;

/// What a claim got in the end.
pub struct Taken {
    pub claimed: Vec<Claimed>,
    /// When it was handed out, in seconds from when the claim arrived; negative for what a copy of it had got before.
    pub granted_after_s: f64,
    /// Why its worker gets nothing, where it was put aside.
    pub quarantine: Option<String>,
}

/// Hands out up to `claim.max` leases; with an empty queue waits up to `claim.wait_s` for work.
/// The same `claim.request` gets the same leases.
///
/// # Errors
/// The token ended, or the database is out of reach.
pub async fn claim(
    state: &AppState,
    token: Uuid,
    claim: Claim,
) -> Result<ClaimReply<SpecText>, ApiError> {
    let patience = Duration::from_secs_f64(claim.wait_s);
    let taken = wait(state, token, claim, None).await?;
    let n_claimed = taken.claimed.len();
    let mut leases = Vec::with_capacity(n_claimed);
    for claimed in taken.claimed {
        let (id, trial) = (claimed.lease, claimed.trial);
        match lease(state, claimed).await {
            Ok(lease) => leases.push(lease),
            // It runs out. Were all of the claim to fail, so would whoever gets the trial next.
            Err(error) => {
                tracing::error!(lease = %id, %trial, "a trial cannot be handed out: {error:#}");
            }
        }
    }
    if leases.is_empty() && n_claimed > 0 {
        // Asked again at once, it would go through the whole queue.
        tokio::select! {
            () = tokio::time::sleep(patience) => {}
            () = state.shutdown.cancelled() => {}
        }
    }
    Ok(ClaimReply {
        leases,
        lease_s: state.config.lease_s,
        heartbeat_s: state.config.heartbeat_s,
        granted_after_s: taken.granted_after_s,
        quarantine: taken.quarantine,
    })
}

/// Takes jobs for workers or, where a sweep is `asked` for, its external trials; waits as the claim says.
///
/// # Errors
/// The token ended, or the database is out of reach.
pub async fn wait(
    state: &AppState,
    token: Uuid,
    claim: Claim,
    asked: Option<SweepId>,
) -> Result<Taken, ApiError> {
    let arrived = Instant::now();
    // Claims that came together, after a restart say, are not all sent again together.
    let patience = rand::rng().random_range(MIN_PATIENCE..=1.0);
    let deadline = arrived + Duration::from_secs_f64(claim.wait_s).mul_f64(patience);
    let mut question = Question {
        claim,
        asked,
        token,
        is_new: true,
    };
    let mut quarantine = None;
    let (claimed, asked_after) = loop {
        let woken = state.queue.notified();
        tokio::pin!(woken);
        // Listen before looking, or work that arrives in between would wake nobody.
        woken.as_mut().enable();
        let asked_after = arrived.elapsed();
        let answer = desk::ask(state, question.clone()).await?;
        if !answer.is_admitted {
            return Err(auth::refused());
        }
        quarantine = answer.quarantine.or(quarantine);
        if !answer.claimed.is_empty() || Instant::now() >= deadline {
            break (answer.claimed, asked_after);
        }
        question.is_new = false;
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = state.shutdown.cancelled() => break (Vec::new(), asked_after),
        }
    };
    // Handed out before, to a copy of this claim, they are as old as they are.
    let age_s = claimed
        .iter()
        .map(|claimed| claimed.age_s)
        .fold(0.0, f64::max);
    Ok(Taken {
        claimed,
        granted_after_s: asked_after.as_secs_f64() - age_s,
        quarantine,
    })
}

async fn lease(state: &AppState, claimed: Claimed) -> Result<Lease<SpecText>, ApiError> {
    let version = claimed
        .version
        .ok_or_else(|| anyhow::anyhow!("trial {} is for no worker", claimed.trial))?;
    let known = state.manifests.get(&version).await?;
    let dataset = known.files.clone();
    let job = match claimed.job {
        JobKind::Train => Job::Train {
            weights: match claimed.gist.backbone.weights {
                // On the worker's own disk.
                Weights::File(_) => None,
                _ => claimed.gist.backbone.weights_sha256,
            },
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
