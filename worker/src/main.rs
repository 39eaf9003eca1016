//! `cultivar-worker`: pulls trials from a server and trains them.
//!
//! The *supervisor* speaks HTTP and never touches a tensor; the *trainer*, its child, computes and
//! never sees a token. Either may die without harm to the other's work.

mod args;
mod frames;
mod supervisor;
mod trainer;

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> std::process::ExitCode {
    let args = args::Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let result = match args.command.unwrap_or_default() {
        args::Command::Run(options) => supervisor::run(options),
        args::Command::Trainer => trainer::run(),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cultivar-worker: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
