//! Encoded images to RGB pixels.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage,
};

use crate::jpeg;

/// The largest accepted width or height in pixels.
pub const MAX_SIDE_PX: u32 = 16_384;
/// The largest accepted number of pixels.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most memory a decoder may take for one image.
const MAX_ALLOC_BYTES: u64 = 1 << 30;

/// Why bytes are not an image that can be trained on.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error(
        "the content is not an image: it starts with none of the png, jpeg and webp signatures"
    )]
    NotAnImage,
    #[error("the content is {0}; png, jpeg and webp are read")]
    UnsupportedFormat(&'static str),
    #[error(
        "the image is {width} x {height} px; at most {MAX_SIDE_PX} px a side and {MAX_PIXELS} px in all are read"
    )]
    TooLarge { width: u32, height: u32 },
    #[error("the {format} data is damaged: {source}")]
    Damaged {
        format: &'static str,
        source: ImageError,
    },
}

/// Decodes png, jpeg or webp, told apart by content and not by name, to 8-bit RGB.
///
/// The EXIF orientation is applied; transparency is composited on white; grey, palette and 16-bit
/// images are converted; of an animation the first frame is taken. Colour profiles are ignored, as Pillow does.
///
/// # Errors
/// See [`DecodeError`]. The size is checked before any pixel is decoded, so that a small file that
/// claims to be a huge image costs nothing.
pub fn decode_rgb(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let format = sniff(bytes)?;
    let name = format_name(format);
    let damaged = |source| DecodeError::Damaged {
        format: name,
        source,
    };

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE_PX || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { width, height });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let jpeg = match format {
        ImageFormat::Jpeg => jpeg::decode_rgb(bytes).map_err(damaged)?,
        _ => None,
    };
    let mut image = match jpeg {
        Some(rgb) => DynamicImage::from(rgb),
        None => DynamicImage::from_decoder(decoder).map_err(damaged)?,
    };
    image.apply_orientation(orientation);
    Ok(if image.color().has_alpha() {
        on_white(&image.into_rgba8())
    } else {
        image.into_rgb8()
    })
}

/// Lays an image with transparency on a white ground.
pub fn on_white(image: &RgbaImage) -> RgbImage {
    let mut rgb = RgbImage::new(image.width(), image.height());
    for (to, from) in rgb.pixels_mut().zip(image.pixels()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        to.0 = [r, g, b].map(|level| ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    rgb
}

fn sniff(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) => Ok(format),
        Ok(other) => Err(DecodeError::UnsupportedFormat(format_name(other))),
        Err(_) => Err(DecodeError::NotAnImage),
    }
}

fn format_name(format: ImageFormat) -> &'static str {
    format.extensions_str().first().unwrap_or(&"unknown")
}
