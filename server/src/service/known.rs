//! Workers as this replica has met them. The claim's own statement sees to it that they are still so.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cultivar_spec::WorkerId;
use cultivar_spec::wire::WorkerIdentity;

/// Workers kept; beyond, all are forgotten, and looked up where they claim.
const MAX_KEPT: usize = 65_536;

/// A memory that may be lost.
#[derive(Default)]
pub struct Workers(Mutex<HashMap<WorkerId, WorkerIdentity>>);

impl Workers {
    /// Whether the worker was met as it is now, in good standing.
    pub fn knows(&self, worker: &WorkerIdentity) -> bool {
        let kept = self.kept();
        let met = kept.get(&worker.id);
        met.is_some_and(|met| is_same(met, worker))
    }

    /// The database knows the worker as it is now, and has it in good standing or has put it aside.
    pub fn remember(&self, worker: &WorkerIdentity, is_welcome: bool) {
        if !is_welcome {
            self.kept().remove(&worker.id);
            return;
        }
        if self.knows(worker) {
            return;
        }
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(worker.id, worker.clone());
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<WorkerId, WorkerIdentity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same(one: &WorkerIdentity, other: &WorkerIdentity) -> bool {
    (one.boot, &one.name, &one.device, &one.version)
        == (other.boot, &other.name, &other.device, &other.version)
}
