//! A trainer process, kept warm between jobs.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use cultivar_spec::trainer::{FromTrainer, ToTrainer};
use cultivar_spec::wire::DeviceInfo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::frames;

/// Lines of its log kept for the day it dies.
const TAIL_LINES: usize = 50;
/// The environment a trainer sees: no token, no secret.
const PASSED_ON: [&str; 12] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "LIBTORCH",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "CULTIVAR_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "OMP_NUM_THREADS",
];

/// A running trainer.
#[derive(Debug)]
pub struct Trainer {
    child: Child,
    orders: ChildStdin,
    /// Closed when its output ends.
    pub events: mpsc::Receiver<FromTrainer>,
    tail: Arc<Mutex<VecDeque<String>>>,
    log: JoinHandle<()>,
    device: DeviceInfo,
}

impl Trainer {
    /// Starts one and waits until libtorch is up.
    pub async fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the program's own path")?;
        let passed_on = PASSED_ON
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(program)
            .arg("trainer")
            .env_clear()
            .envs(passed_on)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().expect("stdin is piped");
        let mut output = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");

        let tail = Arc::new(Mutex::new(VecDeque::with_capacity(TAIL_LINES)));
        let kept = Arc::clone(&tail);
        let log = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                eprintln!("trainer: {line}");
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == TAIL_LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        let (sender, mut events) = mpsc::channel(256);
        tokio::spawn(async move {
            // A broken frame ends the stream as a closed pipe does: the trainer is no use any more.
            while let Ok(Some(event)) = frames::receive(&mut output).await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        let Some(FromTrainer::Ready { device }) = events.recv().await else {
            let status = child.wait().await?;
            let _ = log.await;
            let said = tail.lock().unwrap_or_else(PoisonError::into_inner);
            bail!(
                "{}: {}",
                describe(status),
                said.back().map_or("it said nothing", String::as_str)
            );
        };
        Ok(Self {
            child,
            orders,
            events,
            tail,
            log,
            device,
        })
    }

    /// What it computes with.
    pub fn device(&self) -> &DeviceInfo {
        &self.device
    }

    /// Gives an order.
    pub async fn order(&mut self, order: &ToTrainer) -> std::io::Result<()> {
        frames::send(&mut self.orders, order).await
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once.
    pub async fn kill(mut self) -> Obituary {
        let _ = self.child.start_kill();
        self.obituary().await
    }

    /// Waits for its end, and says how it came and what was last heard.
    pub async fn obituary(mut self) -> Obituary {
        let cause = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("the trainer is gone: {error}"),
        };
        let _ = self.log.await;
        let last_words = self
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect();
        Obituary { cause, last_words }
    }
}

/// How a trainer died.
#[derive(Debug)]
pub struct Obituary {
    pub cause: String,
    /// The end of its log.
    pub last_words: Vec<String>,
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(9), _) => "the trainer was killed by signal 9 (SIGKILL); if nobody did, the system ran out of memory".into(),
        (Some(signal), _) => format!("the trainer died from signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("the trainer ended with exit code {code}"),
        (None, None) => "the trainer ended".into(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
