//! A trainer process, as its supervisor sees it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use cultivar_spec::trainer::{FromTrainer, StopWhy, ToTrainer};
use cultivar_spec::wire::DeviceInfo;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::obituary::{self, Obituary};
use crate::frame::{self, FrameError};

/// Loading libtorch and waking a GPU takes seconds; a cold disk may take a minute.
const READY_TIMEOUT: Duration = Duration::from_secs(180);
/// Log lines kept for whoever passes them on.
const TAIL_LINES: usize = 1000;
/// The last of them that an obituary tells.
const LAST_LINES: u64 = 50;
const MAX_LINE_BYTES: usize = 4096;
/// How often its memory is looked at.
const RSS_PERIOD: Duration = Duration::from_secs(1);
/// What a trainer's own children may still hold of its log after its death.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a trainer that says nothing more may live on, and then how long the kernel may take to kill it.
const BURIAL: Duration = Duration::from_secs(10);

/// Variables a trainer may see. The token is not among them.
const ENVIRONMENT: [&str; 8] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "CULTIVAR_THREADS",
    "CULTIVAR_LOG",
    "RUST_BACKTRACE",
];
const ENVIRONMENT_PREFIXES: [&str; 6] = ["CUDA_", "CUBLAS_", "NVIDIA_", "OMP_", "MKL_", "KMP_"];

/// How to start a trainer.
#[derive(Clone, Debug)]
pub struct TrainerCommand {
    program: PathBuf,
    args: Vec<OsString>,
}

impl TrainerCommand {
    /// This program's own trainer, unless another command is given.
    ///
    /// # Errors
    /// This program does not know where it lies.
    pub fn new(other: &[PathBuf]) -> anyhow::Result<Self> {
        match other {
            [] => Ok(Self {
                program: std::env::current_exe().context("cannot find this program's file")?,
                args: vec!["trainer".into()],
            }),
            [program, args @ ..] => Ok(Self {
                program: program.clone(),
                args: args.iter().map(|arg| arg.as_os_str().into()).collect(),
            }),
        }
    }
}

/// A trainer that has said it is ready. Killed when dropped.
#[derive(Debug)]
pub struct Trainer {
    child: Child,
    stdin: ChildStdin,
    events: mpsc::Receiver<Result<FromTrainer, FrameError>>,
    log: Log,
    log_reader: JoinHandle<()>,
    rss: (u64, Instant),
}

impl Trainer {
    /// Starts a trainer and waits until it is ready.
    ///
    /// # Errors
    /// It does not start, or dies first.
    pub async fn start(command: &TrainerCommand) -> anyhow::Result<(Self, DeviceInfo)> {
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| may_see(name)))
            // Activations of tens of megabytes come and go at every step; mapping and unmapping
            // each costs a quarter of the speed on the CPU. glibc is told to keep its memory.
            .env("MALLOC_MMAP_MAX_", "0")
            .env("MALLOC_TRIM_THRESHOLD_", i32::MAX.to_string())
            .env("CUDA_DEVICE_ORDER", cuda_order())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is for the supervisor, which then asks for a checkpoint.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", command.program.display()))?;
        let stdin = child.stdin.take().context("no pipe to the trainer")?;
        let mut stdout = child.stdout.take().context("no pipe from the trainer")?;
        let stderr = child.stderr.take().context("no log of the trainer")?;

        let (sender, events) = mpsc::channel(256);
        tokio::spawn(async move {
            while let Some(event) = frame::read_async(&mut stdout).await.transpose() {
                let is_broken = event.is_err();
                if sender.send(event).await.is_err() || is_broken {
                    return;
                }
            }
        });
        let log = Log::default();
        let log_reader = tokio::spawn(log.clone().follow(stderr));
        let mut trainer = Self {
            child,
            stdin,
            events,
            log,
            log_reader,
            rss: (0, Instant::now()),
        };
        match tokio::time::timeout(READY_TIMEOUT, trainer.next()).await {
            Ok(Ok(FromTrainer::Ready { device })) => Ok((trainer, device)),
            Ok(Ok(_)) => Err(anyhow!("the trainer spoke before it was ready")),
            Ok(Err(obituary)) => Err(anyhow!("{}", obituary.summary())),
            Err(_) => Err(anyhow!(
                "the trainer was not ready after {} s",
                READY_TIMEOUT.as_secs()
            )),
        }
    }

    /// Hands over a job or an order. A trainer that cannot take it is dead, as [`Trainer::next`] tells.
    pub async fn send(&mut self, message: &ToTrainer) {
        let frame = frame::encode(message).expect("a job is small");
        let written = async {
            self.stdin.write_all(&frame).await?;
            self.stdin.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "the trainer does not listen");
        }
    }

    /// Asks it to stop a job.
    pub async fn stop(&mut self, tag: &str, why: StopWhy) {
        let tag = tag.to_owned();
        self.send(&ToTrainer::Stop { tag, why }).await;
    }

    /// The next event, or how it died.
    pub async fn next(&mut self) -> Result<FromTrainer, Obituary> {
        match self.events.recv().await {
            Some(Ok(event)) => {
                self.look_at_memory();
                Ok(event)
            }
            Some(Err(error)) => {
                let obituary = self.kill().await;
                Err(Obituary {
                    cause: format!("trainer was killed for what it said: {error}"),
                    ..obituary
                })
            }
            None => Err(self.bury().await),
        }
    }

    /// Waits for the death of a trainer that has no job.
    pub async fn died(&mut self) -> Obituary {
        loop {
            if let Err(obituary) = self.next().await {
                return obituary;
            }
        }
    }

    /// Kills it.
    pub async fn kill(&mut self) -> Obituary {
        let _ = self.child.start_kill();
        self.bury().await
    }

    /// Waits for its death. Where it lives on in silence it is killed, and left behind where it cannot be: its trial shall not
    /// wait with it for a wedged driver or file system.
    async fn bury(&mut self) -> Obituary {
        let mut died = tokio::time::timeout(BURIAL, self.child.wait()).await;
        let lives_on = died.is_err();
        if lives_on {
            let _ = self.child.start_kill();
            died = tokio::time::timeout(BURIAL, self.child.wait()).await;
        }
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.log_reader).await;
        let cause = match died {
            Ok(Ok(_)) if lives_on => "trainer was killed: it lived on and said nothing more".into(),
            Ok(Ok(status)) => obituary::cause(status, self.rss.0, obituary::total_bytes()),
            Ok(Err(error)) => format!("trainer is gone: {error}"),
            Err(_) => "trainer cannot be killed: it waits in the kernel, for a device or a disk that does not answer".into(),
        };
        Obituary {
            cause,
            last_lines: self
                .log
                .since(self.log.n_lines().saturating_sub(LAST_LINES)),
        }
    }

    /// The process, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it writes to its log, also after its death.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    fn look_at_memory(&mut self) {
        if self.rss.0 == 0 || self.rss.1.elapsed() >= RSS_PERIOD {
            let pid = self.child.id().unwrap_or(0);
            self.rss = (obituary::rss_bytes(pid).unwrap_or(0), Instant::now());
        }
    }
}

/// GPUs in the order of their buses, as the driver's tools number them, unless somebody wants another.
fn cuda_order() -> OsString {
    std::env::var_os("CUDA_DEVICE_ORDER").unwrap_or_else(|| "PCI_BUS_ID".into())
}

fn may_see(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ENVIRONMENT.contains(&name.as_ref())
        || ENVIRONMENT_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// A trainer's log: passed on to ours, its end remembered.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<LogState>>);

#[derive(Debug, Default)]
struct LogState {
    tail: VecDeque<String>,
    n_lines: u64,
}

impl Log {
    async fn follow(self, stderr: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
            // Nobody to tell if our own log is gone.
            let _ = std::io::stderr().write_all(&line);
            line.truncate(MAX_LINE_BYTES);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let mut state = self.lock();
            state.tail.push_back(text);
            state.n_lines += 1;
            if state.tail.len() > TAIL_LINES {
                state.tail.pop_front();
            }
        }
    }

    /// Lines written so far.
    pub fn n_lines(&self) -> u64 {
        self.lock().n_lines
    }

    /// What came after the first `n_seen` lines, which it moves on. Lines that are no longer kept are counted in one.
    pub fn read_on(&self, n_seen: &mut u64) -> Vec<String> {
        let state = self.lock();
        let n_kept = state.tail.len() as u64;
        let n_new = state.n_lines - *n_seen;
        *n_seen = state.n_lines;
        let mut lines = Vec::new();
        if n_new > n_kept {
            lines.push(format!(
                "({} lines came too fast and are not kept)",
                n_new - n_kept
            ));
        }
        let skip = n_kept.saturating_sub(n_new) as usize;
        lines.extend(state.tail.iter().skip(skip).cloned());
        lines
    }

    /// What came after the first `n_before` lines, as far as that is kept.
    fn since(&self, n_before: u64) -> Vec<String> {
        let state = self.lock();
        let n_dropped = state.n_lines - state.tail.len() as u64;
        let skip = n_before.saturating_sub(n_dropped) as usize;
        state.tail.iter().skip(skip).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trainer_sees_no_secret() {
        for name in [
            "CULTIVAR_TOKEN",
            "CULTIVAR_ENROLL_TOKEN",
            "DATABASE_URL",
            "AWS_SECRET_ACCESS_KEY",
            "CULTIVAR_HOME",
        ] {
            assert!(!may_see(OsStr::new(name)), "{name}");
        }
        for name in [
            "PATH",
            "CUDA_VISIBLE_DEVICES",
            "CUBLAS_WORKSPACE_CONFIG",
            "OMP_NUM_THREADS",
            "CULTIVAR_THREADS",
        ] {
            assert!(may_see(OsStr::new(name)), "{name}");
        }
    }

    #[tokio::test]
    async fn the_end_of_the_log_is_kept() {
        let log = Log::default();
        let text: String = (0..1200).map(|n| format!("line {n}\n")).collect();
        log.clone().follow(text.as_bytes()).await;
        assert_eq!((log.since(0).len(), log.n_lines()), (TAIL_LINES, 1200));
        assert_eq!(log.since(1198), ["line 1198", "line 1199"]);
        assert!(log.since(1200).is_empty());

        let mut n_seen = 1198;
        assert_eq!(log.read_on(&mut n_seen), ["line 1198", "line 1199"]);
        assert!(log.read_on(&mut n_seen).is_empty());
        n_seen = 100;
        let lines = log.read_on(&mut n_seen);
        assert_eq!((lines.len(), n_seen), (TAIL_LINES + 1, 1200));
        assert_eq!(lines[0], "(100 lines came too fast and are not kept)");
        assert_eq!(lines[1], "line 200");
    }
}
