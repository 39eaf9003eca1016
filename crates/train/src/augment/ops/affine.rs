//! Geometric operations: each image through an affine map of its own, in one sampling.

use tch::{Device, Kind, Tensor};

/// Where each output pixel is read, in pixels from the centre of the image:
/// (x, y) reads (a x + b y + c, d x + e y + f) of `[[a, b, c], [d, e, f]]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine([[f64; 3]; 2]);

impl Affine {
    /// a, b, c, d, e, f.
    pub fn numbers(&self) -> [f64; 6] {
        let [[a, b, c], [d, e, f]] = self.0;
        [a, b, c, d, e, f]
    }

    /// Row y reads x + `slope` y, both from the upper left corner. `side`: height in pixels.
    pub fn shear_x(slope: f64, side: f64) -> Self {
        Self([[1.0, slope, slope * side / 2.0], [0.0, 1.0, 0.0]])
    }

    /// Column x reads y + `slope` x, both from the upper left corner. `side`: width in pixels.
    pub fn shear_y(slope: f64, side: f64) -> Self {
        Self([[1.0, 0.0, 0.0], [slope, 1.0, slope * side / 2.0]])
    }

    /// Reads `x` pixels to the right and `y` below.
    pub fn translation(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y]])
    }

    /// Turns the image counter-clockwise about its centre. `angle` in radians.
    pub fn rotation(angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self([[cos, -sin, 0.0], [sin, cos, 0.0]])
    }
}

/// How a moved image is read, and what stands where there is none of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    is_bilinear: bool,
    /// Levels in [0, 255].
    fill: [f64; 3],
}

impl Sampling {
    /// The nearest pixel, as torchvision's default.
    pub fn nearest(fill: [f64; 3]) -> Self {
        Self {
            is_bilinear: false,
            fill,
        }
    }

    /// Between the four pixels around, as Pillow has it: the outermost half pixel repeats the border,
    /// and levels are cut, not rounded.
    pub fn bilinear(fill: [f64; 3]) -> Self {
        Self {
            is_bilinear: true,
            fill,
        }
    }
}

/// `levels: [N, 3, H, W]` f32; `maps`: one for each image. Returns the same shape, whole levels.
pub(super) fn sample(levels: &Tensor, maps: &[Affine], sampling: &Sampling) -> Tensor {
    let (n, _, height, width) = levels.size4().expect("levels are [N, 3, H, W]");
    let device = levels.device();
    let grid = grid(maps, height, width, device);
    // libtorch numbers them: 0 bilinear, 1 nearest; padding 1 repeats the border.
    let mode = if sampling.is_bilinear { 0 } else { 1 };
    let read = levels.grid_sampler_2d(&grid, mode, 1, false);
    let read = if sampling.is_bilinear {
        // What should be a whole level may lie a rounding error below it.
        (read + 1e-3).floor_()
    } else {
        read
    };
    let inside = grid
        .ge(-1.0)
        .logical_and(&grid.lt(1.0))
        .all_dim(3, false)
        .view([n, 1, height, width]);
    let fill = Tensor::from_slice(&sampling.fill.map(|level| level as f32))
        .view([1, 3, 1, 1])
        .to_device(device);
    read.where_self(&inside, &fill)
}

/// Points that are read, `[N, H, W, 2]` f32 (x, y), in [-1, 1) where they lie in the image.
fn grid(maps: &[Affine], height: i64, width: i64, device: Device) -> Tensor {
    let half = [width as f64 / 2.0, height as f64 / 2.0];
    // [N, 3, 2]: a column for each coordinate that is read.
    let columns: Vec<f32> = maps
        .iter()
        .flat_map(|Affine([x, y])| {
            [0, 1, 2].map(|row| [(x[row] / half[0]) as f32, (y[row] / half[1]) as f32])
        })
        .flatten()
        .collect();
    let columns = Tensor::from_slice(&columns)
        .view([-1, 3, 2])
        .to_device(device);
    let centered =
        |length: i64| Tensor::arange(length, (Kind::Float, device)) + (0.5 - length as f64 / 2.0);
    let x = centered(width)
        .view([1, width])
        .expand([height, width], false);
    let y = centered(height)
        .view([height, 1])
        .expand([height, width], false);
    let points = Tensor::stack(&[&x, &y, &Tensor::ones_like(&x)], -1).view([1, height * width, 3]);
    let n = maps.len() as i64;
    points
        .expand([n, height * width, 3], false)
        .bmm(&columns)
        .view([n, height, width, 2])
}
