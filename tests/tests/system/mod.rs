//! Server, worker, trainer and page together.

mod ablate;
mod browser;
mod chaos;
mod kills;
mod local;
mod preview;
mod readme;
mod serve;
mod sweep;
mod transfer;
mod tune;
