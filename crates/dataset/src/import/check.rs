//! Reads, hashes and decodes every image, on all cores.

use std::path::Path;

use cultivar_spec::Sha256Digest;
use rayon::prelude::*;

use super::error::BrokenImage;
use super::layout::Listing;
use crate::decode::decode_rgb;
use crate::progress::{Progress, Stage};

/// Images read at a time between two calls of the progress function.
const CHUNK: usize = 128;

/// No image is larger, and memory is not for the taking.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// An image that decodes.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedImage {
    pub listing: Listing,
    /// Of the encoded bytes.
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
}

/// The images of `dir` that decode and those that do not, each in the order of `listings`.
pub fn check_images(
    dir: &Path,
    listings: Vec<Listing>,
    progress: &mut dyn FnMut(Progress),
) -> (Vec<CheckedImage>, Vec<BrokenImage>) {
    let total = listings.len() as u64;
    let mut sound = Vec::with_capacity(listings.len());
    let mut broken = Vec::new();
    let mut report = |done| {
        progress(Progress {
            stage: Stage::Check,
            done,
            total,
        });
    };
    report(0);
    for chunk in listings.chunks(CHUNK) {
        let checked: Vec<_> = chunk
            .par_iter()
            .map(|listing| check(dir, listing))
            .collect();
        for result in checked {
            match result {
                Ok(image) => sound.push(image),
                Err(image) => broken.push(image),
            }
        }
        report((sound.len() + broken.len()) as u64);
    }
    (sound, broken)
}

fn check(dir: &Path, listing: &Listing) -> Result<CheckedImage, BrokenImage> {
    let broken = |reason: String| BrokenImage {
        path: listing.path.clone(),
        reason,
    };
    let path = dir.join(&listing.path);
    let n_bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    if n_bytes > MAX_FILE_BYTES {
        return Err(broken(format!(
            "the file has {n_bytes} bytes; at most {MAX_FILE_BYTES} are read"
        )));
    }
    let bytes = std::fs::read(path).map_err(|error| broken(error.to_string()))?;
    decode_rgb(&bytes).map_err(|error| broken(error.to_string()))?;
    Ok(CheckedImage {
        listing: listing.clone(),
        sha256: Sha256Digest::of(&bytes),
        n_bytes: bytes.len() as u64,
    })
}
