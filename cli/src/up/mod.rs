//! `cultivar up`: Postgres, the server and workers on this machine, for as long as it runs.
//!
//! Ctrl-C or SIGTERM ends workers first, so that they can hand their trials back, then the server, then
//! Postgres; a second Ctrl-C kills what is left. Children do not outlive it even when it is killed
//! (see [`program`]), but for the private Postgres, which the next start adopts.

mod devices;
mod lock;
mod program;
pub mod worker;

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use cultivar_localpg::{Cluster, Config, Origin};
use futures::future::select_all;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::home::Home;
use lock::Lock;
use program::{Log, Program};
use worker::{Settings, Worker};

/// The database of the private cluster.
pub const DATABASE: &str = "cultivar";
/// Migrations of a large database may take a while.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// Long enough for requests under way.
const SERVER_GRACE: Duration = Duration::from_secs(20);
/// Long enough for all of it to end in order.
const DOWN_WITHIN: Duration = Duration::from_secs(150);

#[derive(Args, Debug)]
pub struct Up {
    /// Address to serve on
    #[arg(
        long,
        env = "CULTIVAR_LISTEN",
        hide_env_values = true,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7878"
    )]
    listen: SocketAddr,
    /// Workers to start [default: one per GPU, or one on the CPU]
    #[arg(long, value_name = "N", conflicts_with = "no_worker")]
    workers: Option<usize>,
    /// Start no worker: others will connect
    #[arg(long)]
    no_worker: bool,
    /// Show what the programs say, which otherwise goes to HOME/logs only
    #[arg(long, short)]
    verbose: bool,
}

/// Runs until told to stop.
///
/// # Errors
/// Something does not start, or the server ends by itself; in one line.
pub async fn run(args: Up, home: &Home, as_json: bool) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    fs::create_dir_all(home.logs())
        .with_context(|| format!("cannot make {}", home.logs().display()))?;
    let _lock = Lock::take(&home.up_lock())?;
    let log = Log {
        folder: home.logs(),
        verbose: args.verbose,
    };

    let worker_program = match args.no_worker {
        true => None,
        false => {
            let program = find_program("cultivar-worker", "CULTIVAR_WORKER_BIN")?;
            worker::check_loads(&program).await?;
            Some(program)
        }
    };
    let (cluster, database_url) = database(home).await?;
    let cluster = Guarded(cluster);

    let mut server = Server::start(&args, home, &database_url, &log)?;
    let ready = tokio::select! {
        ready = server.ready() => ready?,
        () = stop.asked() => {
            stop.hurrying(server.program.stop(SERVER_GRACE)).await;
            return cluster.stop().await;
        }
    };
    let token = home.worker_token()?.ok_or_else(|| {
        anyhow!(
            "the server left no token for workers in {}",
            home.path().display()
        )
    })?;

    let devices = match worker_program {
        Some(_) => devices::for_workers(devices::all(), args.workers),
        None => Vec::new(),
    };
    let mut workers = Vec::new();
    if let Some(program) = worker_program {
        let settings = Settings {
            program,
            url: ready.url.clone(),
            token,
            n_workers: devices.len(),
            log,
        };
        for (idx, device) in devices.iter().enumerate() {
            workers.push(Worker::start(
                idx,
                home.of_worker(idx),
                device.clone(),
                settings.clone(),
            )?);
        }
    }
    announce(&ready, home, cluster.0.as_ref(), &devices, as_json);

    let ended_early = tokio::select! {
        () = stop.asked() => None,
        why = server.ended() => Some(why),
        error = keep_running(&mut workers) => Some(error),
    };
    let in_order = async {
        futures::future::join_all(workers.iter_mut().map(Worker::stop)).await;
        server.program.stop(SERVER_GRACE).await;
    };
    stop.hurrying(in_order).await;
    // Whatever a hurried stop left is killed when it is dropped.
    drop((workers, server));
    cluster.stop().await?;
    match ended_early {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Ends a running `cultivar up` of this data folder, or the Postgres that a killed one left.
///
/// # Errors
/// Something does not end.
pub async fn down(home: &Home, as_json: bool) -> anyhow::Result<()> {
    let up = lock::stop_holder(&home.up_lock(), DOWN_WITHIN).await?;
    let config = Config::new(home.postgres(), DATABASE);
    let left_over = tokio::task::spawn_blocking(move || Cluster::adopt(&config)).await??;
    let postgres = left_over.is_some();
    Guarded(left_over).stop().await?;
    let said = match (up, postgres) {
        (true, _) => "stopped",
        (false, true) => "stopped the Postgres that a killed `cultivar up` had left",
        (false, false) => "nothing was running",
    };
    if as_json {
        println!("{}", json!({"up": up, "postgres": postgres}));
    } else {
        println!("{said} ({})", home.path().display());
    }
    Ok(())
}

/// `DATABASE_URL`, or a private cluster started for the occasion.
pub async fn database(home: &Home) -> anyhow::Result<(Option<Cluster>, String)> {
    match env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => Ok((None, url)),
        _ => {
            let config = Config::new(home.postgres(), DATABASE);
            let cluster = tokio::task::spawn_blocking(move || Cluster::start(&config)).await??;
            let url = cluster.url(DATABASE);
            Ok((Some(cluster), url))
        }
    }
}

/// A cluster that is stopped off the asynchronous threads.
pub struct Guarded(pub Option<Cluster>);

impl Guarded {
    /// # Errors
    /// The postmaster does not end.
    pub async fn stop(self) -> anyhow::Result<()> {
        if let Some(cluster) = self.0 {
            tokio::task::spawn_blocking(move || cluster.stop()).await??;
        }
        Ok(())
    }
}

/// The server, and the line in which it says that it is ready.
struct Server {
    program: Program,
    lines: mpsc::UnboundedReceiver<String>,
}

/// What the server says of itself.
#[derive(Debug, Deserialize)]
struct Ready {
    url: String,
    login_url: Option<String>,
}

impl Server {
    fn start(args: &Up, home: &Home, database_url: &str, log: &Log) -> anyhow::Result<Self> {
        let mut command = Command::new(find_program("cultivar-server", "CULTIVAR_SERVER_BIN")?);
        command
            .arg("--listen")
            .arg(args.listen.to_string())
            .env("DATABASE_URL", database_url)
            .env("CULTIVAR_HOME", home.path());
        let (sender, lines) = mpsc::unbounded_channel();
        let program = Program::start("server", command, log, Some(sender))?;
        Ok(Self { program, lines })
    }

    async fn ready(&mut self) -> anyhow::Result<Ready> {
        let wait = async {
            while let Some(line) = self.lines.recv().await {
                if let Some(text) = line.strip_prefix("CULTIVAR_READY ") {
                    return serde_json::from_str(text)
                        .with_context(|| format!("the server said {text:?}"));
                }
            }
            // Its output ended, and so does it.
            let status = self.program.ended().await?;
            bail!("{}", self.program.obituary(status).await)
        };
        tokio::time::timeout(READY_WITHIN, wait)
            .await
            .map_err(|_| {
                anyhow!(
                    "the server is not ready after {} s: see its log",
                    READY_WITHIN.as_secs()
                )
            })?
    }

    /// Waits for an end that nobody asked for.
    async fn ended(&mut self) -> anyhow::Error {
        match self.program.ended().await {
            Ok(status) => anyhow!("{}", self.program.obituary(status).await),
            Err(error) => error,
        }
    }
}

/// Keeps every worker running; returns only with an error.
async fn keep_running(workers: &mut [Worker]) -> anyhow::Error {
    if workers.is_empty() {
        return std::future::pending().await;
    }
    let all = workers
        .iter_mut()
        .map(|worker| Box::pin(worker.keep_running()));
    match select_all(all).await.0 {
        Err(error) => error,
        Ok(()) => anyhow!("a worker is kept running no longer"),
    }
}

fn announce(
    ready: &Ready,
    home: &Home,
    cluster: Option<&Cluster>,
    devices: &[devices::Device],
    as_json: bool,
) {
    let token_file = home.path().join("admin-token");
    if as_json {
        let said = json!({
            "url": ready.url,
            "login_url": ready.login_url,
            "token_file": token_file,
            "home": home.path(),
            "workers": devices.len(),
        });
        println!("{said}");
        return;
    }
    let database = match cluster.map(Cluster::origin) {
        None => "at DATABASE_URL".to_owned(),
        Some(origin) => {
            let how = match origin {
                Origin::Made => "new",
                Origin::Started => "started",
                Origin::Adopted => "still running, adopted",
            };
            format!("{} ({how})", home.postgres().display())
        }
    };
    let workers = match devices {
        [] => "none; others may connect with a token".to_owned(),
        devices => devices::words(devices),
    };
    println!("database   {database}");
    println!("server     {}", ready.url);
    println!("workers    {workers}");
    println!("token      {}", token_file.display());
    println!("logs       {}", home.logs().display());
    match &ready.login_url {
        Some(login_url) => println!("\nOpen {login_url} (works once). Ctrl-C ends it all."),
        None => println!(
            "\n`cultivar login-url --url {}` prints a link to the page. Ctrl-C ends it all.",
            ready.url
        ),
    }
}

/// A program of this build: named by a variable, else beside this one, else on the `PATH`.
///
/// # Errors
/// There is none.
pub fn find_program(name: &str, variable: &str) -> anyhow::Result<PathBuf> {
    if let Some(chosen) = env::var_os(variable) {
        return Ok(chosen.into());
    }
    let me = env::current_exe().context("cannot find this program's own folder")?;
    let beside = me.with_file_name(name);
    if beside.is_file() {
        return Ok(beside);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            anyhow!(
                "{name} is neither beside {} nor on the PATH: run `make setup`, or set {variable} to it",
                me.display()
            )
        })
}

/// Ctrl-C, SIGTERM and a closed terminal.
struct Stop {
    signals: [Signal; 3],
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            signals: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits for the next of them.
    async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// Lets `ending` end in order, unless asked once more.
    async fn hurrying(&mut self, ending: impl Future<Output = ()>) {
        tokio::select! {
            () = ending => {}
            () = self.asked() => eprintln!("killing what is left"),
        }
    }
}
