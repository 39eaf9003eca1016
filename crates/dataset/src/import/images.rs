//! Where the encoded images of a folder are read from: files of their own, or rows of Parquet files.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::tables::Tables;

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
            _ => std::fs::read(self.dir.join(path)).map(Bytes::from),
        }
    }
}
