//! What goes wrong, when, and what it hit.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    KillServer,
    KillWorker,
    KillTrainer,
    FreezeServer,
    FreezeWorker,
    StopPostgres,
    Partition,
    DropRequest,
    DropResponse,
    DelayRequest,
    DelayResponse,
    Duplicate,
    ReplayLate,
    FillDisk,
    SkewClock,
}

impl Kind {
    pub const ALL: [Self; 15] = [
        Self::KillServer,
        Self::KillWorker,
        Self::KillTrainer,
        Self::FreezeServer,
        Self::FreezeWorker,
        Self::StopPostgres,
        Self::Partition,
        Self::DropRequest,
        Self::DropResponse,
        Self::DelayRequest,
        Self::DelayResponse,
        Self::Duplicate,
        Self::ReplayLate,
        Self::FillDisk,
        Self::SkewClock,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::KillServer => "kill -9 of a server",
            Self::KillWorker => "kill -9 of a worker",
            Self::KillTrainer => "kill -9 of a trainer",
            Self::FreezeServer => "SIGSTOP of a server beyond the lease",
            Self::FreezeWorker => "SIGSTOP of a worker beyond the lease",
            Self::StopPostgres => "immediate stop of Postgres",
            Self::Partition => "a worker cut off beyond the lease",
            Self::DropRequest => "a request lost",
            Self::DropResponse => "an answer lost",
            Self::DelayRequest => "a request late",
            Self::DelayResponse => "an answer late",
            Self::Duplicate => "a request sent twice at once",
            Self::ReplayLate => "a request sent again later",
            Self::FillDisk => "the servers' disk full",
            Self::SkewClock => "restart with a wrong clock (faketime)",
        }
    }

    pub fn is_of_network(self) -> bool {
        matches!(
            self,
            Self::DropRequest
                | Self::DropResponse
                | Self::DelayRequest
                | Self::DelayResponse
                | Self::Duplicate
                | Self::ReplayLate
        )
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Claim,
    Heartbeat,
    Metrics,
    Checkpoint,
    Finish,
    Artifact,
    Submit,
}

impl Route {
    const OF_WORKERS: [Self; 6] = [
        Self::Claim,
        Self::Heartbeat,
        Self::Metrics,
        Self::Checkpoint,
        Self::Finish,
        Self::Artifact,
    ];

    pub fn of(method: &str, path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/api/v1/")?;
        match (method, rest.rsplit('/').next()?) {
            ("POST", "leases") => Some(Self::Claim),
            ("POST", "heartbeats") => Some(Self::Heartbeat),
            ("POST", "metrics") => Some(Self::Metrics),
            ("POST", "checkpoint") => Some(Self::Checkpoint),
            ("POST", "finish") => Some(Self::Finish),
            ("POST", "trials" | "sweeps") => Some(Self::Submit),
            ("PUT", _) if rest.starts_with("artifacts/") => Some(Self::Artifact),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Heartbeat => "heartbeat",
            Self::Metrics => "metrics",
            Self::Checkpoint => "checkpoint",
            Self::Finish => "finish",
            Self::Artifact => "upload",
            Self::Submit => "submission",
        }
    }
}

/// One fault of a plan.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: Kind,
    /// Which server or worker, modulo their number.
    pub target: usize,
    /// Of the network's faults: the worker's request, or the submitter's.
    pub route: Route,
    /// How long it lasts or delays, as a share of the lease.
    pub length: f64,
    /// How far ahead a wrong clock is, or behind.
    pub clock_hours: i64,
    /// The wait before it.
    pub after: Duration,
}

/// The faults of a seed: every kind about as often, in random order. The same seed gives the same plan.
pub fn plan(seed: u64, n_faults: usize) -> Vec<Fault> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut kinds = Vec::new();
    while kinds.len() < n_faults {
        let mut deck = Kind::ALL.to_vec();
        deck.shuffle(&mut rng);
        kinds.extend(deck);
    }
    kinds.truncate(n_faults);
    let fault = |kind: Kind| {
        let route = match rng.random_bool(0.15) {
            true => Route::Submit,
            false => *Route::OF_WORKERS.choose(&mut rng).expect("not empty"),
        };
        let length = match kind {
            Kind::FreezeServer | Kind::FreezeWorker | Kind::Partition => 1.2..2.0,
            Kind::ReplayLate => 0.2..3.0,
            _ => 0.1..1.5,
        };
        let off = match rng.random_bool(0.5) {
            true => rng.random_range(1..24),
            false => 24 * rng.random_range(1..400),
        };
        Fault {
            kind,
            target: rng.random_range(0..16),
            route,
            length: rng.random_range(length),
            clock_hours: if rng.random_bool(0.5) { off } else { -off },
            after: Duration::from_millis(rng.random_range(200..1200)),
        }
    };
    kinds.into_iter().map(fault).collect()
}

/// What was done, and what it met.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<Kind, Count>>);

#[derive(Default)]
struct Count {
    n_injected: usize,
    n_hits: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub fn injected(&self, kind: Kind) {
        self.with(kind, |count| count.n_injected += 1);
    }

    pub fn hit(&self, kind: Kind, what: &'static str) {
        self.with(kind, |count| *count.n_hits.entry(what).or_default() += 1);
    }

    fn with(&self, kind: Kind, change: impl FnOnce(&mut Count)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(counts.entry(kind).or_default());
    }

    /// A line a kind; one that hit nothing says so.
    pub fn table(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = format!("{:<38} {:>8}  what it hit\n", "fault", "injected");
        for (kind, count) in counts.iter() {
            let hits = count.n_hits.iter();
            let hits: Vec<_> = hits.map(|(what, n)| format!("{n} {what}")).collect();
            let hits = match hits.is_empty() {
                true => "NOTHING".to_owned(),
                false => hits.join(", "),
            };
            text += &format!("{:<38} {:>8}  {hits}\n", kind.name(), count.n_injected);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_repeats_and_leaves_no_kind_out() {
        let first = format!("{:?}", plan(7, 100));
        assert_eq!(first, format!("{:?}", plan(7, 100)));
        assert_ne!(first, format!("{:?}", plan(8, 100)));
        let plan = plan(7, Kind::ALL.len());
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| plan.iter().any(|fault| fault.kind == *kind))
        );
    }
}
