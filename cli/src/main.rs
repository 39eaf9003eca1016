//! `cultivar`: the command line. See `--help`.

mod ablate;
mod augment;
mod backup;
mod dataset;
mod export;
mod finalists;
mod home;
mod leaderboard;
mod logs;
mod numbers;
mod predict;
mod session;
mod sota;
mod study;
mod sweep;
mod table;
mod token;
mod transfer;
mod trial;
mod tune;
mod up;
mod verdict;
mod watch;
mod weights;
mod worker;
mod yaml;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use cultivar_client::Problem;
use tracing_subscriber::EnvFilter;

use session::Global;

/// Finds the best way to fine-tune a pretrained vision model on your small dataset.
#[derive(Parser, Debug)]
#[command(name = "cultivar", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 it did not work, standard error says why; 2 the command line is wrong;
3 done, but some of the trials waited for have failed.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Run Postgres, the server and workers on this machine
    Up(up::Up),
    /// Stop what `cultivar up` runs
    Down,
    /// Print the data folder
    Home,
    /// Images to train on
    #[command(subcommand)]
    Dataset(dataset::Command),
    /// Pretrained weights of backbones
    #[command(subcommand)]
    Weights(weights::Command),
    /// What a training image goes through
    #[command(subcommand)]
    Augment(augment::Command),
    /// Sets of trials drawn from a search space
    #[command(subcommand)]
    Sweep(sweep::Command),
    /// Single trials
    #[command(subcommand)]
    Trial(trial::Command),
    /// Configurations ranked, beside published results
    Leaderboard(leaderboard::Leaderboard),
    Transfer(transfer::Transfer),
    Ablate(ablate::Ablate),
    Tune(tune::Tune),
    Finalists(finalists::Finalists),
    Export(export::Export),
    Predict(predict::Predict),
    /// Published results
    #[command(subcommand)]
    Sota(sota::Command),
    /// API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Make a link that logs a browser in, once, and print it
    LoginUrl,
    /// Worker daemons
    #[command(subcommand)]
    Worker(worker::Command),
    Backup(backup::Backup),
    Restore(backup::Restore),
    /// Print a completion script for a shell
    Completions {
        shell: Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("CULTIVAR_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let as_json = cli.global.json;
    match run(cli).await {
        Ok(code) => code,
        Err(error) => {
            let problem = Problem::of(error.as_ref());
            match as_json {
                true => eprintln!("{}", serde_json::json!(problem)),
                false => eprintln!("cultivar: {problem}"),
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    let done = |()| ExitCode::SUCCESS;
    match cli.command {
        Command::Up(args) => up::run(args, &global.home()?, global.json).await.map(done),
        Command::Down => up::down(&global.home()?, global.json).await.map(done),
        Command::Home => {
            println!("{}", global.home()?.path().display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Dataset(command) => dataset::run(command, &global).await.map(done),
        Command::Weights(command) => {
            let hub = global.home()?.hub();
            weights::run(command, &global.connect()?, &hub)
                .await
                .map(done)
        }
        Command::Augment(command) => augment::run(command, global.json).await.map(done),
        Command::Sweep(command) => sweep::run(command, &global.connect()?).await,
        Command::Trial(command) => trial::run(command, &global.connect()?).await.map(done),
        Command::Leaderboard(args) => leaderboard::run(args, &global.connect()?).await.map(done),
        Command::Transfer(args) => transfer::run(args, &global.connect()?).await,
        Command::Ablate(args) => ablate::run(args, &global.connect()?).await,
        Command::Tune(args) => tune::run(args, &global.connect()?).await,
        Command::Finalists(args) => finalists::run(args, &global.connect()?).await,
        Command::Export(args) => export::run(args, &global.connect()?).await.map(done),
        Command::Predict(args) => predict::run(args, &global).await,
        Command::Sota(command) => sota::run(command, &global.connect()?).await.map(done),
        Command::Token(command) => token::run(command, &global.connect()?).await.map(done),
        Command::LoginUrl => token::login_url(&global.connect()?).await.map(done),
        Command::Worker(command) => worker::run(command, &global.connect()?).await.map(done),
        Command::Backup(args) => backup::backup(&args, &global.home()?).await.map(done),
        Command::Restore(args) => backup::restore(&args, &global.home()?).await.map(done),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "cultivar",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_go_anywhere() {
        for line in [
            "cultivar --json sweep ls",
            "cultivar sweep --json ls",
            "cultivar sweep ls --json",
        ] {
            assert!(parse(line).unwrap().global.json, "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "cultivar up --no-worker --workers 2",
            "cultivar trial evaluate 018f2f8e-0000-7000-8000-000000000000 --split test",
            "cultivar trial show not-an-id",
            "cultivar leaderboard birds --format yaml",
            "cultivar transfer birds --no-run --test",
            "cultivar tune birds --no-run --test",
            "cultivar tune birds --top 0",
            "cultivar weights add",
            "cultivar weights add efficientnet_lite0 a.safetensors --mean 0.5,0.5",
            "cultivar up --listen nowhere",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn help_reads_well() {
        let mut help = String::new();
        let mut cli = Cli::command().term_width(100);
        help.push_str(&cli.render_help().to_string());
        for path in [
            &["up"][..],
            &["dataset", "add"],
            &["weights", "add"],
            &["sweep", "submit"],
            &["trial", "evaluate"],
            &["leaderboard"],
            &["transfer"],
            &["tune"],
        ] {
            let mut command = Cli::command().term_width(100);
            command.build();
            let sub = path.iter().fold(&mut command, |command, name| {
                command.find_subcommand_mut(name).unwrap()
            });
            help.push_str(&format!("\n--- {}\n{}", path.join(" "), sub.render_help()));
        }
        insta::assert_snapshot!(help);
    }
}
