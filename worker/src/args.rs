//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Pulls trials from a Cultivar server and trains them.
#[derive(Debug, Parser)]
#[command(name = "cultivar-worker", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon (the default).
    Run(RunOptions),
    /// The computing child of the daemon; speaks frames on its standard streams.
    #[command(hide = true)]
    Trainer,
}

impl Default for Command {
    fn default() -> Self {
        // Everything may come from the environment.
        Self::Run(RunOptions::parse_from(["run"]))
    }
}

#[derive(Debug, Parser)]
struct Standalone {
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct RunOptions {
    /// The server.
    #[arg(long, env = "CULTIVAR_URL", default_value = "http://127.0.0.1:7878")]
    pub url: String,
    /// A token of scope worker.
    #[arg(long, env = "CULTIVAR_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// A file that holds the token.
    #[arg(long, env = "CULTIVAR_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Where caches and unfinished work lie.
    #[arg(long, env = "CULTIVAR_HOME")]
    pub home: Option<PathBuf>,
    /// What people call this worker; the host's name otherwise.
    #[arg(long)]
    pub name: Option<String>,
    /// Trials trained at once, each in a trainer of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slots: u32,
    /// End when the queue is empty and nothing runs.
    #[arg(long)]
    pub once: bool,
}

impl RunOptions {
    fn parse_from<const N: usize>(args: [&str; N]) -> Self {
        Standalone::parse_from(args).options
    }
}
