//! The Parquet files of a dataset version.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cultivar_spec::Sha256Digest;
use cultivar_spec::manifest::DataFile;

use super::check::CheckedImage;
use super::error::ImportError;
use super::images::Images;
use crate::parquet::{Row, write};
use crate::progress::{Progress, Stage};
use crate::version::hash_file;

/// A shard is closed before its images pass this.
const SHARD_BYTES: u64 = 256 << 20;

/// Writes the images to `part-00000.parquet`, ... in `out_dir`, in order. `labels` and `groups` go with
/// `images`.
///
/// # Errors
/// A file cannot be read or written, or an image is no longer the one that was checked.
pub fn write_shards(
    source: &Images,
    out_dir: &Path,
    images: &[CheckedImage],
    labels: &[u32],
    groups: &[String],
    classes: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<(PathBuf, DataFile)>, ImportError> {
    let io_error = |path: &Path, source| ImportError::Io {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir_all(out_dir).map_err(|source| io_error(out_dir, source))?;
    let total = images.len() as u64;
    let mut files = Vec::new();
    for (shard_idx, range) in shard_ranges(images, SHARD_BYTES).into_iter().enumerate() {
        let path = out_dir.join(format!("part-{shard_idx:05}.parquet"));
        let rows = range.map(|idx| {
            progress(Progress {
                stage: Stage::Write,
                done: idx as u64 + 1,
                total,
            });
            Ok::<_, ImportError>(Row {
                bytes: read_unchanged(source, &images[idx])?,
                path: images[idx].listing.path.clone(),
                label: labels[idx],
                group: groups[idx].clone(),
            })
        });
        let n_rows = write(&path, classes, rows)? as u64;
        let (sha256, n_bytes) = hash_file(&path).map_err(|source| io_error(&path, source))?;
        let file = DataFile {
            sha256,
            n_bytes,
            n_rows,
        };
        files.push((path, file));
    }
    Ok(files)
}

fn read_unchanged(source: &Images, image: &CheckedImage) -> Result<Bytes, ImportError> {
    let listing = &image.listing;
    let path = source.dir().join(&listing.path);
    match source.read(&listing.path, listing.place) {
        Ok(bytes) if Sha256Digest::of(&bytes) == image.sha256 => Ok(bytes),
        Ok(_) => Err(ImportError::Changed(path)),
        Err(source) => Err(ImportError::Io { path, source }),
    }
}

/// Consecutive ranges of at most `limit` bytes of images, or of one image that is larger.
fn shard_ranges(images: &[CheckedImage], limit: u64) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut n_bytes) = (0, 0);
    for (idx, image) in images.iter().enumerate() {
        if idx > start && n_bytes + image.n_bytes > limit {
            ranges.push(start..idx);
            (start, n_bytes) = (idx, 0);
        }
        n_bytes += image.n_bytes;
    }
    if start < images.len() {
        ranges.push(start..images.len());
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::super::images::Place;
    use super::super::layout::Listing;
    use super::*;

    #[test]
    fn shards_stay_below_their_size_unless_one_image_is_larger() {
        let image = |n_bytes| CheckedImage {
            listing: Listing {
                path: String::new(),
                place: Place::File,
                class: String::new(),
                split: None,
                group: None,
            },
            sha256: Sha256Digest::of(b""),
            n_bytes,
        };
        let images: Vec<_> = [4, 6, 1, 9, 20, 3].map(image).into();
        assert_eq!(shard_ranges(&images, 10), [0..2, 2..4, 4..5, 5..6]);
        assert!(shard_ranges(&[], 10).is_empty());
    }
}
