//! What workers call. Every one of these calls may be sent again: the server recognises a claim by its
//! `request`, and a write by the lease and what it says.

use std::time::Duration;

use cultivar_spec::wire::{
    CheckpointRef, Claim, ClaimReply, Finish, Heartbeat, HeartbeatReply, LeaseReply, LogBatch,
    MetricBatch,
};
use cultivar_spec::{LeaseId, PROTOCOL_HEADER, PROTOCOL_VERSION};
use reqwest::header::HeaderName;
use serde::Serialize;

use crate::http::{CALL_TIMEOUT, Repeat};
use crate::{Client, Error};

/// `/api/v1/leases`, `/api/v1/heartbeats`. Writes of a lease that lost its trial fail with
/// [`Error::is_superseded`]; otherwise each fails as any call may.
impl Client {
    /// Asks for jobs; the server may hold the call for `claim.wait_s`.
    pub async fn claim(&self, claim: &Claim) -> Result<ClaimReply, Error> {
        let mut call = self.post_call(&["leases"], claim, Repeat::Harmless);
        call.timeout = Some(CALL_TIMEOUT + Duration::from_secs_f64(claim.wait_s));
        let header = HeaderName::from_static(PROTOCOL_HEADER);
        call.headers.insert(header, PROTOCOL_VERSION.into());
        self.json(&call).await
    }

    /// Renews the leases listed. Sent once: the next heartbeat is the next try.
    pub async fn heartbeat(
        &self,
        beat: &Heartbeat,
        timeout: Duration,
    ) -> Result<HeartbeatReply, Error> {
        let once = self.clone().with_patience(Duration::ZERO);
        let mut call = once.post_call(&["heartbeats"], beat, Repeat::Harmless);
        call.timeout = Some(timeout);
        once.json(&call).await
    }

    /// Stores metric values and progress.
    pub async fn report_metrics(
        &self,
        lease: LeaseId,
        batch: &MetricBatch,
    ) -> Result<LeaseReply, Error> {
        self.write(lease, "metrics", batch).await
    }

    /// Stores log lines.
    pub async fn report_logs(&self, lease: LeaseId, batch: &LogBatch) -> Result<LeaseReply, Error> {
        self.write(lease, "logs", batch).await
    }

    /// Names the checkpoint, uploaded before, that the next attempt goes on from.
    pub async fn report_checkpoint(
        &self,
        lease: LeaseId,
        checkpoint: &CheckpointRef,
    ) -> Result<LeaseReply, Error> {
        self.write(lease, "checkpoint", checkpoint).await
    }

    /// Ends the attempt with its outcome.
    pub async fn finish(&self, lease: LeaseId, finish: &Finish) -> Result<LeaseReply, Error> {
        self.write(lease, "finish", finish).await
    }

    async fn write(
        &self,
        lease: LeaseId,
        what: &str,
        body: &impl Serialize,
    ) -> Result<LeaseReply, Error> {
        let path = ["leases", &lease.to_string(), what];
        self.post(&path, body, Repeat::Harmless).await
    }
}
