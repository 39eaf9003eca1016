use std::process::ExitCode;

use clap::Parser;
use cultivar_client::Problem;
use cultivar_spec::secret::Redacted;
use cultivar_worker::options::{Cli, Command};
use cultivar_worker::{local, serve, supervisor, trainer};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Nobody reads along with a daemon; a run in the foreground says itself how it goes.
    let level = match cli.command {
        Some(Command::Train(_) | Command::Predict(_) | Command::Export(_)) => "warn",
        _ => "info",
    };
    let filter = EnvFilter::try_from_env("CULTIVAR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Redacted(std::io::stderr()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let as_json = match &cli.command {
        Some(Command::Train(options)) => options.json,
        Some(Command::Export(args)) => args.json,
        _ => false,
    };
    let success = |()| ExitCode::SUCCESS;
    let done = match cli.command {
        Some(Command::Trainer) => trainer::run().map(success),
        Some(Command::Train(options)) => local::main(&options),
        Some(Command::Predict(options)) => local::predict::main(&options),
        Some(Command::Serve(options)) => serve::main(&options).map(success),
        Some(Command::Export(args)) => local::export::run(&args).map(success),
        Some(Command::Preview(args)) => local::preview::run(&args).map(success),
        Some(Command::Run(options)) => supervisor::main(options).map(success),
        None => supervisor::main(cli.run).map(success),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let problem = Problem::of(error.as_ref());
            match as_json {
                true => eprintln!("{}", serde_json::json!(problem)),
                false => eprintln!("cultivar-worker: {problem}"),
            }
            ExitCode::FAILURE
        }
    }
}
