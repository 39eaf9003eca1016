//! Whether a folder is still the one that was imported, told without reading its images.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use cultivar_spec::Sha256Digest;
use sha2::{Digest, Sha256};

use super::Options;
use super::error::ImportError;
use super::layout::files_below;

/// Changes with the name, length or time of any file in `dir`, with what is to be made of it, and with the
/// version of this code.
///
/// # Errors
/// The folder cannot be read.
pub fn fingerprint(dir: &Path, options: &Options) -> Result<Sha256Digest, ImportError> {
    let mut hasher = Sha256::new();
    let Options {
        out_dir: _,
        importer,
        name,
        skip_broken,
        carve_test,
        split_seed,
    } = options;
    let made_of = (importer, name, skip_broken, carve_test, split_seed);
    hasher.update(format!("{} {made_of:?}\n", env!("CARGO_PKG_VERSION")));
    for path in files_below(dir)? {
        let io_error = |source| ImportError::Io {
            path: dir.join(&path),
            source,
        };
        let metadata = fs::metadata(dir.join(&path)).map_err(io_error)?;
        let changed = metadata.modified().map_err(io_error)?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format!("{path:?} {} {}\n", metadata.len(), changed.as_nanos());
        hasher.update(line);
    }
    Ok(Sha256Digest(hasher.finalize().into()))
}
