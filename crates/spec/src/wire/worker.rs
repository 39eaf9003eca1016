use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::DeviceInfo;
use crate::{TrialId, WorkerId};

/// One entry of `GET /api/v1/workers`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WorkerView {
    pub id: WorkerId,
    pub name: String,
    pub device: DeviceInfo,
    pub version: String,
    /// When it last sent a heartbeat or claimed.
    pub seen_at: DateTime<Utc>,
    /// Heard of within the length of a lease.
    pub online: bool,
    /// Since when it gets no leases; somebody has to release it.
    pub quarantined_at: Option<DateTime<Utc>>,
    /// Why.
    pub quarantine_reason: Option<String>,
    /// Trials it holds leases of.
    pub trials: Vec<TrialId>,
}
