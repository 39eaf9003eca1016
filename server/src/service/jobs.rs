//! What leases are about, remembered from when this replica handed them out, or heard of them, until they end.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cultivar_spec::trial::Task;
use cultivar_spec::{LeaseId, WorkerId};

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;
use crate::store::attempt::Job;
use crate::store::claim::Claimed;

/// Jobs kept; beyond, all are forgotten, and looked up where they are asked for.
const MAX_KEPT: usize = 65_536;

/// A memory that may be lost: another replica, or this one after a restart, asks the database.
#[derive(Default)]
pub struct Jobs(Mutex<HashMap<LeaseId, Job>>);

impl Jobs {
    pub fn remember(&self, worker: WorkerId, claimed: &Claimed) {
        let gist = &claimed.gist;
        let job = Job {
            trial: claimed.trial,
            worker,
            sweep: claimed.sweep,
            dataset: gist.data.dataset.clone(),
            job: claimed.job,
            split: claimed.split,
            is_external: matches!(gist.task, Task::External { .. }),
            train_on: gist.data.train_on,
            objective: gist.objective.metric,
            version: claimed.version,
        };
        self.keep(claimed.lease, job);
    }

    fn keep(&self, lease: LeaseId, job: Job) {
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(lease, job);
    }

    pub fn forget(&self, lease: LeaseId) {
        self.kept().remove(&lease);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<LeaseId, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job behind a lease.
///
/// # Errors
/// There is no such lease.
pub async fn of_lease(state: &AppState, lease: LeaseId) -> Result<Job, ApiError> {
    let kept = state.jobs.kept().get(&lease).cloned();
    if let Some(job) = kept {
        return Ok(job);
    }
    let mut conn = state.hot.lend().await?;
    let job = store::attempt::job(&mut *conn, lease).await?;
    conn.keep();
    let job = job.ok_or_else(|| ApiError::no_such("lease", lease))?;
    state.jobs.keep(lease, job.clone());
    Ok(job)
}
