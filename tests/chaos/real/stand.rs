//! A server and two workers with their own trainers, on real images, undisturbed but for the kills.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use cultivar_client::Client;
use cultivar_localpg::{Cluster, Config};
use cultivar_spec::Sha256Digest;
use cultivar_tests::process::{Process, children_of, program};
use cultivar_tests::stack::{copy_demo_data, weights};
use rustix::process::{Signal, kill_process};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::content;
use super::shapes::DATASET;
use crate::{launch, load};

const DATABASE: &str = "cultivar";
/// Longer than a busy machine takes for a heartbeat.
const LEASE_S: f64 = 20.0;
const HEARTBEAT_S: f64 = 1.0;
const N_WORKERS: usize = 2;

/// Its processes end in this order.
pub struct Stand {
    workers: HashMap<String, Process>,
    _server: Process,
    pub client: Client,
    pub pool: PgPool,
    home: PathBuf,
    _cluster: Cluster,
}

impl Stand {
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        // Postgres runs as somebody else, who must be able to enter.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        let home = dir.join("home");
        fs::create_dir(&home)?;
        let config = Config::new(dir.join("postgres"), DATABASE);
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&config)).await??;
        let url = cluster.url(DATABASE);
        let mut command = launch::server(&url, &home, LEASE_S, HEARTBEAT_S);
        let mut server = Process::start(&mut command, &dir.join("server.log"));
        let said = server
            .line_with("CULTIVAR_READY ", Duration::from_secs(60))
            .await;
        let address = launch::address_of(&said).context("the server has no address")?;
        let url_of_server = format!("http://{address}");
        let token = fs::read_to_string(home.join("admin-token"))?;
        let token = token.trim();
        register(dir, &url_of_server, token)?;
        let workers = (0..N_WORKERS).map(|n| {
            let name = format!("w{n}");
            let mut command = launch::worker(&name, 1, &url_of_server, token, &dir.join(&name));
            // The same sums in the same order, whatever the machine.
            command.env("CULTIVAR_THREADS", "1");
            let log = dir.join(format!("{name}.log"));
            (name, Process::start(&mut command, &log))
        });
        Ok(Self {
            workers: workers.collect(),
            _server: server,
            client: load::client(&url_of_server, token)?,
            pool: PgPoolOptions::new()
                .max_connections(2)
                .connect(&url)
                .await?,
            home,
            _cluster: cluster,
        })
    }

    /// SIGKILL for the trainer of a worker, which has one.
    pub fn kill_trainer(&self, worker: &str) -> anyhow::Result<()> {
        let process = self.workers.get(worker).context("nobody's worker")?;
        let trainers = children_of(process.pid());
        ensure!(
            trainers.len() == 1,
            "{worker} has {} trainers",
            trainers.len()
        );
        kill_process(trainers[0], Signal::KILL).context("its trainer is gone")
    }

    /// # Errors
    /// A worker ended by itself.
    pub fn check_workers(&mut self) -> anyhow::Result<()> {
        for (name, process) in &mut self.workers {
            if let Some(status) = process.ended() {
                anyhow::bail!("{name} ended by itself: {status}");
            }
        }
        Ok(())
    }

    /// What the artifact of that name holds.
    pub fn content(&self, name: &str) -> anyhow::Result<Sha256Digest> {
        let path = self.home.join("blobs").join(&name[..2]).join(name);
        let bytes = fs::read(&path).with_context(|| format!("artifact {name}"))?;
        content::digest(&bytes).with_context(|| format!("artifact {name}"))
    }
}

/// A part of open-emoji, and the weights to start from.
fn register(dir: &Path, url: &str, token: &str) -> anyhow::Result<()> {
    let images = dir.join(DATASET);
    copy_demo_data(&images);
    let cultivar = |args: &[&str], file: &Path, more: &[&str]| {
        let output = Command::new(program("cultivar"))
            .args(args)
            .arg(file)
            .args(more)
            .env("CULTIVAR_URL", url)
            .env("CULTIVAR_TOKEN", token)
            .env("CULTIVAR_HOME", dir)
            .output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cultivar {args:?}: {complaint}");
        Ok(())
    };
    cultivar(&["dataset", "add"], &images, &["--name", DATASET])?;
    cultivar(&["weights", "add", "efficientnet_lite0"], &weights(), &[])
}
