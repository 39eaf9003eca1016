//! What every part of Cultivar agrees on: ids, the trial spec, the search space,
//! states and outcomes, and the wire protocol. Types and pure functions only:
//! no I/O, no tensors.

pub mod backbones;
pub mod canonical;
pub mod check;
pub mod digest;
pub mod document;
pub mod ids;
pub mod manifest;
pub mod model_file;
pub mod predictions;
pub mod queueing;
pub mod resolve;
pub mod scheduler;
pub mod secret;
pub mod space;
pub mod state;
pub mod sweep;
pub mod trainer;
pub mod trial;
pub mod weights_file;
pub mod wire;
pub mod words;

pub use canonical::{canonical_json, config_id};
pub use check::{Violation, Violations};
pub use digest::Sha256Digest;
pub use ids::*;
pub use secret::{Secret, SecretKind};
pub use state::{Outcome, TrialState};
pub use sweep::SweepSpec;
pub use trial::TrialSpec;

/// Version of the wire protocol, raised by whatever a worker of the version before could not read in a lease. A server leases jobs to
/// workers of this one and of the one before, and takes what any other has to say of those it holds.
pub const PROTOCOL_VERSION: u32 = 1;

/// The header that says with a claim which version its sender speaks. Who sends none speaks the first.
pub const PROTOCOL_HEADER: &str = "cultivar-protocol";

/// Seeds travel as JSON numbers, so they stay exactly representable as `f64`.
pub const MAX_SEED: u64 = (1 << 53) - 1;

/// The largest count on the wire, for the same reason. The database has room for more.
pub const MAX_COUNT: u64 = MAX_SEED;
