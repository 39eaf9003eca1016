//! Every request that went through a proxy, and what came of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

/// One request and its answer. Times are in microseconds of one monotonic clock.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    pub sent_us: u64,
    pub answered_us: u64,
    /// Whose proxy it went through.
    pub via: String,
    pub method: String,
    pub path: String,
    /// Its Idempotency-Key.
    pub key: Option<String>,
    pub request: Value,
    /// None where no server answered.
    pub status: Option<u16>,
    pub response: Value,
    /// Whether the answer was passed on: only then is the call acknowledged.
    pub delivered: bool,
    pub fault: Option<&'static str>,
}

impl Call {
    pub fn succeeded(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// The lease of a call to `/api/v1/leases/{id}/...`, and what it says of it.
    pub fn lease(&self) -> Option<(&str, &str)> {
        self.path.strip_prefix("/api/v1/leases/")?.split_once('/')
    }
}

/// The history in memory, and in a file of JSON lines for whoever wants to know more.
pub struct History {
    start: Instant,
    state: Mutex<(Vec<Call>, BufWriter<File>)>,
}

impl History {
    pub fn create(file: &Path) -> anyhow::Result<Self> {
        let writer = BufWriter::new(File::create(file)?);
        Ok(Self {
            start: Instant::now(),
            state: Mutex::new((Vec::new(), writer)),
        })
    }

    pub fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub fn record(&self, call: Call) {
        let mut state = self.lock();
        let line = serde_json::to_string(&call).expect("a call serializes");
        // The checker reads memory; a full disk costs the file alone.
        let _ = writeln!(state.1, "{line}");
        state.0.push(call);
    }

    pub fn calls(&self) -> Vec<Call> {
        let mut state = self.lock();
        let _ = state.1.flush();
        state.0.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Call>, BufWriter<File>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
