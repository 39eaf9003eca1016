//! Server, worker, trainer and page together.

mod ablate;
mod browser;
mod chaos;
mod finalists;
mod kills;
mod local;
mod preview;
mod readme;
mod serve;
mod sweep;
mod transfer;
mod tune;
