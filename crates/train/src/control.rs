//! Orders to a running job, given from another thread.

use std::collections::HashMap;
use std::sync::Mutex;

use cultivar_spec::trainer::StopWhy;

/// Stop orders by job tag.
#[derive(Debug, Default)]
pub struct Control {
    stops: Mutex<HashMap<String, StopWhy>>,
}

impl Control {
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the tagged job to stop at its next step.
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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, StopWhy>> {
        self.stops
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
