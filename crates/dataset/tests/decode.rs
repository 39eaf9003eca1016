//! Decoding and resizing against Pillow. The fixtures come from `fixtures/make_fixtures.py`.

use cultivar_dataset::decode::{DecodeError, decode_rgb};
use cultivar_dataset::resample::resize;
use cultivar_spec::trial::Interpolation;
use image::RgbImage;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/fixtures/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

fn decoded(name: &str) -> RgbImage {
    decode_rgb(&fixture(name)).unwrap()
}

/// Same size, and no channel of any pixel further apart than `tolerance` levels.
fn assert_close(found: &RgbImage, expect: &RgbImage, tolerance: u8, what: &str) {
    assert_eq!(found.dimensions(), expect.dimensions(), "{what}");
    let worst = found
        .iter()
        .zip(expect.iter())
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap();
    assert!(
        worst <= tolerance,
        "{what}: {worst} levels apart, at most {tolerance} wanted"
    );
}

#[test]
fn resize_is_pillows_bit_for_bit() {
    let source = decoded("source.png");
    for (name, interpolation) in [
        ("bilinear", Interpolation::Bilinear),
        ("bicubic", Interpolation::Bicubic),
    ] {
        for (width, height) in [(16, 12), (30, 47), (61, 23), (128, 96)] {
            let what = format!("{name}_{width}x{height}.png");
            assert_close(
                &resize(&source, width, height, interpolation),
                &decoded(&what),
                0,
                &what,
            );
        }
    }
}

#[test]
fn the_two_filters_differ() {
    let source = decoded("source.png");
    let [a, b] =
        [Interpolation::Bilinear, Interpolation::Bicubic].map(|i| resize(&source, 16, 12, i));
    assert_ne!(a, b);
}

#[test]
fn resize_to_the_same_size_changes_nothing() {
    let source = decoded("source.png");
    assert_eq!(resize(&source, 61, 47, Interpolation::Bicubic), source);
}

#[test]
fn transparency_is_laid_on_white() {
    let expect = decoded("alpha_on_white.png");
    assert_close(&decoded("alpha.png"), &expect, 1, "RGBA png");
    assert_close(&decoded("alpha.webp"), &expect, 1, "webp");
    assert_close(
        &decoded("palette.png"),
        &decoded("palette_on_white.png"),
        0,
        "palette png",
    );
}

#[test]
fn every_exif_orientation_comes_out_upright() {
    let upright = decoded("orientation_1.jpg");
    for orientation in 2..=8 {
        let what = format!("orientation_{orientation}.jpg");
        assert_close(&decoded(&what), &upright, 2, &what);
    }
}

#[test]
fn jpeg_pixels_are_pillows_bit_for_bit() {
    for name in ["420", "422", "444", "progressive", "grey"] {
        let expect = decoded(&format!("jpeg_{name}.png"));
        assert_close(&decoded(&format!("jpeg_{name}.jpg")), &expect, 0, name);
    }
    // Another decoder: libjpeg has no way from CMYK to RGB.
    assert_close(
        &decoded("jpeg_cmyk.jpg"),
        &decoded("jpeg_cmyk.png"),
        4,
        "cmyk",
    );
}

#[test]
fn names_do_not_matter_content_does() {
    assert!(matches!(decode_rgb(b""), Err(DecodeError::Empty)));
    assert!(matches!(
        decode_rgb(b"<html>not found</html>"),
        Err(DecodeError::NotAnImage)
    ));
    assert!(matches!(
        decode_rgb(b"GIF89a\x01\x00\x01\x00"),
        Err(DecodeError::UnsupportedFormat("gif"))
    ));
}

#[test]
fn a_cut_file_is_damaged() {
    for name in ["source.png", "orientation_1.jpg", "alpha.webp"] {
        let bytes = fixture(name);
        let error = decode_rgb(&bytes[..bytes.len() / 2]).unwrap_err();
        assert!(
            matches!(error, DecodeError::Damaged { .. }),
            "{name}: {error}"
        );
    }
}

/// A PNG header that claims `width` x `height`, and nothing after it.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = fixture("source.png");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    // The checksum of IHDR (type and data) must hold, or the size would not even be read.
    let crc = bytes[12..29].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn a_bomb_is_refused_by_its_size() {
    for (width, height) in [
        (100_000, 100_000),
        (100_000, 1),
        (1, 100_000),
        (16_000, 16_000),
    ] {
        let error = decode_rgb(&png_header(width, height)).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooLarge { .. }),
            "{width} x {height}: {error}"
        );
    }
    // The forged header itself is sound: a moderate size is refused for its missing pixels only.
    let error = decode_rgb(&png_header(100, 100)).unwrap_err();
    assert!(matches!(error, DecodeError::Damaged { .. }), "{error}");
}
