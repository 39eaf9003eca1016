//! One emoji as the dataset keeps it: a square RGB PNG on white.

use std::path::Path;

use cultivar_spec::trial::Interpolation;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage, RgbaImage};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::decode::{decode_rgb, on_white};
use crate::resample::resize;

/// Side of every image of the dataset in pixels.
pub const SIDE_PX: u32 = 128;

/// Reads a drawing (png, webp or svg) and gives it back as PNG: [`SIDE_PX`] square, on white, resized
/// with the bicubic filter (svg is drawn at that size).
///
/// # Errors
/// What is wrong with the file, in a sentence.
pub fn draw(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let image = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => rasterize(&bytes)?,
        _ => decode_rgb(&bytes).map_err(|error| error.to_string())?,
    };
    let image = resize(&image, SIDE_PX, SIDE_PX, Interpolation::Bicubic);
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&image, SIDE_PX, SIDE_PX, ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(png)
}

fn rasterize(svg: &[u8]) -> Result<RgbImage, String> {
    let tree = Tree::from_data(svg, &Options::default()).map_err(|error| error.to_string())?;
    let mut pixmap = Pixmap::new(SIDE_PX, SIDE_PX).ok_or("no memory for a small image")?;
    pixmap.fill(Color::WHITE);
    let side = SIDE_PX as f32;
    let scale = Transform::from_scale(side / tree.size().width(), side / tree.size().height());
    resvg::render(&tree, scale, &mut pixmap.as_mut());
    // Nothing is left transparent on the white ground, so premultiplied and straight are the same.
    let image = RgbaImage::from_raw(SIDE_PX, SIDE_PX, pixmap.take());
    Ok(on_white(&image.ok_or("a pixmap holds four bytes a pixel")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw_text(name: &str, content: &[u8]) -> Result<RgbImage, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        draw(&path).map(|png| decode_rgb(&png).unwrap())
    }

    #[test]
    fn svg_is_drawn_to_size_on_white() {
        let svg = br#"<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">
            <rect width="36" height="72" fill="red"/><rect x="36" width="36" height="36" opacity="0.5"/></svg>"#;
        let image = draw_text("half.svg", svg).unwrap();
        assert_eq!(image.dimensions(), (SIDE_PX, SIDE_PX));
        assert_eq!(image.get_pixel(10, 64).0, [255, 0, 0]);
        assert_eq!(image.get_pixel(120, 120).0, [255, 255, 255]);
        let grey = image.get_pixel(120, 10).0[0];
        assert!(
            (126..=129).contains(&grey),
            "half black on white, not {grey}"
        );
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        assert!(draw_text("a.svg", b"<svg").is_err());
        assert!(
            draw_text("a.png", b"text")
                .unwrap_err()
                .contains("not an image")
        );
    }
}
