//! From a verified dataset version to whole batches on the device.

mod cache;
mod order;
mod resident;

pub(crate) use cache::{Cache, CacheKey, lock};
pub(crate) use order::{epoch_order, training_subset};
pub(crate) use resident::{PixelBatch, Pixels};

/// The dataset cannot be read, or the cache cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("image {idx}: {source}")]
    Decode {
        idx: usize,
        source: cultivar_dataset::decode::DecodeError,
    },
    #[error(transparent)]
    Parquet(#[from] cultivar_dataset::parquet::ParquetError),
    #[error("the manifest lists {listed} images and the files hold {found}")]
    Count { listed: usize, found: usize },
    #[error("{path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
}

impl DataError {
    fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}
