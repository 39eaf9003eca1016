//! The data folder, and what lies where in it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

/// Where everything is kept unless `--home` or `CULTIVAR_HOME` say otherwise. Root's own folder is
/// closed to the user Postgres runs as, so root has a folder of the system's.
pub fn default() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/cultivar".into());
    }
    let absolute = |variable| {
        env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .map(|data| data.join("cultivar"))
        .ok_or_else(|| anyhow!("no home folder: set CULTIVAR_HOME to the folder to keep data in"))
}

/// The data folder of a command.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// Made absolute, since child processes may run elsewhere.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)
            .with_context(|| format!("{} is no folder", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The private Postgres cluster.
    pub fn postgres(&self) -> PathBuf {
        self.0.join("pg")
    }

    /// What the programs that `cultivar up` starts have said.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// What was downloaded from the Hugging Face hub.
    pub fn hub(&self) -> PathBuf {
        self.0.join("hub")
    }

    /// Held by a running `cultivar up`; names its process.
    pub fn up_lock(&self) -> PathBuf {
        self.0.join("up.lock")
    }

    /// The home of a worker, which keeps its cache and identity there; no two share one.
    pub fn of_worker(&self, idx: usize) -> PathBuf {
        match idx {
            0 => self.0.clone(),
            _ => self.0.join(format!("worker-{idx}")),
        }
    }

    /// The admin token that a server on this machine left, if it did.
    pub fn admin_token(&self) -> anyhow::Result<Option<String>> {
        self.token("admin-token")
    }

    /// The token that it left for workers.
    pub fn worker_token(&self) -> anyhow::Result<Option<String>> {
        self.token("worker-token")
    }

    fn token(&self, name: &str) -> anyhow::Result<Option<String>> {
        let file = self.0.join(name);
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_read_without_its_newline() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        assert_eq!(home.admin_token().unwrap(), None);
        fs::write(folder.path().join("admin-token"), "cvt_abc\n").unwrap();
        assert_eq!(home.admin_token().unwrap().as_deref(), Some("cvt_abc"));
    }
}
