//! A contact sheet of what the network will see: images of a folder, as training draws them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cultivar_dataset::decode::{DecodeError, decode_rgb};
use cultivar_dataset::parquet::{ParquetError, read_images};
use cultivar_spec::TrialSpec;
use image::RgbImage;
use tch::{Device, Kind, Tensor};

use crate::augment::mix::mix;
use crate::data::cache::Shrink;
use crate::data::resident::PixelBatch;
use crate::preprocess::{Preprocess, largest_crop};
use crate::rng::StepRng;

/// White pixels between two cells.
const GAP_PX: i64 = 4;

/// The shape of a sheet: a row for each image, the evaluation crop in its first column, then draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub n_images: usize,
    pub n_draws: usize,
}

/// No sheet can be made.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{0} holds neither png, jpeg or webp images nor Parquet files")]
    NoImages(String),
    #[error("{what}: {source}")]
    Decode { what: String, source: DecodeError },
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("{path}: {source}")]
    Write {
        path: String,
        source: image::ImageError,
    },
}

/// Writes the sheet of some images of `folder` as a PNG to `out`.
///
/// `folder` holds images, however deep, or Parquet files of a dataset; those shown are spread evenly over them.
/// A column is a training step: its images are one batch, so mixing shows their partners from the other end of the column.
///
/// # Errors
/// See [`PreviewError`].
pub fn preview(
    spec: &TrialSpec,
    folder: &Path,
    sheet: Sheet,
    out: &Path,
) -> Result<(), PreviewError> {
    let preprocess = Preprocess::of(spec);
    let resolution = preprocess.largest_resolution();
    let images: Vec<RgbImage> = encoded(folder, sheet.n_images)?
        .into_iter()
        .map(|(what, bytes)| {
            decode_rgb(&bytes).map_err(|source| PreviewError::Decode { what, source })
        })
        .collect::<Result<_, PreviewError>>()?;
    // As the caches of decoded images keep them.
    let shrunk = |shrink: Shrink| {
        let images: Vec<RgbImage> = images
            .iter()
            .map(|image| shrink.apply(image.clone()))
            .collect();
        PixelBatch::of(&images, Device::Cpu)
    };
    let batch = shrunk(Shrink::for_training(largest_crop(spec)));
    let augment = spec.augment();
    let labels = Tensor::zeros([images.len() as i64], (Kind::Int64, Device::Cpu));
    let mut columns = vec![preprocess.evaluation(&shrunk(preprocess.evaluation_shrink()))];
    for step in 0..sheet.n_draws as u64 {
        let rng = StepRng {
            seed: spec.fit.seed,
            step,
        };
        let seen = preprocess.training(&batch, &augment, &rng);
        mix(&seen, &labels, &augment.mix, &rng);
        columns.push(seen);
    }
    let columns: Vec<Tensor> = columns.iter().map(|seen| preprocess.levels(seen)).collect();
    let grid = laid_out(&columns, i64::from(resolution));
    grid.save(out).map_err(|source| PreviewError::Write {
        path: out.display().to_string(),
        source,
    })
}

/// `n` encoded images of a folder (or all, if there are fewer), with what to call each.
fn encoded(folder: &Path, n: usize) -> Result<Vec<(String, Vec<u8>)>, PreviewError> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let of_kind = |endings: &[&str]| -> Vec<&PathBuf> {
        let ends = |path: &&PathBuf| {
            let ending = path
                .extension()
                .map(|ending| ending.to_string_lossy().to_lowercase());
            ending.is_some_and(|ending| endings.contains(&ending.as_str()))
        };
        files.iter().filter(ends).collect()
    };
    let images = of_kind(&["png", "jpg", "jpeg", "webp"]);
    if !images.is_empty() {
        let read = |path: &&PathBuf| {
            let bytes = fs::read(path).map_err(|source| io_error(path, source))?;
            Ok((path.display().to_string(), bytes))
        };
        return spread(images.len(), n)
            .map(|idx| read(&images[idx]))
            .collect();
    }
    let tables = of_kind(&["parquet"]);
    let each = |visit: &mut dyn FnMut(usize, &[u8])| -> Result<usize, PreviewError> {
        let mut n_rows = 0;
        for path in &tables {
            read_images::<PreviewError>(path, |_, bytes| {
                visit(n_rows, &bytes);
                n_rows += 1;
                Ok(())
            })?;
        }
        Ok(n_rows)
    };
    let n_rows = each(&mut |_, _| {})?;
    if n_rows == 0 {
        return Err(PreviewError::NoImages(folder.display().to_string()));
    }
    let chosen: Vec<usize> = spread(n_rows, n).collect();
    let mut found = Vec::new();
    each(&mut |idx, bytes| {
        if chosen.contains(&idx) {
            found.push((format!("image {idx}"), bytes.to_vec()));
        }
    })?;
    Ok(found)
}

/// `n` of `n_all` places, or all, evenly apart.
fn spread(n_all: usize, n: usize) -> impl Iterator<Item = usize> {
    let n = n.min(n_all);
    (0..n).map(move |idx| idx * n_all / n)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), PreviewError> {
    let entries = fs::read_dir(folder).map_err(|source| io_error(folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| io_error(folder, source))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn io_error(path: &Path, source: io::Error) -> PreviewError {
    PreviewError::Io {
        path: path.display().to_string(),
        source,
    }
}

/// `columns`: levels `[N, 3, H, W]` f32 each, sides at most `side`.
fn laid_out(columns: &[Tensor], side: i64) -> RgbImage {
    let n_rows = columns.first().map_or(0, |column| column.size()[0]);
    let place = |idx: i64| GAP_PX + idx * (side + GAP_PX);
    let shape = [place(n_rows), place(columns.len() as i64), 3];
    let grid = Tensor::full(shape, 255, (Kind::Uint8, Device::Cpu));
    for (column_idx, column) in columns.iter().enumerate() {
        let pixels = column.round().to_kind(Kind::Uint8).permute([0, 2, 3, 1]);
        for row_idx in 0..n_rows {
            let cell = pixels.get(row_idx);
            grid.narrow(0, place(row_idx), cell.size()[0])
                .narrow(1, place(column_idx as i64), cell.size()[1])
                .copy_(&cell);
        }
    }
    let bytes: Vec<u8> = Vec::try_from(&grid.view(-1)).expect("the grid is u8");
    RgbImage::from_raw(shape[1] as u32, shape[0] as u32, bytes).expect("three bytes a pixel")
}

#[cfg(test)]
mod tests {
    use cultivar_spec::check;
    use image::Rgb;
    use serde_json::{Value, json};

    use super::*;

    const SIDE: u32 = 32;
    const SHEET: Sheet = Sheet {
        n_images: 4,
        n_draws: 3,
    };

    fn sheet(augment: Value) -> RgbImage {
        let folder = tempfile::tempdir().expect("a folder");
        for idx in 0..10_u8 {
            let class = folder.path().join(format!("class{}", idx % 2));
            fs::create_dir_all(&class).expect("a folder");
            let image = RgbImage::from_fn(40 + u32::from(idx), 40, |x, y| {
                Rgb([(x * 6) as u8, (y * 6) as u8, idx * 25])
            });
            image
                .save(class.join(format!("{idx}.png")))
                .expect("an image");
        }
        let raw = json!({
            "data": {"dataset": "d"},
            "fit": {"resolution": SIDE, "batch_size": 4},
            "augment": augment,
        });
        let spec = check::trial(&raw).expect("a valid spec");
        let out = folder.path().join("sheet.png");
        preview(&spec, folder.path(), SHEET, &out).expect("a sheet");
        image::open(&out).expect("the sheet").into_rgb8()
    }

    fn cell(sheet: &RgbImage, row: u32, column: u32) -> Vec<u8> {
        let place = |idx: u32| GAP_PX as u32 + idx * (SIDE + GAP_PX as u32);
        let cell = image::imageops::crop_imm(sheet, place(column), place(row), SIDE, SIDE);
        cell.to_image().into_raw()
    }

    #[test]
    fn without_augmentation_every_column_is_the_evaluation_crop() {
        let none = json!({"crop": {"kind": "center"}, "flip": {"horizontal": 0.0}});
        let sheet = sheet(none);
        assert_eq!(sheet.dimensions(), (4 + 4 * 36, 4 + 4 * 36));
        assert_eq!(sheet.get_pixel(0, 0).0, [255; 3]);
        for row in 0..4 {
            for column in 1..4 {
                // A training view is filtered once more than an evaluation crop: rounding differs.
                let seen = cell(&sheet, row, column);
                let near = seen
                    .iter()
                    .zip(&cell(&sheet, row, 0))
                    .all(|(a, b)| a.abs_diff(*b) <= 1);
                assert!(near, "{row} {column}");
            }
            assert_ne!(cell(&sheet, row, 0), cell(&sheet, (row + 1) % 4, 0));
        }
    }

    #[test]
    fn mixing_shows_the_partner() {
        let mixed = sheet(json!({
            "crop": {"kind": "center"},
            "flip": {"horizontal": 0.0},
            "mix": {"kind": "mixup", "alpha": 100.0},
        }));
        // About half of either: first and last image look nearly alike.
        let (first, last) = (cell(&mixed, 0, 1), cell(&mixed, 3, 1));
        let apart = |a: &[u8], b: &[u8]| -> u32 {
            a.iter()
                .zip(b)
                .map(|(a, b)| u32::from(a.abs_diff(*b)))
                .sum()
        };
        let before = apart(&cell(&mixed, 0, 0), &cell(&mixed, 3, 0));
        assert!(apart(&first, &last) < before / 2);
    }

    #[test]
    fn a_folder_without_images_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = TrialSpec::example();
        let error = preview(&spec, folder.path(), SHEET, &folder.path().join("s.png"));
        assert!(matches!(error, Err(PreviewError::NoImages(_))), "{error:?}");
    }
}
