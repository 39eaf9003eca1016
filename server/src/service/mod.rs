//! What the server does, between the routes above and the SQL below.

pub mod artifacts;
pub mod claim;
pub mod datasets;
pub mod evaluations;
pub mod fence;
pub mod finish;
pub mod health;
pub mod heartbeat;
pub mod label;
pub mod manifests;
pub mod reaper;
pub mod replay;
pub mod reports;
pub mod resolve;
pub mod scoring;
pub mod series;
pub mod settle;
pub mod sweeps;
pub mod tokens;
pub mod trials;
