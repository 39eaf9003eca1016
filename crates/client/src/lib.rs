//! The typed HTTP client of Cultivar: what the worker, the command line and the tests speak.
//!
//! One method an endpoint, on [`Client`], one file a resource. Calls that may be repeated without
//! harm are, while the server is briefly away; every call that creates something carries an
//! idempotency key, so that repeating it creates one thing.
//!
//! [`Hub`] speaks to another server: the Hugging Face hub, for pretrained weights.

mod access;
mod artifacts;
mod backoff;
mod cache;
mod datasets;
mod error;
mod events;
mod http;
mod hub;
mod leases;
mod problem;
mod ranking;
mod sse;
mod sweeps;
mod trials;

pub use artifacts::digest_of_file;
pub use backoff::Backoff;
pub use cache::ArtifactCache;
pub use error::Error;
pub use events::StreamedEvent;
pub use http::Client;
pub use hub::{Hub, HubError, HubFile};
pub use problem::Problem;
pub use trials::{LogFilter, Logs, TrialFilter};
