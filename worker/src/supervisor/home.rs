//! The worker's folder: who it is, what it downloaded, what it cached, what it works on.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cultivar_spec::{LeaseId, WorkerId};

/// `HOME/worker`, of one daemon at a time.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    _lock: std::fs::File,
}

impl Home {
    /// Makes the folder and clears what an earlier run left unfinished.
    pub fn open(home: Option<&Path>) -> anyhow::Result<Self> {
        let root = home
            .map(Path::to_owned)
            .or_else(default_home)
            .context("no home folder: set CULTIVAR_HOME")?
            .join("worker");
        std::fs::create_dir_all(&root).with_context(|| root.display().to_string())?;
        let lock = std::fs::File::create(root.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .with_context(|| {
                format!(
                    "another worker uses {}: give this one a CULTIVAR_HOME of its own",
                    root.display()
                )
            })?;
        let home = Self { root, _lock: lock };
        let unfinished = home.root.join("work");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)
                .with_context(|| unfinished.display().to_string())?;
        }
        std::fs::create_dir_all(home.cache())?;
        Ok(home)
    }

    /// The same over restarts.
    pub fn worker_id(&self) -> anyhow::Result<WorkerId> {
        let path = self.root.join("id");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return text
                .trim()
                .parse()
                .with_context(|| format!("{} holds no id: remove it", path.display()));
        }
        let id = WorkerId::new();
        std::fs::write(&path, format!("{id}\n")).with_context(|| path.display().to_string())?;
        Ok(id)
    }

    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// Decoded images and frozen features.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// A lease's own folder.
    pub fn work(&self, lease: LeaseId) -> PathBuf {
        self.root.join("work").join(lease.to_string())
    }
}

fn default_home() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
    Some(data?.join("cultivar"))
}
