//! Whole-system tests: real Postgres, real processes, real images.

mod house;
mod system;
