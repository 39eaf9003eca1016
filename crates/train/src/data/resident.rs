//! The decoded cache as tensors: mapped without a copy for the CPU, copied once to a GPU that has
//! room for it, else gathered on the host batch by batch.

use std::sync::Arc;

use image::RgbImage;
use tch::{Device, Kind, Tensor};

use super::cache::Cache;
use super::format::Place;
use crate::device;

/// Share of a GPU's memory that the resident images of one cache may take, of which a run has two; the rest is for
/// training.
const RESIDENT_SHARE: f64 = 0.2;

/// A batch of images as they are cached.
#[derive(Debug)]
pub struct PixelBatch {
    /// `[N, H, W, 3]` u8 on the device, each image in the upper left corner of the smallest frame
    /// that holds them all, and zeros around it.
    pub pixels: Tensor,
    /// Height and width of each image in pixels.
    pub sizes: Vec<(u32, u32)>,
}

impl PixelBatch {
    /// Images that lie in no cache.
    pub fn of(images: &[RgbImage], device: Device) -> Self {
        let mut bytes = Vec::new();
        let places: Vec<Place> = images
            .iter()
            .map(|image| {
                let offset = bytes.len() as u64;
                bytes.extend_from_slice(image.as_raw());
                Place {
                    offset,
                    height: image.height(),
                    width: image.width(),
                }
            })
            .collect();
        Self {
            pixels: gather_ragged(&Tensor::from_slice(&bytes), &places).to_device(device),
            sizes: places
                .iter()
                .map(|place| (place.height, place.width))
                .collect(),
        }
    }
}

/// All images of a dataset version.
#[derive(Debug)]
pub struct Pixels {
    store: Store,
    places: Vec<Place>,
    device: Device,
    /// Owns the memory that a tensor on the CPU points into.
    _cache: Arc<Cache>,
}

#[derive(Debug)]
enum Store {
    /// `[N, H, W, 3]` u8: all images have the same size.
    Uniform(Tensor),
    /// `[bytes]` u8.
    Ragged(Tensor),
}

impl Pixels {
    /// Makes the images of `cache` ready for `device`.
    pub fn new(cache: Arc<Cache>, device: Device) -> Self {
        let places = cache.places().to_vec();
        let bytes = cache.pixels();
        // SAFETY: the memory is read-only, is never written through the tensor, and lives as long as
        // `_cache`, which the struct holds beside every tensor that points into it.
        let on_host = unsafe {
            let len = bytes.len() as i64;
            Tensor::from_blob(bytes.as_ptr(), &[len], &[1], Kind::Uint8, Device::Cpu)
        };
        let resident = if fits(bytes.len(), device) {
            on_host.to_device(device)
        } else {
            on_host
        };
        let first = places.first().map(|place| (place.height, place.width));
        let uniform = places
            .iter()
            .all(|place| Some((place.height, place.width)) == first);
        let store = match first {
            Some((height, width)) if uniform => {
                let shape = [places.len() as i64, height.into(), width.into(), 3];
                Store::Uniform(resident.view(shape))
            }
            _ => Store::Ragged(resident),
        };
        Self {
            store,
            places,
            device,
            _cache: cache,
        }
    }

    /// The images at `indices`, in that order, with repetition.
    ///
    /// # Panics
    /// An index is out of range.
    pub fn gather(&self, indices: &[i64]) -> PixelBatch {
        let places: Vec<Place> = indices
            .iter()
            .map(|&idx| self.places[idx as usize])
            .collect();
        let pixels = match &self.store {
            Store::Uniform(images) => {
                images.index_select(0, &Tensor::from_slice(indices).to_device(images.device()))
            }
            Store::Ragged(bytes) => gather_ragged(bytes, &places),
        };
        PixelBatch {
            pixels: pixels.to_device(self.device),
            sizes: places
                .iter()
                .map(|place| (place.height, place.width))
                .collect(),
        }
    }
}

fn fits(n_bytes: usize, device: Device) -> bool {
    match device {
        Device::Cpu => true,
        _ => device::describe(device)
            .memory_bytes
            .is_some_and(|memory| n_bytes as f64 <= memory as f64 * RESIDENT_SHARE),
    }
}

fn gather_ragged(bytes: &Tensor, places: &[Place]) -> Tensor {
    let largest = |side: fn(&Place) -> u32| places.iter().map(side).max().unwrap_or(0).into();
    let shape = [
        places.len() as i64,
        largest(|place| place.height),
        largest(|place| place.width),
        3,
    ];
    // Zeros and not whatever was there, so that equal batches are equal in every byte.
    let batch = Tensor::zeros(shape, (Kind::Uint8, bytes.device()));
    for (idx, place) in places.iter().enumerate() {
        let (height, width) = (i64::from(place.height), i64::from(place.width));
        let image = bytes
            .narrow(0, place.offset as i64, place.n_bytes() as i64)
            .view([height, width, 3]);
        batch
            .get(idx as i64)
            .narrow(0, 0, height)
            .narrow(1, 0, width)
            .copy_(&image);
    }
    batch
}
