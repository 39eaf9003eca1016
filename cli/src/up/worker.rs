//! Worker daemons: whether they can run at all, and starting them again when they die.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;
use tokio::time::Instant;

use super::devices::Device;
use super::program::{Log, Program};

/// The longest wait before another start.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// A worker that ran this long had started well: its next wait is short again.
const RAN_WELL: Duration = Duration::from_secs(60);
/// Long enough for a trainer to store a checkpoint.
const STOP_GRACE: Duration = Duration::from_secs(45);

/// What every worker is told.
#[derive(Clone, Debug)]
pub struct Settings {
    pub program: PathBuf,
    pub url: String,
    pub token: String,
    /// On this machine, this one included.
    pub n_workers: usize,
    pub log: Log,
}

/// Asks the worker for its version, which loads libtorch.
///
/// # Errors
/// It cannot be loaded; the message says what to do.
pub async fn check_loads(program: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.arg("--version");
    with_libtorch(&mut command);
    let output = command
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    explain(program, &output)
}

fn explain(program: &Path, output: &Output) -> anyhow::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let missing = said
        .split("error while loading shared libraries: ")
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    match missing {
        Some(library) => bail!(
            "the worker cannot load {library}: run `make setup`, or set LIBTORCH to a libtorch folder \
             (or LD_LIBRARY_PATH to its lib folder); `cultivar up --no-worker` starts without one"
        ),
        None => {
            let last = said.lines().last().unwrap_or("it said nothing");
            bail!(
                "{} does not run ({}): {last}",
                program.display(),
                output.status
            )
        }
    }
}

/// A `LIBTORCH` of the user's own goes before the one the worker was linked with.
pub fn with_libtorch(command: &mut Command) {
    let Some(libtorch) = env::var_os("LIBTORCH") else {
        return;
    };
    let mut folders = vec![PathBuf::from(libtorch).join("lib")];
    if let Some(others) = env::var_os("LD_LIBRARY_PATH") {
        folders.extend(env::split_paths(&others));
    }
    if let Ok(joined) = env::join_paths(folders) {
        command.env("LD_LIBRARY_PATH", joined);
    }
}

/// One worker, running or waiting for its next start.
pub struct Worker {
    name: String,
    home: PathBuf,
    device: Device,
    settings: Settings,
    state: State,
    started: Instant,
    backoff: Backoff,
}

#[expect(clippy::large_enum_variant, reason = "one exists for each worker")]
enum State {
    Running(Program),
    Waiting { until: Instant },
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start(
        idx: usize,
        home: PathBuf,
        device: Device,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let mut worker = Self {
            name: format!("worker-{idx}"),
            home,
            device,
            settings,
            state: State::Waiting {
                until: Instant::now(),
            },
            started: Instant::now(),
            backoff: Backoff::default(),
        };
        worker.launch()?;
        Ok(worker)
    }

    /// Keeps it running; returns only with an error. May be cancelled and called again.
    ///
    /// # Errors
    /// The program cannot be run any more.
    pub async fn keep_running(&mut self) -> anyhow::Result<()> {
        loop {
            match &mut self.state {
                State::Running(program) => {
                    let status = program.ended().await?;
                    let why = program.obituary(status).await;
                    let wait = self.backoff.next(self.started.elapsed());
                    eprintln!("{why}\n{} starts again in {} s", self.name, wait.as_secs());
                    self.state = State::Waiting {
                        until: Instant::now() + wait,
                    };
                }
                State::Waiting { until } => {
                    tokio::time::sleep_until(*until).await;
                    self.launch()?;
                }
            }
        }
    }

    /// Lets it hand its trials back, and ends it.
    pub async fn stop(&mut self) {
        if let State::Running(program) = &mut self.state {
            program.stop(STOP_GRACE).await;
        }
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.settings.program);
        command
            .arg("run")
            .env("CULTIVAR_URL", &self.settings.url)
            .env("CULTIVAR_TOKEN", &self.settings.token)
            .env("CULTIVAR_HOME", &self.home)
            // Workers never see the database.
            .env_remove("DATABASE_URL");
        match &self.device {
            Device::Gpu(gpu) => {
                command.env("CUDA_VISIBLE_DEVICES", gpu);
            }
            // Workers that share the cores share them out.
            Device::Cpu if self.settings.n_workers > 1 => {
                let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
                let n_threads = (n_cores / self.settings.n_workers).max(1);
                command.env("CULTIVAR_THREADS", n_threads.to_string());
            }
            Device::Cpu => {}
        }
        with_libtorch(&mut command);
        let program = Program::start(&self.name, command, &self.settings.log, None)?;
        self.started = Instant::now();
        self.state = State::Running(program);
        Ok(())
    }
}

/// 1 s, 2 s, 4 s ... while it keeps dying young.
#[derive(Debug, Default)]
struct Backoff {
    n_early: u32,
}

impl Backoff {
    fn next(&mut self, ran: Duration) -> Duration {
        if ran >= RAN_WELL {
            self.n_early = 0;
        }
        let wait = Duration::from_secs(2_u64.saturating_pow(self.n_early));
        self.n_early += 1;
        wait.min(MAX_BACKOFF)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn ended(code: i32, stderr: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        }
    }

    #[test]
    fn a_missing_libtorch_is_one_line_with_the_remedy() {
        let loader = "cultivar-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file: No such file or directory\n";
        let said = explain(Path::new("w"), &ended(127, loader))
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("cannot load libtorch_cpu.so: run `make setup`"),
            "{said}"
        );
        assert!(!said.contains('\n'));
        explain(Path::new("w"), &ended(0, "")).unwrap();
        let said = explain(Path::new("w"), &ended(1, "bad\nworse\n"))
            .unwrap_err()
            .to_string();
        assert!(said.ends_with("worse"), "{said}");
    }

    #[test]
    fn waits_grow_while_it_dies_young() {
        let mut backoff = Backoff::default();
        let young = Duration::from_secs(1);
        let waits: Vec<u64> = (0..8).map(|_| backoff.next(young).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.next(RAN_WELL).as_secs(), 1);
    }
}
