//! House rules that a machine can check.

mod compose;
mod crate_dag;
mod dependencies;
