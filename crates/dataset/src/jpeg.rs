//! JPEG pixels as libjpeg-turbo computes them, and so Pillow, torchvision and OpenCV: an exported model meets there the
//! very pixels it was trained on. Decoders of our own kind differ by up to three levels of 255 where chroma is
//! subsampled, which changed 1 prediction in 100 of a weak model.

use std::io::{self, BufRead, Read};
use std::panic::{self, AssertUnwindSafe};

use image::error::{DecodingError, ImageFormatHint};
use image::{ImageError, ImageFormat, RgbImage};
use mozjpeg::{ColorSpace, Decompress};

/// The pixels of a grey or colour JPEG; nothing for CMYK, which libjpeg does not turn into RGB.
///
/// # Errors
/// The data is damaged or ends early.
pub fn decode_rgb(bytes: &[u8]) -> Result<Option<RgbImage>, ImageError> {
    // libjpeg's fatal errors unwind.
    match panic::catch_unwind(AssertUnwindSafe(|| read(bytes))) {
        Ok(read) => read.map_err(damaged),
        Err(payload) => Err(match payload.downcast::<String>() {
            Ok(message) => damaged(*message),
            Err(payload) => panic::resume_unwind(payload),
        }),
    }
}

fn read(bytes: &[u8]) -> io::Result<Option<RgbImage>> {
    let file = Decompress::new_reader(bytes.chain(Cut))?;
    if matches!(
        file.color_space(),
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK
    ) {
        return Ok(None);
    }
    let mut rows = file.rgb()?;
    let size = |side: usize| u32::try_from(side).map_err(io::Error::other);
    let (width, height) = (size(rows.width())?, size(rows.height())?);
    Ok(RgbImage::from_raw(width, height, rows.read_scanlines()?))
}

/// What follows the last byte. At a plain end libjpeg would fill the missing rows with grey.
struct Cut;

impl Read for Cut {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the file ends early"))
    }
}

impl BufRead for Cut {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Err(io::Error::other("the file ends early"))
    }

    fn consume(&mut self, _: usize) {}
}

fn damaged(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    let format = ImageFormatHint::Exact(ImageFormat::Jpeg);
    ImageError::Decoding(DecodingError::new(format, source))
}
