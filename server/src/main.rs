//! `cultivar-server`: see `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use cultivar_server::{AppState, Config, openapi, serve, service};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The Cultivar server: REST, live events and the web page over one Postgres database.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Address to listen on
    #[arg(long, env = "CULTIVAR_LISTEN", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// Postgres, as postgres://user@host/database
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "print_openapi"
    )]
    database_url: Option<String>,
    /// Folder of blobs and of this machine's admin token
    #[arg(long, env = "CULTIVAR_HOME", required_unless_present = "print_openapi")]
    home: Option<PathBuf>,
    /// Seconds without a heartbeat after which a lease is given to somebody else
    #[arg(long, env = "CULTIVAR_LEASE_S", default_value_t = 30.0, value_parser = seconds)]
    lease_s: f64,
    /// Seconds between a worker's heartbeats
    #[arg(long, env = "CULTIVAR_HEARTBEAT_S", default_value_t = 5.0, value_parser = seconds)]
    heartbeat_s: f64,
    /// Print the description of the API and exit
    #[arg(long)]
    print_openapi: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.05..=86_400.0).contains(&value) => Ok(value),
        _ => Err("want seconds from 0.05 to 86400".into()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.print_openapi {
        print!("{}", openapi::document());
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("CULTIVAR_LOG").unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cultivar-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; choose another with --listen",
            args.listen
        )
    })?;
    let config = Config {
        home: args.home.context("--home is missing")?,
        database_url: args.database_url.context("--database-url is missing")?,
        lease_s: args.lease_s,
        heartbeat_s: args.heartbeat_s,
        local_addr: args.listen,
    };
    serve(config, listener, on_signal()?, announce).await
}

/// Says where the page is: a line for people, and one that `cultivar up` reads.
async fn announce(state: &AppState) -> anyhow::Result<()> {
    let url = state.config.url();
    let token_file = state.config.admin_token_file();
    let login_url = match state.config.is_loopback() {
        true => {
            let login = service::tokens::new_login(state).await?;
            Some(format!("{url}/#login={}", login.reveal()))
        }
        false => None,
    };
    match &login_url {
        Some(login_url) => println!(
            "open {login_url} (once; the admin token is in {})",
            token_file.display()
        ),
        None => println!(
            "serving {url} (the admin token is in {})",
            token_file.display()
        ),
    }
    let ready = serde_json::json!({"url": url, "login_url": login_url});
    println!("CULTIVAR_READY {ready}");
    Ok(())
}

/// Cancelled by the first SIGTERM or SIGINT.
fn on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}
