//! Orders to a running job, given from another thread.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cultivar_spec::trainer::StopWhy;

/// Stop orders by job tag. Shared between the thread that trains and the one that listens.
#[derive(Debug, Default)]
pub struct Control {
    stops: Mutex<HashMap<String, StopWhy>>,
}

/// The job was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job was told to stop: {0:?}")]
pub struct Stopped(pub StopWhy);

impl Control {
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the tagged job to stop at its next step. A later order replaces an earlier one.
    pub fn stop(&self, tag: &str, why: StopWhy) {
        self.lock().insert(tag.to_owned(), why);
    }

    /// What the tagged job was told.
    pub fn order(&self, tag: &str) -> Option<StopWhy> {
        self.lock().get(tag).copied()
    }

    /// Forgets a job that is over.
    pub fn forget(&self, tag: &str) {
        self.lock().remove(tag);
    }

    /// A panicking job leaves whole entries behind, so its lock is still good.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, StopWhy>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
