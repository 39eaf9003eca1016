//! A fast checksum against damage by accident: a torn write, a full disk, a flipped bit. No defence
//! against malice, which artifacts' SHA-256 is for.

use rayon::prelude::*;

/// Bytes summed by one task.
const PART: usize = 1 << 20;
/// An odd multiplier with well mixed bits: 2^64 over the golden ratio.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Independent sums, which keep the multiplier busy.
const LANES: usize = 4;

/// 64 bits that change with any byte and any two parts that change places. Reads several GB/s.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let parts: Vec<u64> = bytes.par_chunks(PART).map(of_part).collect();
    parts.into_iter().fold(bytes.len() as u64, mix)
}

fn of_part(bytes: &[u8]) -> u64 {
    let mut lanes = [1; LANES];
    let blocks = bytes.chunks_exact(8 * LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            *lane = mix(*lane, u64::from_le_bytes(word.try_into().expect("8 bytes")));
        }
    }
    let tail = rest.iter().fold(2, |sum, &byte| mix(sum, byte.into()));
    lanes.into_iter().fold(tail, mix)
}

fn mix(sum: u64, word: u64) -> u64 {
    let product = (sum ^ word).wrapping_mul(FACTOR);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let bytes: Vec<u8> = (0..PART + 77).map(|idx| (idx * 31 % 251) as u8).collect();
        let whole = checksum(&bytes);
        for idx in [0, 7, 8, 31, 32, PART - 1, PART, PART + 76] {
            let mut damaged = bytes.clone();
            damaged[idx] ^= 1;
            assert_ne!(checksum(&damaged), whole, "byte {idx}");
        }
        assert_ne!(checksum(&bytes[..bytes.len() - 1]), whole);
        let mut swapped = bytes;
        swapped.swap(3, 40);
        assert_ne!(checksum(&swapped), whole);
    }
}
