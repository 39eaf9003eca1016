//! The system under test: two servers, four workers, one Postgres with fsync on, and the ways to hurt them.

mod harm;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cultivar_localpg::{Cluster, Config};
use cultivar_tests::process::{Process, program};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::clock;
use crate::fault::Tally;
use crate::history::History;
use crate::launch;
use crate::proxy::{Proxy, Upstreams};

pub const LEASE_S: f64 = 2.5;
const HEARTBEAT_S: f64 = 0.4;
pub const N_WORKERS: usize = 4;
/// Trials a worker trains at once.
const N_SLOTS: usize = 2;
/// How long a killed process stays away: what a service manager takes.
const RESTART: Duration = Duration::from_millis(400);
const DATABASE: &str = "cultivar";

/// What ends a fault.
enum Undo {
    Start(Who),
    /// And tells whether it goes by the clock it was given.
    StartByClock(Who),
    Thaw(Pid),
    EmptyDisk {
        since_us: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Server(usize),
    Worker(usize),
}

pub struct System {
    pub dir: PathBuf,
    pub home: PathBuf,
    pub token: String,
    pub submit_proxy: Proxy,
    pub pool: PgPool,
    pub history: Arc<History>,
    pub tally: Arc<Tally>,
    /// Why the servers' disk cannot be filled here, if it cannot.
    pub no_disk: Option<String>,
    /// What sets clocks wrong, or why there is no such thing here.
    pub faketime: Result<PathBuf, String>,
    /// Workers that ended without being told to.
    pub n_deserters: usize,
    config: Config,
    cluster: Option<Cluster>,
    upstreams: Upstreams,
    busy: Arc<[AtomicUsize; 2]>,
    servers: [Option<Process>; 2],
    workers: [Option<Process>; N_WORKERS],
    proxies: Vec<Proxy>,
    /// Hours that a process' clock is ahead, for those whose is wrong.
    clocks: HashMap<Who, i64>,
    undo: Vec<(Instant, Undo)>,
    n_logs: usize,
}

impl System {
    pub async fn start(dir: &Path, n_trials: usize) -> anyhow::Result<Self> {
        // Postgres runs as somebody else, who must be able to enter.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        let home = dir.join("home");
        fs::create_dir(&home)?;
        let no_disk = small_disk(&home, n_trials).err();
        let config = Config::new(dir.join("postgres"), DATABASE);
        let starting = config.clone();
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&starting)).await??;
        let pool = PgPoolOptions::new()
            .max_connections(3)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy(&cluster.url(DATABASE))?;
        let history = Arc::new(History::create(&dir.join("history.jsonl"))?);
        let tally = Arc::new(Tally::default());
        let upstreams = Upstreams::default();
        *upstreams.lock().expect("no panic under the lock") = vec![None; 2];
        let busy: Arc<[AtomicUsize; 2]> = Arc::default();
        let proxy = |name: String, first| {
            let (upstreams, history) = (upstreams.clone(), history.clone());
            Proxy::start(name, first, upstreams, history, tally.clone(), busy.clone())
        };
        let mut proxies = Vec::new();
        for n in 0..N_WORKERS {
            proxies.push(proxy(format!("w{n}"), n % 2).await?);
        }
        let mut system = Self {
            dir: dir.to_owned(),
            token: String::new(),
            submit_proxy: proxy("submitter".into(), 0).await?,
            home,
            pool,
            history: history.clone(),
            tally: tally.clone(),
            no_disk: no_disk.map(|error| format!("{error:#}")),
            faketime: clock::library().map_err(|error| error.to_string()),
            n_deserters: 0,
            config,
            cluster: Some(cluster),
            upstreams,
            busy,
            servers: Default::default(),
            workers: Default::default(),
            proxies,
            clocks: HashMap::new(),
            undo: Vec::new(),
            n_logs: 0,
        };
        for n in 0..2 {
            system.start_server(n).await?;
        }
        system.token = fs::read_to_string(system.home.join("admin-token"))?
            .trim()
            .to_owned();
        Ok(system)
    }

    pub fn start_workers(&mut self) {
        for n in 0..N_WORKERS {
            self.start_worker(n);
        }
    }

    fn log(&mut self, name: &str) -> PathBuf {
        self.n_logs += 1;
        self.dir.join(format!("{name}-{}.log", self.n_logs))
    }

    /// Starts a server, again and again while the database is away, as a service manager does.
    async fn start_server(&mut self, n: usize) -> anyhow::Result<()> {
        let url = self
            .cluster
            .as_ref()
            .context("Postgres is down")?
            .url(DATABASE);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let log = self.log(&format!("server{n}"));
            let mut command = launch::server(&url, &self.home, LEASE_S, HEARTBEAT_S);
            self.set_clock(&mut command, Who::Server(n));
            let mut process = Process::start(&mut command, &log);
            while process.ended().is_none() && Instant::now() < deadline {
                if let Some(address) = launch::address_of(&process.log()) {
                    self.upstreams.lock().expect("no panic under the lock")[n] =
                        Some(address.parse()?);
                    self.servers[n] = Some(process);
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("server {n} does not start")
    }

    fn start_worker(&mut self, n: usize) {
        let log = self.log(&format!("worker{n}"));
        let (name, url) = (format!("w{n}"), self.proxies[n].url());
        let home = self.dir.join(&name);
        let mut command = launch::worker(&name, N_SLOTS, &url, &self.token, &home);
        command
            .arg("--trainer-command")
            .arg(program("examples/fake_trainer"));
        self.set_clock(&mut command, Who::Worker(n));
        self.workers[n] = Some(Process::start(&mut command, &log));
    }

    async fn start_again(&mut self, who: Who) -> anyhow::Result<()> {
        match who {
            Who::Server(n) => self.start_server(n).await?,
            Who::Worker(n) => self.start_worker(n),
        }
        Ok(())
    }

    fn process(&mut self, who: Who) -> &mut Option<Process> {
        match who {
            Who::Server(n) => &mut self.servers[n],
            Who::Worker(n) => &mut self.workers[n],
        }
    }

    fn set_clock(&self, command: &mut Command, who: Who) {
        if let (Ok(library), Some(&hours)) = (&self.faketime, self.clocks.get(&who)) {
            clock::shift(command, library, hours);
        }
    }

    /// Lets `length` pass; what is due is undone meanwhile.
    pub async fn wait(&mut self, length: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + length;
        loop {
            self.undo_due().await?;
            self.restart_deserters();
            if Instant::now() >= end {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends every fault under way.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        while !self.undo.is_empty() {
            self.wait(Duration::from_millis(50)).await?;
        }
        for proxy in self.proxies.iter().chain([&self.submit_proxy]) {
            proxy.disarm();
        }
        Ok(())
    }

    async fn undo_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, _) = std::mem::take(&mut self.undo)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.undo = later;
        for (_, undo) in due {
            match undo {
                Undo::Start(who) => self.start_again(who).await?,
                Undo::StartByClock(who) => {
                    self.start_again(who).await?;
                    self.look_at_clock(who).await;
                }
                // It may have been killed meanwhile.
                Undo::Thaw(pid) => kill_process(pid, Signal::CONT).unwrap_or_default(),
                Undo::EmptyDisk { since_us } => self.empty_disk(since_us)?,
            }
        }
        Ok(())
    }

    /// A worker ends when it is told to, and not because its server had a bad day.
    fn restart_deserters(&mut self) {
        for n in 0..N_WORKERS {
            let ended = self.workers[n].as_mut().and_then(Process::ended);
            if let Some(status) = ended {
                println!("worker {n} ended by itself: {status}");
                self.n_deserters += 1;
                self.start_worker(n);
            }
        }
    }

    /// Tells the workers to go, and waits for them.
    pub async fn dismiss_workers(&mut self) {
        for process in self.workers.iter().flatten() {
            process.signal(Signal::TERM);
        }
        for process in self.workers.iter_mut().flatten() {
            process.end(Duration::from_secs(60)).await;
        }
        self.workers = Default::default();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let processes = self.workers.iter().chain(&self.servers).flatten();
        let pids: Vec<_> = processes.map(Process::pid).collect();
        self.workers = Default::default();
        self.servers = Default::default();
        pids.into_iter().for_each(clock::clean_up);
        if self.no_disk.is_none() {
            // A mount left behind is an annoyance, not a wrong result.
            let _ = Command::new("umount").arg(&self.home).status();
        }
    }
}

/// Puts the servers' home on a disk of its own that can be filled. A blob takes a page or two.
fn small_disk(home: &Path, n_trials: usize) -> anyhow::Result<()> {
    let size = format!("size={}k", 32_768 + 64 * n_trials);
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
        .arg(home)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}
