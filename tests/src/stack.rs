//! A server and its workers, in a folder and a database of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::database::TestDatabase;
use crate::process::{Process, program, repository};

/// Short leases, so that a lost one is found within seconds.
pub const LEASE_S: f64 = 4.0;

/// One running system.
pub struct Stack {
    pub home: TempDir,
    pub url: String,
    /// Opens the page, once.
    pub login_url: String,
    pub token: String,
    http: reqwest::Client,
    pub server: Process,
    database: Option<TestDatabase>,
    n_workers: usize,
}

impl Stack {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let home = tempfile::tempdir().expect("a home folder");
        let database = TestDatabase::create().await;
        let mut command = Command::new(program("cultivar-server"));
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--lease-s",
                &LEASE_S.to_string(),
                "--heartbeat-s",
                "0.5",
            ])
            .env("DATABASE_URL", &database.url)
            .env("CULTIVAR_HOME", home.path())
            .env_remove("CULTIVAR_LISTEN");
        let mut server = Process::start(&mut command, &home.path().join("server.log"));
        let line = server
            .line_with("CULTIVAR_READY ", Duration::from_secs(180))
            .await;
        let ready: Value = serde_json::from_str(line.trim_start_matches("CULTIVAR_READY "))
            .expect("JSON after the marker");
        let text = |field: &str| {
            ready[field]
                .as_str()
                .unwrap_or_else(|| panic!("no {field} in {ready}"))
                .to_owned()
        };
        let token =
            std::fs::read_to_string(home.path().join("admin-token")).expect("the admin token");
        let token = token.trim().to_owned();
        let url = text("url");
        Self {
            home,
            url,
            login_url: text("login_url"),
            token,
            http: http_client(),
            server,
            database: Some(database),
            n_workers: 0,
        }
    }

    /// Starts a worker daemon; its data outlives it, so a successor finds the caches.
    pub fn worker(&mut self) -> Process {
        self.n_workers += 1;
        let mut command = Command::new(program("cultivar-worker"));
        command
            .args(["run", "--name", &format!("w{}", self.n_workers)])
            .env("CULTIVAR_URL", &self.url)
            .env("CULTIVAR_TOKEN", &self.token)
            .env("CULTIVAR_HOME", self.home.path().join("worker-home"));
        let log = self
            .home
            .path()
            .join(format!("worker-{}.log", self.n_workers));
        Process::start(&mut command, &log)
    }

    /// What a GET answers.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = self
            .http
            .get(format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        answer(path, request).await
    }

    /// What a POST answers.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> T {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .json(body);
        answer(path, request).await
    }

    /// The command line, pointed at this server.
    pub fn cli(&self) -> Command {
        let mut command = Command::new(program("cultivar"));
        command
            .env("CULTIVAR_URL", &self.url)
            .env("CULTIVAR_TOKEN", &self.token)
            .env("CULTIVAR_HOME", self.home.path());
        command
    }

    /// Runs a command line to its end and reads its JSON.
    pub fn cli_json(&self, args: &[&str]) -> Value {
        let output = self
            .cli()
            .args(args)
            .arg("--json")
            .output()
            .expect("cultivar runs");
        assert!(
            output.status.success(),
            "cultivar {args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
            panic!(
                "cultivar {args:?} --json: {e}: {}",
                String::from_utf8_lossy(&output.stdout)
            )
        })
    }

    /// Registers a small part of open-emoji and the pretrained weights.
    pub fn register_demo_data(&self) {
        let subset = self.home.path().join("emoji-part");
        copy_demo_data(&subset);
        self.cli_json(&["dataset", "add", path(&subset), "--name", "emoji-part"]);
        self.cli_json(&["weights", "add", "efficientnet_lite0", path(&weights())]);
    }

    /// Stops the server and drops the database.
    pub async fn stop(mut self) {
        self.server.signal(rustix::process::Signal::TERM);
        self.server.end(Duration::from_secs(60)).await;
        if let Some(database) = self.database.take() {
            database.drop().await;
        }
    }
}

/// reqwest is built without a choice of cryptography; loopback needs none, but it must be made.
pub fn http_client() -> reqwest::Client {
    // An error means that another test of this process chose before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn answer<T: DeserializeOwned>(path: &str, request: reqwest::RequestBuilder) -> T {
    let response = request
        .send()
        .await
        .unwrap_or_else(|e| panic!("{path}: {e}"));
    let status = response.status();
    let body = response.text().await.expect("a body");
    assert!(status.is_success(), "{path}: {status}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
}

/// The open-emoji folder that set-up built.
pub fn demo_data() -> PathBuf {
    from_environment("CULTIVAR_DEMO_DATA", ".cultivar/data/open-emoji")
}

/// EfficientNet-Lite0's converted weights.
pub fn weights() -> PathBuf {
    from_environment(
        "CULTIVAR_WEIGHTS",
        ".cultivar/weights/efficientnet_lite0.safetensors",
    )
}

fn from_environment(variable: &str, otherwise: &str) -> PathBuf {
    let found =
        std::env::var_os(variable).map_or_else(|| repository().join(otherwise), PathBuf::from);
    assert!(
        found.exists(),
        "{} is missing: `make test` builds it",
        found.display()
    );
    found
}

/// Copies four classes of open-emoji: enough to train on, within seconds.
pub fn copy_demo_data(to: &Path) {
    let classes = [
        "animal-bird",
        "food-fruit",
        "sky-weather",
        "transport-ground",
    ];
    copy_classes(&demo_data(), to, &classes);
}

/// Copies the images of some classes and their rows of `metadata.csv`.
fn copy_classes(from: &Path, to: &Path, classes: &[&str]) {
    let table = std::fs::read_to_string(from.join("metadata.csv")).expect("metadata.csv");
    let mut lines = table.lines();
    let header = lines.next().expect("a header");
    let column = |name: &str| {
        header
            .split(',')
            .position(|field| field == name)
            .expect("a known column")
    };
    let (file, label) = (column("file_name"), column("label"));
    let mut kept = vec![header];
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        if classes.contains(&fields[label]) {
            let target = to.join(fields[file]);
            std::fs::create_dir_all(target.parent().expect("a folder")).expect("folders");
            std::fs::copy(from.join(fields[file]), target).expect("an image");
            kept.push(line);
        }
    }
    assert!(
        kept.len() > 100,
        "only {} images of {classes:?}",
        kept.len() - 1
    );
    std::fs::write(to.join("metadata.csv"), kept.join("\n") + "\n").expect("metadata.csv");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
