//! `cultivar-server`: see `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use cultivar_server::config::{Retention, TlsFiles};
use cultivar_server::{AppState, Config, openapi, serve, service};
use cultivar_spec::secret::{Redacted, redact};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Rows, documents and answers are many small allocations on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Cultivar server: REST, live events and the web page over one Postgres database.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Address to listen on
    #[arg(long, env = "CULTIVAR_LISTEN", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// Postgres, as postgres://user@host/database
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Folder of blobs and of this machine's admin token
    #[arg(long, global = true, env = "CULTIVAR_HOME")]
    home: Option<PathBuf>,
    /// Seconds without a heartbeat after which a lease is given to somebody else
    #[arg(long, env = "CULTIVAR_LEASE_S", default_value_t = 30.0, value_parser = seconds)]
    lease_s: f64,
    /// Seconds between a worker's heartbeats
    #[arg(long, env = "CULTIVAR_HEARTBEAT_S", default_value_t = 5.0, value_parser = seconds)]
    heartbeat_s: f64,
    /// Serve TLS with this certificate chain, as PEM
    #[arg(
        long,
        env = "CULTIVAR_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM
    #[arg(
        long,
        env = "CULTIVAR_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// What people type where a proxy stands before this server, such as https://cultivar.example
    #[arg(long, env = "CULTIVAR_PUBLIC_URL", value_name = "URL", value_parser = origin)]
    public_url: Option<String>,
    /// Believe the last entry of X-Forwarded-For: only where your own proxy writes it
    #[arg(long, env = "CULTIVAR_TRUST_FORWARDED_FOR")]
    trust_forwarded_for: bool,
    /// Multiplies the built-in rate limits; 0 takes them away
    #[arg(long, env = "CULTIVAR_RATE_LIMIT", default_value_t = 1.0, value_name = "FACTOR", value_parser = factor)]
    rate_limit: f64,
    /// Of every sweep, keep models and checkpoints of this many best completed trials [default: of all]
    #[arg(long, env = "CULTIVAR_KEEP_BEST", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_best: Option<u32>,
    /// Print the description of the API and exit
    #[arg(long)]
    print_openapi: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Write database and blobs to a folder: an empty one, or an earlier backup, which is brought up to date
    Backup { folder: PathBuf },
    /// Verify a backup and put it into an empty database and the home folder
    Restore { folder: PathBuf },
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.05..=86_400.0).contains(&value) => Ok(value),
        _ => Err("want seconds from 0.05 to 86400".into()),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1e6).contains(&value) => Ok(value),
        _ => Err("want a number from 0 to 1000000".into()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let wanted = || "want scheme and host, such as https://cultivar.example".to_owned();
    let (scheme, host) = text.split_once("://").ok_or_else(wanted)?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if !["http", "https"].contains(&scheme) || host.is_empty() || !host.chars().all(is_plain) {
        return Err(wanted());
    }
    Ok(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.print_openapi {
        print!("{}", openapi::document());
        return ExitCode::SUCCESS;
    }
    // A command says what it did; a server is a longer story.
    let level = match args.command {
        Some(_) => "warn",
        None => "info",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("CULTIVAR_LOG").unwrap_or_else(|_| level.into()))
        .with_writer(|| Redacted(std::io::stderr()))
        .init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cultivar-server: {}", redact(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// A connection is an open file, and many systems allow a thousand until one asks for more.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let home = args.home.context("--home or CULTIVAR_HOME is missing")?;
    let database_url = args
        .database_url
        .context("--database-url or DATABASE_URL is missing")?;
    let blobs = home.join("blobs");
    match args.command {
        Some(Command::Backup { folder }) => {
            let done = service::backup::backup(&database_url, &blobs, &folder).await?;
            println!("{} holds {}", folder.display(), done.summary());
            return Ok(());
        }
        Some(Command::Restore { folder }) => {
            let done = service::backup::restore(&database_url, &blobs, &folder).await?;
            println!("restored {} of {}", done.summary(), done.created_at);
            return Ok(());
        }
        None => {}
    }
    allow_many_files();
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; choose another with --listen",
            args.listen
        )
    })?;
    let defaults = Config::new(home, database_url, args.listen);
    let config = Config {
        lease_s: args.lease_s,
        heartbeat_s: args.heartbeat_s,
        tls: args
            .tls_cert
            .zip(args.tls_key)
            .map(|(cert, key)| TlsFiles { cert, key }),
        public_url: args.public_url,
        trust_forwarded: args.trust_forwarded_for,
        rate_scale: args.rate_limit,
        retention: Retention {
            keep_best: args.keep_best,
            ..defaults.retention
        },
        ..defaults
    };
    serve(config, listener, on_signal()?, announce).await
}

/// Says where the page is: a line for people, and one that `cultivar up` reads.
async fn announce(state: AppState) -> anyhow::Result<()> {
    let url = state.config.url();
    let token_file = state.config.admin_token_file();
    let login_url = match state.config.is_loopback() {
        true => {
            let login = service::tokens::new_login(&state).await?;
            Some(service::tokens::login_url(&url, &login))
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
