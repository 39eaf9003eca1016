//! The system under test: two servers, four workers, one Postgres with fsync on, and the ways to hurt them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cultivar_localpg::{Cluster, Config};
use cultivar_tests::process::{Process, children_of, program};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::fault::{Fault, Kind, Route, Tally};
use crate::history::History;
use crate::proxy::{Proxy, Upstreams};

pub const LEASE_S: f64 = 2.5;
const HEARTBEAT_S: f64 = 0.4;
pub const N_WORKERS: usize = 4;
/// Trials a worker trains at once.
const N_SLOTS: &str = "2";
/// How long a killed process stays away: what a service manager takes.
const RESTART: Duration = Duration::from_millis(400);
const DATABASE: &str = "cultivar";

/// What ends a fault.
enum Undo {
    Start(Who),
    Thaw(Pid),
    EmptyDisk { since_us: u64 },
}

#[derive(Clone, Copy, PartialEq)]
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
    /// Workers that ended without being told to.
    pub n_deserters: usize,
    config: Config,
    cluster: Option<Cluster>,
    upstreams: Upstreams,
    busy: Arc<[AtomicUsize; 2]>,
    servers: [Option<Process>; 2],
    workers: [Option<Process>; N_WORKERS],
    proxies: Vec<Proxy>,
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
            n_deserters: 0,
            config,
            cluster: Some(cluster),
            upstreams,
            busy,
            servers: Default::default(),
            workers: Default::default(),
            proxies,
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
            let mut command = Command::new(program("cultivar-server"));
            command
                .args(["--listen", "127.0.0.1:0"])
                .args(["--lease-s", &LEASE_S.to_string()])
                .args(["--heartbeat-s", &HEARTBEAT_S.to_string()])
                .args(["--rate-limit", "0"])
                .env("DATABASE_URL", &url)
                .env("CULTIVAR_HOME", &self.home)
                .env_remove("CULTIVAR_LISTEN");
            let mut process = Process::start(&mut command, &log);
            while process.ended().is_none() && Instant::now() < deadline {
                if let Some(address) = address_of(&process.log()) {
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
        let mut command = Command::new(program("cultivar-worker"));
        command
            .args(["run", "--name", &format!("w{n}"), "--slots", N_SLOTS])
            .arg("--trainer-command")
            .arg(program("examples/fake_trainer"))
            .env("CULTIVAR_URL", self.proxies[n].url())
            .env("CULTIVAR_TOKEN", &self.token)
            .env("CULTIVAR_HOME", self.dir.join(format!("w{n}")));
        self.workers[n] = Some(Process::start(&mut command, &log));
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
                Undo::Start(Who::Server(n)) => self.start_server(n).await?,
                Undo::Start(Who::Worker(n)) => self.start_worker(n),
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

    fn later(&mut self, after: Duration, undo: Undo) {
        self.undo.push((Instant::now() + after, undo));
    }

    pub async fn inject(&mut self, fault: &Fault) -> anyhow::Result<()> {
        let kind = fault.kind;
        self.tally.injected(kind);
        let length = Duration::from_secs_f64(fault.length * LEASE_S);
        let (server, worker) = (fault.target % 2, fault.target % N_WORKERS);
        match kind {
            Kind::KillServer => {
                if let Some(mut process) = self.servers[server].take() {
                    self.tally.hit(kind, self.occupation(server));
                    self.upstreams.lock().expect("no panic under the lock")[server] = None;
                    process.signal(Signal::KILL);
                    process.end(Duration::from_secs(5)).await;
                    self.later(RESTART, Undo::Start(Who::Server(server)));
                }
            }
            Kind::FreezeServer => {
                if let Some(process) = &self.servers[server] {
                    self.tally.hit(kind, self.occupation(server));
                    process.signal(Signal::STOP);
                    let pid = process.pid();
                    self.later(length, Undo::Thaw(pid));
                }
            }
            Kind::KillWorker => {
                let n_held = self.n_held(worker).await;
                if let Some(mut process) = self.workers[worker].take() {
                    self.tally.hit(kind, holding(n_held));
                    process.signal(Signal::KILL);
                    process.end(Duration::from_secs(5)).await;
                    self.later(RESTART, Undo::Start(Who::Worker(worker)));
                }
            }
            Kind::FreezeWorker => {
                let n_held = self.n_held(worker).await;
                if let Some(process) = &self.workers[worker] {
                    self.tally.hit(kind, holding(n_held));
                    process.signal(Signal::STOP);
                    let pid = process.pid();
                    self.later(length, Undo::Thaw(pid));
                }
            }
            Kind::KillTrainer => {
                let n_held = self.n_held(worker).await;
                let trainers = self.workers[worker].as_ref().map(Process::pid);
                let trainers = trainers.map(children_of).unwrap_or_default();
                if let Some(pid) = trainers.get(fault.target / 2 % trainers.len().max(1)) {
                    self.tally.hit(kind, holding(n_held));
                    kill_process(*pid, Signal::KILL).unwrap_or_default();
                }
            }
            Kind::StopPostgres => self.stop_postgres().await?,
            Kind::Partition => self.proxies[worker].cut(length),
            Kind::FillDisk => self.fill_disk(length)?,
            of_network => {
                debug_assert!(of_network.is_of_network());
                let proxy = match fault.route {
                    Route::Submit => &self.submit_proxy,
                    _ => &self.proxies[worker],
                };
                proxy.arm(kind, fault.route, length);
            }
        }
        Ok(())
    }

    fn occupation(&self, server: usize) -> &'static str {
        match self.busy[server].load(Ordering::Relaxed) {
            0 => "between requests",
            _ => "in mid-request",
        }
    }

    /// Leases of a worker, as far as the database can be asked.
    async fn n_held(&self, worker: usize) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM attempt a JOIN worker w ON w.id = a.worker_id WHERE w.name = $1 AND a.outcome IS NULL",
        )
        .bind(format!("w{worker}"))
        .fetch_one(&self.pool)
        .await
        .unwrap_or(0)
    }

    /// SIGQUIT to the postmaster is what `pg_ctl stop -m immediate` sends: no checkpoint, sessions cut.
    async fn stop_postgres(&mut self) -> anyhow::Result<()> {
        let n_active: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap_or(0);
        let cluster = self.cluster.take();
        let config = self.config.clone();
        let restarted = tokio::task::spawn_blocking(move || -> anyhow::Result<Cluster> {
            let pid_file = config.folder.join("data/postmaster.pid");
            let text = fs::read_to_string(&pid_file)?;
            let pid = text.lines().next().and_then(|pid| pid.parse().ok());
            let pid = pid.and_then(Pid::from_raw).context("no postmaster")?;
            kill_process(pid, Signal::QUIT)?;
            let deadline = Instant::now() + Duration::from_secs(20);
            // Its last act.
            while pid_file.exists() {
                ensure!(Instant::now() < deadline, "Postgres does not stop");
                std::thread::sleep(Duration::from_millis(10));
            }
            drop(cluster);
            Ok(Cluster::start(&config)?)
        });
        self.cluster = Some(restarted.await??);
        let what = match n_active {
            0 => "idle sessions",
            _ => "running statements",
        };
        self.tally.hit(Kind::StopPostgres, what);
        Ok(())
    }

    fn filler(&self) -> PathBuf {
        self.home.join("filler")
    }

    fn fill_disk(&mut self, length: Duration) -> anyhow::Result<()> {
        if self.no_disk.is_some() || self.filler().exists() {
            return Ok(());
        }
        let mut file = fs::File::create(self.filler())?;
        let chunk = vec![0; 1 << 16];
        while file.write_all(&chunk).is_ok() {}
        // The last bytes too.
        while file.write_all(&[0]).is_ok() {}
        let since_us = self.history.now_us();
        self.later(length, Undo::EmptyDisk { since_us });
        Ok(())
    }

    fn empty_disk(&mut self, since_us: u64) -> anyhow::Result<()> {
        fs::remove_file(self.filler())?;
        for call in self.history.calls() {
            let is_upload = Route::of(&call.method, &call.path) == Some(Route::Artifact);
            if call.sent_us >= since_us && is_upload && !call.succeeded() {
                self.tally.hit(Kind::FillDisk, "uploads refused");
            }
        }
        Ok(())
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
        self.workers = Default::default();
        self.servers = Default::default();
        if self.no_disk.is_none() {
            // A mount left behind is an annoyance, not a wrong result.
            let _ = Command::new("umount").arg(&self.home).status();
        }
    }
}

fn holding(n_leases: i64) -> &'static str {
    match n_leases {
        0 => "idle",
        _ => "holding leases",
    }
}

/// The address in a server's ready line.
fn address_of(log: &str) -> Option<String> {
    let line = log
        .lines()
        .find(|line| line.starts_with("CULTIVAR_READY "))?;
    let ready: serde_json::Value =
        serde_json::from_str(line.trim_start_matches("CULTIVAR_READY ")).ok()?;
    Some(
        ready["url"]
            .as_str()?
            .trim_start_matches("http://")
            .to_owned(),
    )
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
