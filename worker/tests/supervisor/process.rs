//! The daemon as a process, with the fake trainer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::server::{Server, TOKEN};

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    home: TempDir,
}

impl Worker {
    pub fn start(server: &Server, args: &[&str]) -> Self {
        Self::start_at(&server.url(), args)
    }

    /// The same, where the server's address is another text.
    pub fn start_at(url: &str, args: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let log = std::fs::File::create(home.path().join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_cultivar-worker"))
            .arg("run")
            .args(args)
            .arg("--trainer-command")
            .arg(fake_trainer())
            .env("CULTIVAR_URL", url)
            .env("CULTIVAR_TOKEN", TOKEN)
            .env("CULTIVAR_HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the worker starts");
        Self { child, home }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Waits for a line of its log.
    pub async fn logged(&mut self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && started.elapsed() < Duration::from_secs(60),
                "waited in vain for {text:?} ({ended:?}):\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there to be signalled");
    }

    pub async fn end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it does not end:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What is left of its jobs.
    pub fn work(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.home.path().join("worker/work"));
        let entries = folder
            .expect("a work folder")
            .map(|entry| entry.expect("an entry").path());
        entries.collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the worker's log:\n{}", self.log());
        }
    }
}

/// Built beside the tests, as every example is.
fn fake_trainer() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/test");
    let path = profile.join("examples/fake_trainer");
    assert!(path.exists(), "{} is not built", path.display());
    path
}
