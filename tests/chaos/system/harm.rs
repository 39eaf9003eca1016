//! What each kind of fault does to a system.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cultivar_localpg::Cluster;
use cultivar_tests::process::{Process, children_of};
use rustix::process::{Pid, Signal, kill_process};

use super::{LEASE_S, N_WORKERS, RESTART, System, Undo, Who};
use crate::clock;
use crate::fault::{Fault, Kind, Route};

impl System {
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
                let occupation = self.occupation(server);
                if self.kill(Who::Server(server)).await {
                    self.tally.hit(kind, occupation);
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
                if self.kill(Who::Worker(worker)).await {
                    self.tally.hit(kind, holding(n_held));
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
            Kind::SkewClock => {
                let who = match fault.target < 8 {
                    true => Who::Server(server),
                    false => Who::Worker(worker),
                };
                self.skew_clock(who, fault.clock_hours).await;
            }
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

    /// False where it is down already.
    async fn kill(&mut self, who: Who) -> bool {
        let Some(mut process) = self.process(who).take() else {
            return false;
        };
        if let Who::Server(n) = who {
            self.upstreams.lock().expect("no panic under the lock")[n] = None;
        }
        process.signal(Signal::KILL);
        process.end(Duration::from_secs(5)).await;
        clock::clean_up(process.pid());
        true
    }

    /// Kills a process and has it start again by a wrong clock, which it keeps, through later kills too. One whose
    /// clock is wrong already is set right instead.
    async fn skew_clock(&mut self, who: Who, hours: i64) {
        if self.faketime.is_ok() && self.kill(who).await {
            if self.clocks.remove(&who).is_none() {
                self.clocks.insert(who, hours);
            }
            self.later(RESTART, Undo::StartByClock(who));
        }
    }

    /// By the first line of its log: a clock that was set and not taken over is no hit.
    pub(super) async fn look_at_clock(&mut self, who: Who) {
        let hours = self.clocks.get(&who).copied().unwrap_or(0);
        let what = match (who, hours) {
            (Who::Server(_), 0) => "a server set right",
            (Who::Server(_), 1..) => "a server ahead",
            (Who::Server(_), _) => "a server behind",
            (Who::Worker(_), 0) => "a worker set right",
            (Who::Worker(_), 1..) => "a worker ahead",
            (Who::Worker(_), _) => "a worker behind",
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let log = self.process(who).as_ref().map(Process::log);
            match clock::is_shown(&log.unwrap_or_default(), hours) {
                Some(true) => return self.tally.hit(Kind::SkewClock, what),
                Some(false) => break,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        println!("{who:?} does not go by a clock {hours} h ahead");
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

    pub(super) fn empty_disk(&mut self, since_us: u64) -> anyhow::Result<()> {
        fs::remove_file(self.filler())?;
        for call in self.history.calls() {
            let is_upload = Route::of(&call.method, &call.path) == Some(Route::Artifact);
            if call.sent_us >= since_us && is_upload && !call.succeeded() {
                self.tally.hit(Kind::FillDisk, "uploads refused");
            }
        }
        Ok(())
    }
}

fn holding(n_leases: i64) -> &'static str {
    match n_leases {
        0 => "idle",
        _ => "holding leases",
    }
}
