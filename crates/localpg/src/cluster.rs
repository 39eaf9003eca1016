//! Starting, adopting and stopping the cluster.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::account::Account;
use crate::data_folder::{self, finish};
use crate::error::IoContext;
use crate::{Binaries, Error, postmaster, socket};

/// The role everything runs as. Whoever reaches the socket is this user.
pub(crate) const SUPERUSER: &str = "cultivar";

/// Long enough for crash recovery after a busy day.
const START_TIMEOUT: Duration = Duration::from_secs(180);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const LOG: &str = "postgres.log";
/// A log larger than this is set aside at the next start.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// What a cluster is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's folder, made if absent: `data`, `run` (the socket), `lock`, `postgres.log`.
    pub folder: PathBuf,
    /// The folder of the Postgres programs; see [`Binaries::find`] for the default.
    pub bin: Option<PathBuf>,
    /// The database a new cluster is made with.
    pub database: String,
    /// Off loses data in a power cut; for tests only.
    pub fsync: bool,
}

impl Config {
    /// A durable cluster with one database.
    pub fn new(folder: impl Into<PathBuf>, database: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            bin: None,
            database: database.into(),
            fsync: true,
        }
    }
}

/// How a cluster came to be running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The data folder was made just now.
    Made,
    /// Started on data that was there.
    Started,
    /// Its postmaster was already running: its last owner was killed.
    Adopted,
}

/// A running cluster, owned by this process. Dropping it stops it, as far as that succeeds.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    account: Account,
    data: PathBuf,
    socket_folder: PathBuf,
    origin: Origin,
    running: bool,
    // Closing the file gives the lock back.
    _lock: File,
}

impl Cluster {
    /// Starts the cluster of a folder, making it first where there is none, adopting it where it runs
    /// already, and recovering it where its last postmaster was killed. Returns when it takes connections.
    ///
    /// # Errors
    /// Postgres is not installed or of another major version than the data, another process owns the
    /// folder, the folder is closed to the user Postgres would run as, or Postgres does not start.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let account = Account::for_folder(&config.folder)?;
        account.make_private_folder(&config.folder)?;
        let folder = fs::canonicalize(&config.folder).at("could not be read", &config.folder)?;
        account.check_reachable(&folder)?;
        let lock = lock(&folder)?;
        let data = folder.join("data");
        let made_by = data_folder::made_by(&data)?;
        let binaries = Binaries::find(
            config.bin.as_deref(),
            made_by.as_deref().and_then(|major| major.parse().ok()),
        )?;
        let origin = match made_by {
            None => {
                data_folder::init(&data, &config.database, config.fsync, &binaries, &account)?;
                Origin::Made
            }
            Some(made_by) if made_by == binaries.major.to_string() => Origin::Started,
            Some(made_by) => {
                return Err(Error::OtherMajor {
                    data,
                    made_by,
                    found: binaries.major,
                    bin: binaries.bin,
                });
            }
        };
        let mut cluster = Self {
            socket_folder: socket::make_folder(&folder, &account)?,
            binaries,
            account,
            data,
            origin,
            running: false,
            _lock: lock,
        };
        if let Some(running) = cluster.await_running()? {
            tracing::info!(pid = running.pid, "adopted a running postmaster");
            cluster.socket_folder = running.socket_folder;
            cluster.origin = Origin::Adopted;
        } else {
            cluster.clear_leftovers()?;
            cluster.launch(&folder, config.fsync)?;
        }
        cluster.running = true;
        Ok(cluster)
    }

    /// Takes over the cluster of a folder if its postmaster runs without an owner; starts nothing.
    ///
    /// # Errors
    /// As for [`Cluster::start`].
    pub fn adopt(config: &Config) -> Result<Option<Self>, Error> {
        if postmaster::running(&config.folder.join("data")).is_none() {
            return Ok(None);
        }
        Self::start(config).map(Some)
    }

    /// The URL of one of its databases, as sqlx and libpq read it.
    pub fn url(&self, database: &str) -> String {
        url(&self.socket_folder, database)
    }

    /// The URL of its database where the cluster of a folder runs, whoever owns it; starts nothing.
    pub fn running_url(config: &Config) -> Option<String> {
        let running = postmaster::running(&config.folder.join("data"))?;
        running
            .ready
            .then(|| url(&running.socket_folder, &config.database))
    }

    /// How it came to be running.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The programs it runs with.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Ends every session, writes a checkpoint and waits for the postmaster to be gone.
    ///
    /// # Errors
    /// The postmaster did not end.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_running()
    }

    fn stop_running(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.running) || postmaster::running(&self.data).is_none() {
            return Ok(());
        }
        let stop = |mode: &str| {
            let mut pg_ctl = command(&self.binaries, &self.account, "pg_ctl");
            pg_ctl.arg("stop").arg("--pgdata").arg(&self.data);
            pg_ctl.args(["--wait", "--mode", mode, "--timeout"]);
            pg_ctl.arg(STOP_TIMEOUT.as_secs().to_string());
            finish(pg_ctl, "pg_ctl stop")
        };
        // Immediate loses nothing either: the next start replays the log.
        stop("fast").or_else(|_| stop("immediate"))
    }

    /// The live postmaster of the folder once it is ready; none where there is none.
    fn await_running(&self) -> Result<Option<postmaster::Postmaster>, Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        while let Some(running) = postmaster::running(&self.data) {
            if running.ready {
                return Ok(Some(running));
            }
            if Instant::now() > deadline {
                return Err(Error::Program {
                    program: "postgres".into(),
                    said: format!("process {} does not become ready", running.pid),
                });
            }
            thread::sleep(POLL);
        }
        Ok(None)
    }

    /// What a killed postmaster leaves: backends, and pid files whose pid may be somebody else's by now,
    /// which Postgres would take for a running postmaster.
    fn clear_leftovers(&self) -> Result<(), Error> {
        let deadline = Instant::now() + ORPHAN_TIMEOUT;
        loop {
            let orphans = postmaster::orphans(&self.data);
            if orphans.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                return Err(Error::Program {
                    program: "postgres".into(),
                    said: format!("processes {orphans:?} of a killed postmaster do not end"),
                });
            }
            orphans.into_iter().for_each(postmaster::quit_at_once);
            thread::sleep(POLL);
        }
        let pid_files = [
            self.data.join("postmaster.pid"),
            self.socket_folder.join(".s.PGSQL.5432.lock"),
        ];
        for file in pid_files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).at("could not be removed", file);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `pg_ctl` puts the postmaster in a session of its own, so that Ctrl-C in the terminal of its
    /// owner reaches the owner alone.
    fn launch(&self, folder: &Path, fsync: bool) -> Result<(), Error> {
        let log = &folder.join(LOG);
        let log_starts_at = turn_over_log(log)?;
        let mut pg_ctl = command(&self.binaries, &self.account, "pg_ctl");
        // pg_ctl pastes paths into a shell command: from the environment and relative, they stay out of it.
        pg_ctl.env("PGDATA", &self.data).current_dir(folder);
        pg_ctl.args(["start", "--wait", "--log", LOG, "--timeout"]);
        pg_ctl.arg(START_TIMEOUT.as_secs().to_string());
        pg_ctl
            .arg("--options")
            .arg(server_options(&self.socket_folder, fsync));
        finish(pg_ctl, "pg_ctl start").map_err(|error| match last_fatal(log, log_starts_at) {
            Some(said) => Error::Program {
                program: "postgres".into(),
                said,
            },
            None => error,
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop_running() {
            tracing::warn!(%error, "the private Postgres cluster could not be stopped");
        }
    }
}

/// One of the cluster's programs, as the right user, in a clean environment: PGPORT and its kin would
/// change what it does.
pub(crate) fn command(binaries: &Binaries, account: &Account, program: &str) -> Command {
    let mut command = Command::new(binaries.program(program));
    command.env_clear().env("LC_ALL", "C").current_dir("/");
    for kept in ["PATH", "LD_LIBRARY_PATH", "TZ"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.stdin(Stdio::null());
    account.run_as(&mut command);
    command
}

/// Options on the command line go before anything in the configuration files. `pg_ctl` hands them to a shell.
fn server_options(socket_folder: &Path, fsync: bool) -> OsString {
    // The setting is a list of quoted names.
    let folder = socket_folder.to_string_lossy().replace('"', "\"\"");
    let sockets = format!("unix_socket_directories=\"{folder}\"").replace('\'', "'\\''");
    let mut options = format!("-c listen_addresses= -c port=5432 -c '{sockets}'");
    if !fsync {
        options.push_str(" -c fsync=off -c full_page_writes=off");
    }
    options.into()
}

/// Takes the lock that says whose cluster this is, until the file is closed.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&path)
        .at("could not be opened", &path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        file.read_to_string(&mut pid)
            .at("could not be read", &path)?;
        return Err(Error::Locked {
            folder: folder.to_owned(),
            pid: pid.trim().to_owned(),
        });
    }
    let write_pid = |file: &mut File| {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    write_pid(&mut file).at("could not be written", &path)?;
    Ok(file)
}

/// Sets a grown log aside. Returns where the next line will stand.
fn turn_over_log(log: &Path) -> Result<u64, Error> {
    let n_bytes = fs::metadata(log).map_or(0, |meta| meta.len());
    if n_bytes <= MAX_LOG_BYTES {
        return Ok(n_bytes);
    }
    fs::rename(log, log.with_extension("log.old")).at("could not be set aside", log)?;
    Ok(0)
}

/// Postgres' own reason for not starting.
fn last_fatal(log: &Path, from: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let fatal = text
        .lines()
        .rev()
        .find_map(|line| line.split("FATAL:").nth(1))?;
    Some(fatal.trim().to_owned())
}

fn url(socket_folder: &Path, database: &str) -> String {
    format!(
        "postgres:///{}?host={}&port=5432&user={SUPERUSER}",
        percent_encode(database),
        percent_encode(&socket_folder.to_string_lossy()),
    )
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_socket_paths_survive_the_shell_and_the_list() {
        let options = server_options(Path::new("/it's, here"), true);
        assert_eq!(
            options.to_str().unwrap(),
            r#"-c listen_addresses= -c port=5432 -c 'unix_socket_directories="/it'\''s, here"'"#
        );
    }

    #[test]
    fn paths_are_encoded_for_the_url() {
        assert_eq!(percent_encode("/a b&c/é"), "/a%20b%26c/%C3%A9");
    }
}
