//! A dataset version as a folder: `manifest.json` beside its Parquet files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cultivar_spec::manifest::Manifest;
use cultivar_spec::{Sha256Digest, canonical_json};
use sha2::{Digest, Sha256};

use crate::import::Imported;

const MANIFEST: &str = "manifest.json";

/// A version on this machine.
#[derive(Clone, Debug)]
pub struct Version {
    pub manifest: Manifest,
    /// The manifest's canonical JSON.
    pub manifest_file: PathBuf,
    /// The manifest's Parquet files, in its order.
    pub files: Vec<PathBuf>,
}

/// A folder that is no dataset version.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a manifest: {source}", path.display())]
    Manifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} lists {listed} Parquet files, {found} lie beside it", path.display())]
    Count {
        path: PathBuf,
        listed: usize,
        found: usize,
    },
    #[error("{} is not the file the manifest lists: its SHA-256 is {found}", path.display())]
    Changed { path: PathBuf, found: Sha256Digest },
}

/// Whether a folder holds a version.
pub fn is_version(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file()
}

/// Writes the manifest beside the Parquet files, which lie in `dir` already.
///
/// # Errors
/// The file cannot be written.
pub fn write_manifest(dir: &Path, imported: &Imported) -> Result<(), VersionError> {
    let path = dir.join(MANIFEST);
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(canonical_json(&imported.manifest).as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| VersionError::Io { path, source })
}

/// Opens the version in `dir`, and compares every file with the hash in its manifest.
///
/// # Errors
/// A file is missing or not the one the manifest lists.
pub fn open(dir: &Path) -> Result<Version, VersionError> {
    let path = dir.join(MANIFEST);
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| VersionError::Io { path, source }
    };
    let text = fs::read(&path).map_err(io_error(&path))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|source| VersionError::Manifest {
            path: path.clone(),
            source,
        })?;
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error(dir))? {
        let file = entry.map_err(io_error(dir))?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            files.push(file);
        }
    }
    files.sort();
    if files.len() != manifest.files.len() {
        return Err(VersionError::Count {
            path,
            listed: manifest.files.len(),
            found: files.len(),
        });
    }
    for (file, listed) in files.iter().zip(&manifest.files) {
        let (found, _) = hash_file(file).map_err(io_error(file))?;
        if found != listed.sha256 {
            let path = file.clone();
            return Err(VersionError::Changed { path, found });
        }
    }
    Ok(Version {
        manifest,
        manifest_file: path,
        files,
    })
}

/// The hash and the length of a file.
pub(crate) fn hash_file(path: &Path) -> io::Result<(Sha256Digest, u64)> {
    let mut hasher = Sha256::new();
    let n_bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((Sha256Digest(hasher.finalize().into()), n_bytes))
}
