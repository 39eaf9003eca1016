//! All SQL. Each statement opens with the name of its function, so that the database's own views and
//! logs say where it comes from.

pub mod artifact;
pub mod attempt;
pub mod audit;
pub mod budget;
pub mod claim;
pub mod columns;
pub mod completion;
pub mod cost;
pub mod dataset;
pub mod dump;
pub mod evaluation;
pub mod event;
pub mod health;
pub mod idempotency;
pub mod importance;
pub mod lifecycle;
pub mod log;
pub mod points;
pub mod prediction;
pub mod proposal;
pub mod queue;
pub mod race;
pub mod ranking;
pub mod report;
pub mod schedule;
pub mod sota;
pub mod spec_text;
pub mod sweep;
pub mod token;
pub mod trial;
pub mod weights;
pub mod worker;

use futures::future::BoxFuture;

/// What every statement returns.
pub type Result<T> = std::result::Result<T, sqlx::Error>;

/// A future a transaction's body returns; it borrows the connection.
pub type Step<'c, T> = BoxFuture<'c, std::result::Result<T, crate::error::ApiError>>;
