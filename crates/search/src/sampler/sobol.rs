//! Evenly spread draws: a Sobol sequence with Owen's scrambling, hashed (Burley 2020; direction numbers of
//! Joe and Kuo 2008, from the `sobol_burley` crate).
//!
//! Each parameter is one dimension, and an inactive one leaves its coordinate unused. Beyond the
//! sequence's dimensions and length the draws are random.

use sobol_burley::{NUM_DIMENSIONS, sample};

use super::study::Study;
use crate::space::points::Point;

/// Points of the sequence that the crate can number.
const N_POINTS: u32 = 1 << 16;

/// Point number `number` of the sequence for `seed`; it may be known already, or forbidden.
pub(super) fn propose(study: &Study, seed: u64, number: u32) -> Option<Point> {
    let n_params = study.space.params().len() as u32;
    if number >= N_POINTS || n_params > NUM_DIMENSIONS {
        return None;
    }
    // The scrambling takes 32 bits; mixing keeps seeds apart that differ only above them.
    let scramble = (seed ^ (seed >> 32).wrapping_mul(0x9E37_79B9)) as u32;
    let point = study.space.build(|idx, param, _| {
        let u = sample(number, idx as u32, scramble);
        param.domain.at_unit(f64::from(u))
    });
    Some(point)
}
