//! Scoring uploaded predictions: the server trusts logits, not the accuracy somebody reports.

use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::predictions::{DATASET_VERSION, IMAGE_IDX, LABELS, LOGITS};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

/// What a split's predictions came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub n_images: u32,
    /// Share of images whose largest logit is the label's, in [0, 1].
    pub top1: f64,
    /// One bit an image in the order of the split's rows, least significant bit first.
    pub correct: Vec<u8>,
}

/// Why predictions cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    #[error("the file is not safetensors: {0}")]
    NotSafetensors(#[from] SafeTensorError),
    #[error(
        "metadata {DATASET_VERSION} is {found:?}, want {wanted}, the version the trial is pinned to"
    )]
    OtherVersion {
        found: Option<String>,
        wanted: String,
    },
    #[error("tensor {name} is {found_dtype:?} {found_shape:?}, want {dtype:?} {shape:?}")]
    Shape {
        name: &'static str,
        found_dtype: Dtype,
        found_shape: Vec<usize>,
        dtype: Dtype,
        shape: Vec<usize>,
    },
    #[error(
        "image_idx[{row}] is {found}, want {wanted}: the rows are the split's images in the manifest's order"
    )]
    OtherImage {
        row: usize,
        found: i64,
        wanted: usize,
    },
    #[error("labels[{row}] is {found}, want {wanted}, the manifest's label")]
    OtherLabel { row: usize, found: i64, wanted: u32 },
    #[error("logits[{row}] hold a NaN or an infinity")]
    NotFinite { row: usize },
}

/// Bytes that the predictions of a split have at most: their tensors, and a head of some length.
pub fn max_bytes(manifest: &Manifest, split: Split) -> u64 {
    const HEAD: u64 = 1 << 20;
    let n_images = manifest.indices(split).len() as u64;
    let n_classes = manifest.classes.len() as u64;
    // A logit a class; a label and an index.
    n_images * (4 * n_classes + 16) + HEAD
}

/// Scores the predictions of a split against the manifest.
///
/// # Errors
/// The file is malformed, or speaks of other images or labels than the manifest's.
pub fn score(bytes: &[u8], manifest: &Manifest, split: Split) -> Result<Scored, ScoringError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let found = metadata
        .metadata()
        .as_ref()
        .and_then(|map| map.get(DATASET_VERSION))
        .cloned();
    let wanted = manifest.version().to_string();
    if found.as_deref() != Some(&wanted) {
        return Err(ScoringError::OtherVersion { found, wanted });
    }
    let tensors = SafeTensors::deserialize(bytes)?;
    let indices = manifest.indices(split);
    let (n_images, n_classes) = (indices.len(), manifest.classes.len());
    let logits = tensor(&tensors, LOGITS, Dtype::F32, &[n_images, n_classes])?;
    let labels = tensor(&tensors, LABELS, Dtype::I64, &[n_images])?;
    let image_idx = tensor(&tensors, IMAGE_IDX, Dtype::I64, &[n_images])?;

    let integers = |view: TensorView<'_>| -> Vec<i64> {
        let read = |chunk: &[u8]| i64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        view.data().chunks_exact(8).map(read).collect()
    };
    let (labels, image_idx) = (integers(labels), integers(image_idx));
    let mut correct = vec![0_u8; n_images.div_ceil(8)];
    let mut n_correct = 0_u32;
    for (row, logits) in logits.data().chunks_exact(4 * n_classes).enumerate() {
        let idx = indices[row];
        if image_idx[row] != idx as i64 {
            return Err(ScoringError::OtherImage {
                row,
                found: image_idx[row],
                wanted: idx,
            });
        }
        let label = manifest.images[idx].label;
        if labels[row] != i64::from(label) {
            return Err(ScoringError::OtherLabel {
                row,
                found: labels[row],
                wanted: label,
            });
        }
        let predicted = argmax(logits).ok_or(ScoringError::NotFinite { row })?;
        if predicted == label as usize {
            correct[row / 8] |= 1 << (row % 8);
            n_correct += 1;
        }
    }
    Ok(Scored {
        n_images: n_images as u32,
        top1: if n_images == 0 {
            0.0
        } else {
            f64::from(n_correct) / n_images as f64
        },
        correct,
    })
}

fn tensor<'data>(
    tensors: &SafeTensors<'data>,
    name: &'static str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<TensorView<'data>, ScoringError> {
    let view = tensors.tensor(name)?;
    if view.dtype() != dtype || view.shape() != shape {
        return Err(ScoringError::Shape {
            name,
            found_dtype: view.dtype(),
            found_shape: view.shape().to_vec(),
            dtype,
            shape: shape.to_vec(),
        });
    }
    Ok(view)
}

/// Index of the largest of some little-endian f32, the first of equals; `None` if one is not finite.
fn argmax(logits: &[u8]) -> Option<usize> {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, chunk) in logits.chunks_exact(4).enumerate() {
        let logit = f32::from_le_bytes(chunk.try_into().expect("chunks of four"));
        if !logit.is_finite() {
            return None;
        }
        if logit > best.1 {
            best = (class, logit);
        }
    }
    Some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::Sha256Digest;
    use cultivar_spec::manifest::ImageEntry;
    use std::collections::HashMap;

    fn manifest() -> Manifest {
        let image = |idx: u32| ImageEntry {
            sha256: Sha256Digest::of(&idx.to_le_bytes()),
            label: idx % 2,
            split: if idx < 2 { Split::Train } else { Split::Val },
            group: None,
        };
        Manifest {
            name: "m".into(),
            title: String::new(),
            classes: vec!["a".into(), "b".into()],
            images: (0..12).map(image).collect(),
            files: Vec::new(),
            sources: Vec::new(),
            split_rule: String::new(),
        }
    }

    fn file(logits: &[f32], labels: &[i64], image_idx: &[i64], version: &str) -> Vec<u8> {
        let logits: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
        let bytes = |xs: &[i64]| xs.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let (labels, image_idx) = (bytes(labels), bytes(image_idx));
        let n = labels.len() / 8;
        let tensors = [
            (
                LOGITS,
                TensorView::new(Dtype::F32, vec![n, 2], &logits).unwrap(),
            ),
            (
                LABELS,
                TensorView::new(Dtype::I64, vec![n], &labels).unwrap(),
            ),
            (
                IMAGE_IDX,
                TensorView::new(Dtype::I64, vec![n], &image_idx).unwrap(),
            ),
        ];
        let metadata = HashMap::from([(DATASET_VERSION.to_owned(), version.to_owned())]);
        safetensors::serialize(tensors, Some(metadata)).unwrap()
    }

    /// Ten validation images labelled 0, 1, 0, 1, ...; class 0 is predicted for all.
    fn always_zero() -> (Vec<f32>, Vec<i64>, Vec<i64>) {
        let logits = (0..10).flat_map(|_| [1.0, 0.0]).collect();
        (logits, (0..10).map(|i| i % 2).collect(), (2..12).collect())
    }

    #[test]
    fn right_images_are_counted_and_marked_in_order() {
        let manifest = manifest();
        let (logits, labels, image_idx) = always_zero();
        let bytes = file(
            &logits,
            &labels,
            &image_idx,
            &manifest.version().to_string(),
        );
        let scored = score(&bytes, &manifest, Split::Val).unwrap();
        let expect = Scored {
            n_images: 10,
            top1: 0.5,
            correct: vec![0b0101_0101, 0b01],
        };
        assert_eq!(scored, expect);
    }

    #[test]
    fn anything_that_does_not_match_the_manifest_is_refused() {
        let manifest = manifest();
        let version = manifest.version().to_string();
        let (logits, labels, image_idx) = always_zero();
        let refused = |bytes: &[u8], expect: &str| {
            let error = score(bytes, &manifest, Split::Val).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        refused(b"nonsense", "not safetensors");
        refused(
            &file(&logits, &labels, &image_idx, "other"),
            "dataset_version",
        );
        refused(
            &file(&logits[..18], &labels[..9], &image_idx[..9], &version),
            "logits",
        );
        let mut other = labels.clone();
        other[3] = 0;
        refused(&file(&logits, &other, &image_idx, &version), "labels[3]");
        let mut other = image_idx.clone();
        other.swap(0, 1);
        refused(&file(&logits, &labels, &other, &version), "image_idx[0]");
        let mut other = logits.clone();
        other[7] = f32::NAN;
        refused(&file(&other, &labels, &image_idx, &version), "logits[3]");
    }
}
