use std::process::ExitCode;

use clap::Parser;
use cultivar_worker::options::{Cli, Command};
use cultivar_worker::{preview, supervisor, trainer};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let done = match cli.command {
        Some(Command::Trainer) => trainer::run(),
        Some(Command::Preview(args)) => preview::run(&args),
        Some(Command::Run(options)) => supervisor::main(options),
        None => supervisor::main(cli.run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cultivar-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}
