//! The decoded cache: every image of a dataset version as uint8 RGB, in one memory-mapped file.
//!
//! Layout: magic, number of images, for each image its offset, height and width, the SHA-256 of all
//! that, then the pixels, rows first, channels last. A file that is cut short or whose head does not
//! match its checksum is built again. A lock makes trainers of one machine build it once.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cultivar_dataset::decode::{decode_rgb, resize};
use cultivar_dataset::parquet::read_images;
use cultivar_spec::Sha256Digest;
use cultivar_spec::trial::Interpolation;
use memmap2::Mmap;
use rayon::prelude::*;
use rustix::fs::{FlockOperation, flock};

use super::DataError;

const MAGIC: &[u8; 8] = b"CVPIXEL1";
const ENTRY_BYTES: usize = 16;
/// Images decoded between two writes.
const CHUNK: usize = 256;

/// What a cache file is a function of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheKey {
    pub version: Sha256Digest,
    /// Larger images are shrunk to this short side, aspect kept; smaller ones stay as they are.
    pub short_side: u32,
}

impl CacheKey {
    /// The short side that leaves a third of slack over the larger resolution.
    pub fn for_resolution(version: Sha256Digest, resolution: u32) -> Self {
        Self {
            version,
            short_side: (f64::from(resolution) * 1.33).ceil() as u32,
        }
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder
            .join("pixels")
            .join(format!("{}-{}.bin", self.version, self.short_side))
    }
}

/// Where an image lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub offset: u64,
    pub height: u32,
    pub width: u32,
}

/// An open cache file.
#[derive(Debug)]
pub(crate) struct Cache {
    pub map: Mmap,
    pub places: Vec<Place>,
}

impl Cache {
    /// Opens the cache of `key` below `folder`, building it from the Parquet `files` if need be.
    /// `progress` hears how many of the images are decoded.
    ///
    /// # Errors
    /// An image cannot be decoded, the files do not hold `n_images`, or the disk fails.
    pub fn open(
        key: CacheKey,
        folder: &Path,
        files: &[PathBuf],
        n_images: usize,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self, DataError> {
        let path = key.path(folder);
        let parent = path.parent().expect("a cache lies in a folder");
        std::fs::create_dir_all(parent).map_err(|e| DataError::io(parent, e))?;
        let _lock = lock(&path.with_extension("lock"))?;
        if let Some(cache) = Self::read(&path, n_images)? {
            return Ok(cache);
        }
        let part = path.with_extension("part");
        build(&part, key, files, n_images, progress)?;
        std::fs::rename(&part, &path).map_err(|e| DataError::io(&path, e))?;
        Self::read(&path, n_images)?.ok_or(DataError::Count {
            listed: n_images,
            found: 0,
        })
    }

    /// The file, if it is there and whole.
    fn read(path: &Path, n_images: usize) -> Result<Option<Self>, DataError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DataError::io(path, e)),
        };
        let mut head = vec![0; head_bytes(n_images)];
        if file.read_exact(&mut head).is_err() || !head.starts_with(MAGIC) {
            return Ok(None);
        }
        let (body, checksum) = head.split_at(head.len() - 32);
        if Sha256Digest::of(body).0 != checksum || body[8..16] != (n_images as u64).to_le_bytes() {
            return Ok(None);
        }
        let places: Vec<Place> = body[16..]
            .chunks_exact(ENTRY_BYTES)
            .map(Place::read)
            .collect();
        let end = places
            .last()
            .map_or(0, |place| place.offset + place.n_bytes());
        if file.metadata().map_err(|e| DataError::io(path, e))?.len() != end {
            return Ok(None);
        }
        // SAFETY: a finished cache is never written again, only replaced by a rename.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| DataError::io(path, e))?;
        Ok(Some(Self { map, places }))
    }
}

impl Place {
    fn n_bytes(self) -> u64 {
        u64::from(self.height) * u64::from(self.width) * 3
    }

    fn read(bytes: &[u8]) -> Self {
        let u32_at =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let offset = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        Self {
            offset,
            height: u32_at(8),
            width: u32_at(12),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend(self.offset.to_le_bytes());
        out.extend(self.height.to_le_bytes());
        out.extend(self.width.to_le_bytes());
    }
}

fn head_bytes(n_images: usize) -> usize {
    16 + n_images * ENTRY_BYTES + 32
}

/// Takes the exclusive lock; it falls with the returned file.
pub(crate) fn lock(path: &Path) -> Result<File, DataError> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|e| DataError::io(path, e))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|e| DataError::io(path, e.into()))?;
    Ok(file)
}

fn build(
    part: &Path,
    key: CacheKey,
    files: &[PathBuf],
    n_images: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<(), DataError> {
    let failed = |e| DataError::io(part, e);
    let mut out = BufWriter::new(File::create(part).map_err(failed)?);
    let mut offset = head_bytes(n_images) as u64;
    out.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut places = Vec::with_capacity(n_images);

    let mut write_chunk = |chunk: &mut Vec<bytes::Bytes>| -> Result<(), DataError> {
        let first_idx = places.len();
        let decoded: Vec<_> = chunk
            .par_iter()
            .enumerate()
            .map(|(idx, bytes)| {
                let image = decode_rgb(bytes).map_err(|source| DataError::Decode {
                    idx: first_idx + idx,
                    source,
                })?;
                Ok(shrink(image, key.short_side))
            })
            .collect::<Result<_, DataError>>()?;
        for image in decoded {
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
        progress(places.len());
        Ok(())
    };
    let mut chunk = Vec::with_capacity(CHUNK);
    for file in files {
        read_images(file, |_, bytes| {
            chunk.push(bytes);
            if chunk.len() == CHUNK {
                write_chunk(&mut chunk)
            } else {
                Ok(())
            }
        })?;
    }
    write_chunk(&mut chunk)?;
    if places.len() != n_images {
        return Err(DataError::Count {
            listed: n_images,
            found: places.len(),
        });
    }

    let mut head = Vec::with_capacity(head_bytes(n_images));
    head.extend(MAGIC);
    head.extend((n_images as u64).to_le_bytes());
    places.iter().for_each(|place| place.write(&mut head));
    let checksum = Sha256Digest::of(&head);
    head.extend(checksum.0);
    out.seek(SeekFrom::Start(0)).map_err(failed)?;
    out.write_all(&head).map_err(failed)?;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)
}

/// To the given short side, if it is longer.
fn shrink(image: image::RgbImage, short_side: u32) -> image::RgbImage {
    let (width, height) = image.dimensions();
    let short = width.min(height);
    if short <= short_side {
        return image;
    }
    let scaled =
        |side: u32| (f64::from(side) * f64::from(short_side) / f64::from(short)).round() as u32;
    resize(
        &image,
        scaled(width),
        scaled(height),
        Interpolation::Bicubic,
    )
}
