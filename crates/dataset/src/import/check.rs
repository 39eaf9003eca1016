//! Reads, hashes and decodes every image, on all cores.

use cultivar_spec::Sha256Digest;
use rayon::prelude::*;

use super::error::BrokenImage;
use super::images::Images;
use super::layout::Listing;
use crate::decode::decode_rgb;
use crate::progress::{Progress, Stage};

/// Images read at a time between two calls of the progress function.
const CHUNK: usize = 128;

/// An image that decodes.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedImage {
    pub listing: Listing,
    /// Of the encoded bytes.
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
}

/// The images that decode and those that do not, each in the order of `listings`.
pub fn check_images(
    images: &Images,
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
            .map(|listing| check(images, listing))
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

fn check(images: &Images, listing: &Listing) -> Result<CheckedImage, BrokenImage> {
    let broken = |reason: String| BrokenImage {
        path: listing.path.clone(),
        reason,
    };
    let bytes = images
        .read(&listing.path, listing.place)
        .map_err(|error| broken(error.to_string()))?;
    decode_rgb(&bytes).map_err(|error| broken(error.to_string()))?;
    Ok(CheckedImage {
        listing: listing.clone(),
        sha256: Sha256Digest::of(&bytes),
        n_bytes: bytes.len() as u64,
    })
}
