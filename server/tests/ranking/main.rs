//! The leaderboard, the transfer report and the registry of published results, on real Postgres.

mod board;
mod compare;
mod leaderboard;
mod sota;
mod text;
mod transfer;
