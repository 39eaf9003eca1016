//! Server, worker, trainer and page together.

mod ablate;
mod browser;
mod kills;
mod local;
mod preview;
mod readme;
mod sweep;
mod transfer;
