use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::{Progress, SotaEntry};
use crate::{SweepId, TrialId, TrialState};

/// What `GET /api/v1/events` streams. The SSE event name is the `kind`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A trial changed state.
    Trial {
        trial: TrialId,
        sweep: Option<SweepId>,
        dataset: String,
        state: TrialState,
    },
    /// A running trial moved on.
    Progress {
        trial: TrialId,
        sweep: Option<SweepId>,
        progress: Progress,
    },
    /// An evaluation finished.
    Evaluation {
        trial: TrialId,
        dataset: String,
    },
    Sweep {
        sweep: SweepId,
    },
    Dataset {
        name: String,
    },
    Sota {
        entry: SotaEntry,
    },
}
