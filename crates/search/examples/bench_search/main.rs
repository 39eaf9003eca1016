//! Our side of `make bench-search`: samplers on recorded tables, and how long a question takes.
//!
//! `tables` appends one JSON line per (table, sampler, seed) in the form of `bench/search/optuna_side.py`;
//! `latency` prints one line per sampler and past. `bench/search/report.py` joins both sides.

mod curves;
mod importance;
mod latency;
mod runs;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

#[derive(Parser)]
enum Command {
    /// Regret on recorded tables.
    Tables {
        #[arg(long, num_args = 1..)]
        tables: Vec<PathBuf>,
        /// Lines are appended here; a run that it holds already is not repeated.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 0)]
        first_seed: u64,
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// Kinds of sampler; `kind@8` keeps eight trials in flight.
        #[arg(long, num_args = 1.., default_values_t = ["auto", "tpe", "auto@8", "tpe@8"].map(String::from))]
        samplers: Vec<String>,
        /// Tables by name; all, if left out.
        #[arg(long, num_args = 1..)]
        only: Vec<String>,
        /// Begin no run after so many seconds; call again to go on.
        #[arg(long, default_value_t = 1e9)]
        seconds: f64,
    },
    /// Importance of a table's parameters by a random sample.
    Importance {
        #[arg(long, num_args = 1..)]
        tables: Vec<PathBuf>,
        /// The first of the folder, if left out.
        #[arg(long)]
        table: Option<String>,
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 1_000)]
        results: u32,
    },
    /// Epochs that schedulers need beside random search, on recorded learning curves.
    Curves {
        #[arg(long)]
        curves: PathBuf,
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 200)]
        repeats: u64,
        /// Schedulers by name, such as `hyperband` or `asha, auto`; all, if left out.
        #[arg(long, num_args = 1..)]
        only: Vec<String>,
    },
    /// Time of one question.
    Latency {
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 100)]
        questions: u32,
    },
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Tables {
            tables,
            out,
            first_seed,
            seeds,
            samplers,
            only,
            seconds,
        } => {
            let mut tables = table::tables(&tables)?;
            tables.retain(|table| only.is_empty() || only.contains(&table.name));
            let limit = Duration::from_secs_f64(seconds);
            let seeds = first_seed..first_seed + seeds;
            runs::all(&tables, &samplers, seeds, &out, limit)
        }
        Command::Importance {
            tables,
            table,
            out,
            results,
        } => {
            let tables = table::tables(&tables)?;
            let is_it =
                |found: &&table::Table| table.as_ref().is_none_or(|name| found.name == *name);
            let found = tables.iter().find(is_it).context("no such table")?;
            importance::measure(found, results, 0, &out)
        }
        Command::Curves {
            curves,
            out,
            repeats,
            only,
        } => curves::measure(&curves, repeats, &only, &out),
        Command::Latency { out, questions } => latency::measure(&out, questions),
    }
}
