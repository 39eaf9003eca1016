//! The layout of a decoded cache file.
//!
//! Magic (8 bytes), number of images (u64), checksum of the pixels (u64), for each image its offset
//! (u64), height and width (u32), then the SHA-256 of all that; then the pixels, image after image,
//! each `[height, width, 3]` u8. Numbers are little-endian.

use cultivar_spec::Sha256Digest;

const MAGIC: &[u8; 8] = b"CVPIXEL2";
const FIXED_BYTES: usize = 24;
const ENTRY_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;

/// Where an image lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First byte, counted from the first pixel of the file.
    pub offset: u64,
    pub height: u32,
    pub width: u32,
}

impl Place {
    pub fn n_bytes(self) -> u64 {
        u64::from(self.height) * u64::from(self.width) * 3
    }
}

/// What stands before the pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub places: Vec<Place>,
    pub pixel_checksum: u64,
}

impl Head {
    /// Length of the head of a file of `n_images`.
    pub fn n_bytes(n_images: usize) -> usize {
        FIXED_BYTES + n_images * ENTRY_BYTES + DIGEST_BYTES
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::n_bytes(self.places.len()));
        out.extend(MAGIC);
        out.extend((self.places.len() as u64).to_le_bytes());
        out.extend(self.pixel_checksum.to_le_bytes());
        for place in &self.places {
            out.extend(place.offset.to_le_bytes());
            out.extend(place.height.to_le_bytes());
            out.extend(place.width.to_le_bytes());
        }
        let digest = Sha256Digest::of(&out);
        out.extend(digest.0);
        out
    }

    /// Reads the head of a file of `n_images`; none if it is not one, or damaged.
    pub fn read(file: &[u8], n_images: usize) -> Option<Self> {
        let head = file.get(..Self::n_bytes(n_images))?;
        let (body, digest) = head.split_at(head.len() - DIGEST_BYTES);
        let whole = body.starts_with(MAGIC)
            && u64_at(body, 8) == n_images as u64
            && Sha256Digest::of(body).0 == digest;
        whole.then(|| Self {
            places: body[FIXED_BYTES..]
                .chunks_exact(ENTRY_BYTES)
                .map(|entry| Place {
                    offset: u64_at(entry, 0),
                    height: u32_at(entry, 8),
                    width: u32_at(entry, 12),
                })
                .collect(),
            pixel_checksum: u64_at(body, 16),
        })
    }

    /// Length of all pixels.
    pub fn pixel_bytes(&self) -> u64 {
        self.places
            .last()
            .map_or(0, |last| last.offset + last.n_bytes())
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_shows_damage() {
        let place = |offset, height, width| Place {
            offset,
            height,
            width,
        };
        let head = Head {
            places: vec![place(0, 4, 5), place(60, 7, 3)],
            pixel_checksum: 42,
        };
        let mut bytes = head.write();
        assert_eq!(bytes.len(), Head::n_bytes(2));
        assert_eq!(head.pixel_bytes(), 123);
        assert_eq!(Head::read(&bytes, 2), Some(head));
        assert_eq!(Head::read(&bytes, 1), None);
        assert_eq!(Head::read(&bytes[..bytes.len() - 1], 2), None);
        bytes[40] ^= 1;
        assert_eq!(Head::read(&bytes, 2), None);
    }
}
