//! A program that `cultivar up` runs and answers for.
//!
//! Each child is in a process group of its own, so that Ctrl-C in the terminal reaches `cultivar` alone, which
//! then stops its children in order. Should `cultivar` itself be killed, the kernel sends the
//! children SIGTERM (Linux), and both programs end on that as they would on a stop in order.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Lines of standard error kept to explain an early end.
const LAST_LINES: usize = 20;
/// A log larger than this is set aside when its program starts again.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// Where a program's words go.
#[derive(Clone, Debug)]
pub struct Log {
    pub folder: PathBuf,
    /// To the terminal too.
    pub verbose: bool,
}

/// A running program.
pub struct Program {
    name: String,
    /// What it calls itself.
    file_name: String,
    child: Child,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    log_file: PathBuf,
    pumps: Vec<JoinHandle<()>>,
}

impl Program {
    /// Starts `command`, its output in `NAME.log`. Lines of standard output are also sent to `lines`.
    ///
    /// Must be called from the main thread: the kernel watches over the thread that forks.
    ///
    /// # Errors
    /// The program cannot be run, or its log cannot be written.
    pub fn start(
        name: &str,
        mut command: Command,
        log: &Log,
        lines: Option<mpsc::UnboundedSender<String>>,
    ) -> anyhow::Result<Self> {
        let log_file = log.folder.join(format!("{name}.log"));
        let file = Arc::new(open_log(&log_file)?);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        die_with_parent(&mut command);
        let program = command.as_std().get_program().to_owned();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", Path::new(&program).display()))?;
        let last_lines = Arc::new(Mutex::new(VecDeque::new()));
        let pump = Pump {
            name: name.to_owned(),
            file,
            verbose: log.verbose,
            last_lines: None,
        };
        let of_errors = Pump {
            last_lines: Some(last_lines.clone()),
            ..pump.clone()
        };
        let out = child.stdout.take().expect("standard output is piped");
        let err = child.stderr.take().expect("standard error is piped");
        let pumps = vec![
            tokio::spawn(pump.run(out, lines)),
            tokio::spawn(of_errors.run(err, None)),
        ];
        let file_name = Path::new(&program).file_name().unwrap_or(&program);
        Ok(Self {
            name: name.to_owned(),
            file_name: file_name.to_string_lossy().into_owned(),
            child,
            last_lines,
            log_file,
            pumps,
        })
    }

    /// Waits for its end. May be cancelled and called again.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait().await;
        status.with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Why it ended: its own verdict, if it gave one, else where to look.
    pub async fn obituary(&mut self, status: ExitStatus) -> String {
        // The pumps end with the program's last line.
        for pump in self.pumps.drain(..) {
            // A grandchild may hold the pipe open.
            let _ = tokio::time::timeout(Duration::from_secs(1), pump).await;
        }
        let lines = self.last_lines.lock().expect("no panic under the lock");
        let prefix = format!("{}: ", self.file_name);
        let verdict = lines
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix(&prefix));
        match verdict {
            Some(words) => format!("{}: {words}", self.name),
            None => format!(
                "{} ended ({status}): see {}",
                self.name,
                self.log_file.display()
            ),
        }
    }

    /// Asks it to end, and after `grace` makes it.
    pub async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let ended = tokio::time::timeout(grace, self.child.wait()).await;
        if ended.is_err() {
            tracing::warn!("{} does not end: killing it", self.name);
        }
        // Its own children too, wherever they are by now.
        self.signal(Signal::KILL);
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "cannot wait for {}", self.name);
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid as i32));
        if let Some(pid) = pid {
            // It may have ended meanwhile.
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// Moves a stream of lines to the log.
#[derive(Clone)]
struct Pump {
    name: String,
    file: Arc<File>,
    verbose: bool,
    /// Where its last lines are kept, if they are.
    last_lines: Option<Arc<Mutex<VecDeque<String>>>>,
}

impl Pump {
    async fn run(
        self,
        stream: impl AsyncRead + Unpin,
        lines: Option<mpsc::UnboundedSender<String>>,
    ) {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        // A read error is the end of the stream like any other.
        while reader
            .read_until(b'\n', &mut bytes)
            .await
            .is_ok_and(|n| n > 0)
        {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            // A full disk must not stop the program.
            let _ = writeln!(&*self.file, "{line}");
            if self.verbose {
                eprintln!("{:8} | {line}", self.name);
            }
            if let Some(lines) = &lines {
                // Nobody listens once the program is ready.
                let _ = lines.send(line.clone());
            }
            if let Some(last_lines) = &self.last_lines {
                let mut last = last_lines.lock().expect("no panic under the lock");
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
        }
    }
}

/// Readable by its owner only: the server says its one-time login URL there.
fn open_log(path: &Path) -> anyhow::Result<File> {
    let n_bytes = fs::metadata(path).map_or(0, |meta| meta.len());
    if n_bytes > MAX_LOG_BYTES {
        fs::rename(path, path.with_extension("log.old"))
            .with_context(|| format!("cannot set {} aside", path.display()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
}

/// Has the kernel send the child SIGTERM when this thread ends.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let ask = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        // The parent may have died before the kernel was asked.
        let orphaned =
            rustix::process::getppid().is_none_or(|pid| pid.as_raw_pid() as u32 != parent);
        if orphaned {
            return Err(std::io::ErrorKind::NotConnected.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; these are two system calls.
    unsafe {
        command.pre_exec(ask);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}
