//! The worker's folder: who it is, what it downloaded, and what it is at.
//!
//! | | |
//! | --- | --- |
//! | `worker/id` | the stable id; locked while a worker runs |
//! | `worker/token` | its own token, if it was enrolled; for its owner's eyes only |
//! | `worker/artifacts/` | datasets and weights, each under its SHA-256 |
//! | `worker/cache/` | decoded images and frozen features, the trainer's own |
//! | `worker/work/` | a folder for each lease held; emptied at start |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cultivar_spec::{LeaseId, WorkerId};

/// An open worker folder. Nobody else can open it while this lives.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    pub id: WorkerId,
    _locked: File,
}

impl Home {
    /// Opens the worker's part of a data folder, making what is missing.
    ///
    /// # Errors
    /// It cannot be written to, or another worker uses it.
    pub fn open(cultivar_home: &Path) -> anyhow::Result<Self> {
        let root = std::path::absolute(cultivar_home)?.join("worker");
        for folder in ["artifacts", "cache"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let (id, locked) = identity(&root)?;
        let home = Self {
            root,
            id,
            _locked: locked,
        };
        let work = home.root.join("work");
        match fs::remove_dir_all(&work) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot remove what was left in {}", work.display()));
            }
            _ => {}
        }
        fs::create_dir(&work).with_context(|| format!("cannot make {}", work.display()))?;
        Ok(home)
    }

    /// The token that this worker was enrolled for, if it was.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn token(&self) -> anyhow::Result<Option<String>> {
        let path = self.root.join("token");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps the token, whole or not at all, where only this user can read it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_token(&self, token: &str) -> anyhow::Result<()> {
        let path = self.root.join("token");
        let temporary = self.root.join("token.tmp");
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            writeln!(file, "{token}")?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().with_context(|| format!("cannot keep the worker's token in {}", path.display()))
    }

    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where the job of a lease writes.
    pub fn work(&self, lease: LeaseId) -> PathBuf {
        self.root.join("work").join(lease.to_string())
    }
}

fn identity(root: &Path) -> anyhow::Result<(WorkerId, File)> {
    let path = root.join("id");
    let at = || format!("cannot open {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(at)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "another worker uses {}: give this one a --home of its own, or that one more --slots",
            root.display()
        ),
        Err(TryLockError::Error(error)) => return Err(error).with_context(at),
    }
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(at)?;
    if text.is_empty() {
        let id = WorkerId::new();
        writeln!(file, "{id}").with_context(at)?;
        file.sync_all().with_context(at)?;
        return Ok((id, file));
    }
    let id = text
        .trim()
        .parse()
        .with_context(|| format!("{} holds no worker id: remove it", path.display()))?;
    Ok((id, file))
}

/// The data folder unless one is named: that of the command line's `cultivar up`.
///
/// # Errors
/// The environment names no home.
pub fn default() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/cultivar".into());
    }
    let absolute = |variable| {
        let path = PathBuf::from(std::env::var_os(variable)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .map(|data| data.join("cultivar"))
        .context("no home folder: set CULTIVAR_HOME to the folder to keep data in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_and_stale_work_goes() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let (id, work) = (home.id, home.work(LeaseId::new()));
        fs::create_dir(&work).unwrap();

        let taken = Home::open(folder.path()).unwrap_err().to_string();
        assert!(taken.contains("another worker uses"), "{taken}");
        assert!(
            work.exists(),
            "a refused worker removed the work of another"
        );

        drop(home);
        let again = Home::open(folder.path()).unwrap();
        assert_eq!(again.id, id);
        assert!(!work.exists());
    }

    #[test]
    fn the_token_is_for_its_owners_eyes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        assert_eq!(home.token().unwrap(), None);
        home.keep_token("cvt_abc").unwrap();
        assert_eq!(home.token().unwrap().as_deref(), Some("cvt_abc"));
        let metadata = fs::metadata(folder.path().join("worker/token")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_id_is_named() {
        let folder = tempfile::tempdir().unwrap();
        drop(Home::open(folder.path()).unwrap());
        fs::write(folder.path().join("worker/id"), "me").unwrap();
        let error = Home::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("worker/id holds no worker id"), "{error}");
    }
}
