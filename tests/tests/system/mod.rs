//! Server, worker, trainer and page together.

mod browser;
mod kills;
mod preview;
mod readme;
mod sweep;
mod transfer;
