//! Server, worker, trainer and page together.

mod browser;
mod kills;
mod readme;
mod sweep;
mod transfer;
