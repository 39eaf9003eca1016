//! What a score is worth: intervals, paired tests, and the transfer verdicts.
//!
//! Everything starts from [`Correct`]: how many images of each group each seed got right. A group
//! (one emoji drawn by several vendors, the frames of one video) is one draw, and so is a seed, so
//! groups and seeds are what intervals and tests treat as random, never single images.

pub mod binomial;
pub mod bootstrap;
mod counts;
pub mod holm;
pub mod interval;
pub mod ranking;
mod seeds;
pub mod signflip;
pub mod student;
pub mod transfer;

pub use counts::{Correct, Groups};
pub use seeds::SeedSpread;
