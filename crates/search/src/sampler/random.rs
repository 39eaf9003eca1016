//! Independent draws (Bergstra and Bengio 2012).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::space::points::{Point, Space};

/// A point drawn from the space's own distributions, an alternative of a choice as likely as any other.
pub(super) fn draw(space: &Space, rng: &mut ChaCha8Rng) -> Point {
    space.build(|_, param, _| param.domain.at_unit(rng.random()))
}
