//! From a verified dataset version to whole batches on the device.

pub mod cache;
mod checksum;
mod format;
mod lock;
pub mod order;
pub mod resident;
pub mod sampler;

use std::io;
use std::path::Path;

use cultivar_dataset::decode::DecodeError;
use cultivar_dataset::parquet::ParquetError;

use crate::control::Stopped;

pub(crate) use checksum::checksum;
pub(crate) use lock::lock;

/// Hears, now and then during a long job, how much of it is done (`done`, `total`); an error ends
/// the job.
pub type Watch<'a> = dyn FnMut(usize, usize) -> Result<(), Stopped> + 'a;

/// The dataset cannot be read, or the cache cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("image {idx} of the dataset: {source}")]
    Decode {
        /// Index into the manifest.
        idx: usize,
        source: DecodeError,
    },
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("the manifest lists {listed} images and the files hold {found}")]
    Count { listed: usize, found: usize },
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl DataError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}
