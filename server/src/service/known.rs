//! Workers and tokens as this replica has met them. The statement that acts on it sees to it that they are still so.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cultivar_spec::wire::WorkerIdentity;
use cultivar_spec::{Secret, WorkerId};

use crate::store::token::ValidToken;

/// Workers and tokens kept; beyond, all are forgotten, and looked up where they are needed.
const MAX_KEPT: usize = 65_536;
/// A token is looked up this often all the same, which notes that it is in use.
const FRESH: Duration = Duration::from_secs(30);

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

/// A memory that may be lost, too. By the hash of the secret, which is kept nowhere.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<[u8; 32], (ValidToken, Instant)>>);

impl Tokens {
    /// The token with this secret, if it was valid a short time ago.
    pub fn recall(&self, secret: &Secret) -> Option<ValidToken> {
        let kept = self.kept();
        let (token, since) = kept.get(&secret.hash())?;
        (since.elapsed() < FRESH).then(|| token.clone())
    }

    /// The token was looked up just now.
    pub fn remember(&self, secret: &Secret, token: ValidToken) {
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(secret.hash(), (token, Instant::now()));
    }

    pub fn forget(&self, secret: &Secret) {
        self.kept().remove(&secret.hash());
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<[u8; 32], (ValidToken, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same(one: &WorkerIdentity, other: &WorkerIdentity) -> bool {
    (one.boot, &one.name, &one.device, &one.version)
        == (other.boot, &other.name, &other.device, &other.version)
}
