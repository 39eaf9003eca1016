//! The server over real HTTP and real Postgres: every test has a database and a replica of its own.
//!
//! `CULTIVAR_TEST_DATABASE_URL` names a database of a cluster where databases may be made and dropped.

mod access;
mod artifacts;
mod audit;
mod backup;
mod bad_input;
mod budget;
mod claims;
mod combinations;
mod docs;
mod evaluations;
mod events;
mod external;
mod fixtures;
mod harness;
mod hot;
mod invariants;
mod leases;
mod lifecycle;
mod limits;
mod line;
mod logs;
mod machine;
mod metrics;
mod queueing;
mod race;
mod replays;
mod replicas;
mod retries;
mod scheduling;
mod scopes;
mod search;
mod startup;
mod sweeps;
mod tls;
mod together;
mod tokens;
mod tradeoffs;
