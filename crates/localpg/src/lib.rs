//! A private Postgres cluster: what `cultivar up` runs when nobody gave it a `DATABASE_URL`.
//!
//! It is real Postgres, driven through `initdb`, `postgres` and `pg_ctl`. Compared with an
//! installed service it listens on no port, trusts whoever can enter its socket folder (mode 0700),
//! and belongs to one data folder.
//!
//! The postmaster does **not** die with the process that started it. A database is better stopped
//! than killed, and whoever starts the same folder next adopts the running postmaster. A lock file
//! beside the data folder, held for as long as a [`Cluster`] lives, keeps two owners apart.
//!
//! Everything here blocks; asynchronous callers use a blocking thread.

mod account;
mod binaries;
mod cluster;
mod data_folder;
mod error;
mod postmaster;
mod socket;

pub use binaries::{Binaries, OLDEST_MAJOR};
pub use cluster::{Cluster, Config, Origin};
pub use error::Error;
