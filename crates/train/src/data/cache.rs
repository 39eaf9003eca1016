//! The decoded cache: every image of a dataset version as 8-bit RGB, in one memory-mapped file.
//!
//! It is built once per machine, under a lock, written beside its name and renamed into place. A file
//! that is cut short or whose head or pixels do not match their checksums is built again.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use cultivar_dataset::decode::decode_rgb;
use cultivar_dataset::parquet::read_images;
use cultivar_dataset::resample::resize;
use cultivar_spec::Sha256Digest;
use cultivar_spec::trial::Interpolation;
use image::RgbImage;
use memmap2::Mmap;
use rayon::prelude::*;

use super::format::{Head, Place};
use super::{DataError, Watch, checksum, lock};

/// Slack of the cached short side over the largest crop that is resampled from it.
const SLACK: f64 = 1.33;
/// Images decoded between two writes.
const CHUNK: usize = 128;

/// How large the images of a cache are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrink {
    /// Larger images are shrunk to this short side in pixels, aspect kept; smaller ones stay as they are, since every
    /// crop is resampled anyway.
    pub short_side: u32,
    /// Its filter, antialiased.
    pub interpolation: Interpolation,
}

impl Shrink {
    /// For random crops of at most `resolution` pixels a side.
    pub fn for_training(resolution: u32) -> Self {
        Self {
            short_side: (f64::from(resolution) * SLACK).ceil() as u32,
            interpolation: Interpolation::Bicubic,
        }
    }

    /// The sides are those of torchvision's and timm's `Resize`: the long one is rounded down. An image that was shrunk
    /// before comes back as it is.
    pub fn apply(self, image: RgbImage) -> RgbImage {
        let (width, height) = image.dimensions();
        let short = width.min(height);
        if short <= self.short_side {
            return image;
        }
        let scaled =
            |side: u32| (u64::from(side) * u64::from(self.short_side) / u64::from(short)) as u32;
        resize(&image, scaled(width), scaled(height), self.interpolation)
    }
}

/// What a cache file is a function of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheKey {
    /// The dataset version.
    pub version: Sha256Digest,
    pub shrink: Shrink,
}

impl CacheKey {
    /// The cache for random crops of at most `resolution` pixels a side.
    pub fn for_resolution(version: Sha256Digest, resolution: u32) -> Self {
        Self {
            version,
            shrink: Shrink::for_training(resolution),
        }
    }

    /// Where its file lies below the cache folder.
    pub fn path(&self, cache_dir: &Path) -> PathBuf {
        let filter = match self.shrink.interpolation {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        };
        let name = format!(
            "{}-{}-{filter}.pixels",
            self.version, self.shrink.short_side
        );
        cache_dir.join("pixels").join(name)
    }
}

/// An open cache file, whole and checked.
#[derive(Debug)]
pub struct Cache {
    map: Mmap,
    places: Vec<Place>,
}

impl Cache {
    /// Opens the cache of `key` below `cache_dir`, building it from the Parquet `files` if need be.
    /// `watch` hears how many images are decoded.
    ///
    /// # Errors
    /// An image cannot be decoded, the files do not hold `n_images`, the disk fails, or `watch`
    /// gives up.
    pub fn open(
        key: CacheKey,
        cache_dir: &Path,
        files: &[PathBuf],
        n_images: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Self, DataError> {
        let path = key.path(cache_dir);
        if let Some(cache) = Self::read(&path, n_images)? {
            return Ok(cache);
        }
        let folder = path.parent().expect("a cache lies in a folder");
        fs::create_dir_all(folder).map_err(|e| DataError::io(folder, e))?;
        let _lock = lock(&path.with_extension("lock"), watch)?;
        // Whoever held the lock may have built it.
        if let Some(cache) = Self::read(&path, n_images)? {
            return Ok(cache);
        }
        let part = path.with_extension("part");
        build(&part, key.shrink, files, n_images, watch)?;
        fs::rename(&part, &path)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|e| DataError::io(&path, e))?;
        Self::read(&path, n_images)?.ok_or_else(|| {
            let damaged = io::Error::other("the file is damaged right after it was written");
            DataError::io(&path, damaged)
        })
    }

    /// The file, if it is there and whole.
    fn read(path: &Path, n_images: usize) -> Result<Option<Self>, DataError> {
        let failed = |source| DataError::io(path, source);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if metadata.len() < Head::n_bytes(n_images) as u64 {
            return Ok(None);
        }
        // SAFETY: a finished cache file is never written to, only replaced by a rename.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        let Some(head) = Head::read(&map, n_images) else {
            return Ok(None);
        };
        let pixels = &map[Head::n_bytes(n_images)..];
        if pixels.len() as u64 != head.pixel_bytes() || !is_intact(&metadata, pixels, &head) {
            tracing::warn!("{} is damaged: it is built again", path.display());
            return Ok(None);
        }
        Ok(Some(Self {
            places: head.places,
            map,
        }))
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Height and width of an image in pixels.
    pub fn size(&self, idx: usize) -> (u32, u32) {
        (self.places[idx].height, self.places[idx].width)
    }

    /// The pixels of an image: `[height, width, 3]`, row-major.
    pub fn image(&self, idx: usize) -> &[u8] {
        let place = self.places[idx];
        &self.pixels()[place.offset as usize..][..place.n_bytes() as usize]
    }

    /// The pixels of all images, one after another.
    pub(super) fn pixels(&self) -> &[u8] {
        &self.map[Head::n_bytes(self.places.len())..]
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }
}

/// Whether the pixels match their checksum. A file is read through once in the life of a process,
/// for as long as its inode, length and time stay what they were.
fn is_intact(metadata: &Metadata, pixels: &[u8], head: &Head) -> bool {
    type FileId = (u64, u64, u64, i64, i64);
    static CHECKED: LazyLock<Mutex<HashSet<FileId>>> = LazyLock::new(Mutex::default);
    let checked = || CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    let id = (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    );
    if checked().contains(&id) {
        return true;
    }
    let intact = checksum(pixels) == head.pixel_checksum;
    if intact {
        checked().insert(id);
    }
    intact
}

fn build(
    part: &Path,
    shrink: Shrink,
    files: &[PathBuf],
    n_images: usize,
    watch: &mut Watch<'_>,
) -> Result<(), DataError> {
    let failed = |source| DataError::io(part, source);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(part)
        .map_err(failed)?;
    let mut out = BufWriter::new(file);
    let head_bytes = Head::n_bytes(n_images);
    out.seek(SeekFrom::Start(head_bytes as u64))
        .map_err(failed)?;

    let mut places = Vec::with_capacity(n_images);
    let mut offset = 0;
    let mut flush = |chunk: &mut Vec<Bytes>| -> Result<usize, DataError> {
        for image in decode(chunk, places.len(), shrink)? {
            out.write_all(image.as_raw()).map_err(failed)?;
            let place = Place {
                offset,
                height: image.height(),
                width: image.width(),
            };
            offset += place.n_bytes();
            places.push(place);
        }
        chunk.clear();
        watch(places.len(), n_images)?;
        Ok(places.len())
    };
    let mut chunk = Vec::with_capacity(CHUNK);
    for file in files {
        read_images(file, |_, bytes| {
            chunk.push(bytes);
            if chunk.len() == CHUNK {
                flush(&mut chunk)?;
            }
            Ok::<(), DataError>(())
        })?;
    }
    let found = flush(&mut chunk)?;
    if found != n_images {
        return Err(DataError::Count {
            listed: n_images,
            found,
        });
    }

    let mut file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    // SAFETY: this process alone writes the file, under a lock, and not while the map lives.
    let written = unsafe { Mmap::map(&file) }.map_err(failed)?;
    let head = Head {
        places,
        pixel_checksum: checksum(&written[head_bytes..]),
    };
    drop(written);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.write_all(&head.write()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Decodes and shrinks encoded images, the first of which is image `first_idx` of the dataset.
fn decode(chunk: &[Bytes], first_idx: usize, shrink: Shrink) -> Result<Vec<RgbImage>, DataError> {
    chunk
        .par_iter()
        .enumerate()
        .map(|(idx, bytes)| match decode_rgb(bytes) {
            Ok(image) => Ok(shrink.apply(image)),
            Err(source) => Err(DataError::Decode {
                idx: first_idx + idx,
                source,
            }),
        })
        .collect()
}
