//! Where the encoded images of a folder are read from: files of their own, or rows of Parquet files.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::tables::Tables;

/// No image is larger, and memory is not for the taking.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Where an image lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In the file its path names.
    #[default]
    File,
    /// In a row of a Parquet file.
    Row { table_idx: usize, row_idx: usize },
}

/// The images of a folder.
pub struct Images {
    dir: PathBuf,
    tables: Option<Tables>,
}

impl Images {
    pub fn in_files(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            tables: None,
        }
    }

    pub fn in_tables(dir: &Path, tables: Tables) -> Self {
        Self {
            dir: dir.to_owned(),
            tables: Some(tables),
        }
    }

    /// The folder they lie in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The encoded bytes of the image at `place`; `path` is relative to the folder.
    ///
    /// # Errors
    /// They cannot be read, or the row holds none.
    pub fn read(&self, path: &str, place: Place) -> io::Result<Bytes> {
        match (place, &self.tables) {
            (Place::Row { table_idx, row_idx }, Some(tables)) => tables.image(table_idx, row_idx),
            _ => read_bounded(&self.dir.join(path)),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Bytes> {
    let n_bytes = std::fs::metadata(path)?.len();
    if n_bytes > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "the file has {n_bytes} bytes; at most {MAX_FILE_BYTES} are read"
        )));
    }
    std::fs::read(path).map(Bytes::from)
}
