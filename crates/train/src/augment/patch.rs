//! Rectangles of an image.

use rand::Rng;
use tch::Tensor;

/// Rows and columns of a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    pub top: i64,
    pub left: i64,
    pub height: i64,
    pub width: i64,
}

impl Patch {
    /// Around a random pixel of a `height x width` image, `half` rows and columns to either side,
    /// cut off at the borders.
    pub fn around(height: i64, width: i64, half: [i64; 2], rng: &mut impl Rng) -> Self {
        let mut axis = |length: i64, half: i64| {
            let center = rng.random_range(0..length);
            let first = (center - half).clamp(0, length);
            (first, (center + half).clamp(0, length) - first)
        };
        let (top, height) = axis(height, half[0]);
        let (left, width) = axis(width, half[1]);
        Self {
            top,
            left,
            height,
            width,
        }
    }

    /// The rectangle of `images`, `[.., H, W]`: a view.
    pub fn of(&self, images: &Tensor) -> Tensor {
        images
            .narrow(-2, self.top, self.height)
            .narrow(-1, self.left, self.width)
    }
}
