//! Cultivar's programs as child processes that never outlive the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A program of the build this one belongs to.
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program's own path");
    let folder = this.parent().expect("a program lies in a folder");
    // Tests lie in target/PROFILE/deps, programs one above.
    let folder = match folder.ends_with("deps") {
        true => folder.parent().expect("target/PROFILE/deps"),
        false => folder,
    };
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built: run the tests with `make test`",
        path.display()
    );
    path
}

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository")
        .to_owned()
}

/// A running child; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both its outputs in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let out = File::create(log).expect("a log file");
        let err = out.try_clone().expect("a second handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("{:?} does not start: {e}", command.get_program()));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there to be signalled");
    }

    /// Its exit status, if it ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for a line that holds `marker`.
    pub async fn line_with(&mut self, marker: &str, deadline: Duration) -> String {
        let (log, child) = (&self.log, &mut self.child);
        wait::until(
            &format!("{marker:?} in {}", log.display()),
            deadline,
            || {
                let text = std::fs::read_to_string(log).unwrap_or_default();
                let line = text
                    .lines()
                    .find(|line| line.contains(marker))
                    .map(str::to_owned);
                let ended = child.try_wait().expect("a child can be waited for");
                assert!(
                    line.is_some() || ended.is_none(),
                    "ended ({ended:?}) before saying {marker:?}:\n{text}"
                );
                async move { line }
            },
        )
        .await
    }

    /// Waits for its end.
    pub async fn end(&mut self, deadline: Duration) -> ExitStatus {
        let log = self.log.clone();
        let child = &mut self.child;
        wait::until(&format!("the end of {}", log.display()), deadline, || {
            let ended = child.try_wait().expect("a child can be waited for");
            async move { ended }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of a process, by its id.
pub fn children_of(parent: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{}/task", parent.as_raw_nonzero());
    let threads = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>()
        })
        .filter_map(Pid::from_raw)
        .collect()
}
