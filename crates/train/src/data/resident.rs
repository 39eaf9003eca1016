//! The decoded cache as a tensor on the device: copied there once for a GPU, mapped without a copy for the CPU.

use tch::{Device, Kind, Tensor};

use super::cache::{Cache, Place};

/// A batch of images as they are cached.
#[derive(Debug)]
pub(crate) struct PixelBatch {
    /// `[N, H, W, 3]` u8, each image in the upper left corner of the largest one's frame.
    pub pixels: Tensor,
    /// Height and width of each image.
    pub sizes: Vec<(u32, u32)>,
}

/// All images of a dataset version.
#[derive(Debug)]
pub(crate) struct Pixels {
    store: Store,
    places: Vec<Place>,
    /// Owns the memory that a CPU tensor points into.
    _cache: Cache,
}

#[derive(Debug)]
enum Store {
    /// `[N, H, W, 3]` u8: every image has the same size.
    Uniform(Tensor),
    /// `[bytes]` u8.
    Ragged(Tensor),
}

impl Pixels {
    /// Makes the cache resident on `device`.
    pub fn new(cache: Cache, device: Device) -> Self {
        let first = cache.places[0];
        let start = first.offset as usize;
        let n_bytes = (cache.map.len() - start) as i64;
        // SAFETY: the mapping is read-only memory that lives as long as `_cache`, which this struct
        // owns; nothing writes to the tensor.
        let bytes = unsafe {
            Tensor::from_blob(
                cache.map[start..].as_ptr(),
                &[n_bytes],
                &[1],
                Kind::Uint8,
                Device::Cpu,
            )
        };
        let bytes = bytes.to_device(device);
        let uniform = cache
            .places
            .iter()
            .all(|place| (place.height, place.width) == (first.height, first.width));
        let store = if uniform {
            let shape = [
                cache.places.len() as i64,
                i64::from(first.height),
                i64::from(first.width),
                3,
            ];
            Store::Uniform(bytes.view(shape))
        } else {
            Store::Ragged(bytes)
        };
        Self {
            store,
            places: cache.places.clone(),
            _cache: cache,
        }
    }

    /// The images at `indices`, in that order.
    pub fn gather(&self, indices: &[i64]) -> PixelBatch {
        let places: Vec<Place> = indices
            .iter()
            .map(|&idx| self.places[idx as usize])
            .collect();
        let sizes = places
            .iter()
            .map(|place| (place.height, place.width))
            .collect();
        let pixels = match &self.store {
            Store::Uniform(images) => {
                images.index_select(0, &Tensor::from_slice(indices).to_device(images.device()))
            }
            Store::Ragged(bytes) => gather_ragged(bytes, &places, self.places[0].offset),
        };
        PixelBatch { pixels, sizes }
    }
}

fn gather_ragged(bytes: &Tensor, places: &[Place], start: u64) -> Tensor {
    let height = places
        .iter()
        .map(|place| i64::from(place.height))
        .max()
        .unwrap_or(0);
    let width = places
        .iter()
        .map(|place| i64::from(place.width))
        .max()
        .unwrap_or(0);
    let batch = Tensor::zeros(
        [places.len() as i64, height, width, 3],
        (Kind::Uint8, bytes.device()),
    );
    for (idx, place) in places.iter().enumerate() {
        let (h, w) = (i64::from(place.height), i64::from(place.width));
        let image = bytes
            .narrow(0, (place.offset - start) as i64, h * w * 3)
            .view([h, w, 3]);
        batch
            .get(idx as i64)
            .narrow(0, 0, h)
            .narrow(1, 0, w)
            .copy_(&image);
    }
    batch
}
