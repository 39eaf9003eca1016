//! The harness of the whole-system tests: a database of its own, real server and worker
//! processes, and conditions with deadlines instead of sleeps.

pub mod database;
pub mod process;
pub mod stack;
pub mod wait;
