//! Resolution: what a checked spec leaves to the data and the weights it names, pinned and written out.
//!
//! The server and a run without one look names up in different places. What becomes of the spec then
//! stands here, once, so that both train the same configuration.

use crate::manifest::{Manifest, Split};
use crate::trial::{Backbone, Input, Interpolation, TrainOn};
use crate::wire::WeightsEntry;
use crate::{Sha256Digest, TrialSpec, Violation};

/// What a dataset's name was found to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub version: Sha256Digest,
    /// Validation images.
    pub n_val: u64,
}

impl Dataset {
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            version: manifest.version(),
            n_val: manifest.n_images(Split::Val) as u64,
        }
    }
}

/// Pins the dataset version. Answers with what is wrong with it, if something is.
#[must_use]
pub fn pin_dataset(spec: &mut TrialSpec, found: Dataset) -> Option<Violation> {
    spec.data.version = Some(found.version);
    let lacks_val = spec.data.train_on == TrainOn::Train && found.n_val == 0;
    lacks_val.then(|| {
        Violation::new(
            "/data/dataset",
            spec.data.dataset.as_str(),
            "a dataset with a validation split",
        )
    })
}

/// Pins the weights file and writes out the input convention that goes with it, where the spec left it open.
pub fn pin_weights(spec: &mut TrialSpec, sha256: Option<Sha256Digest>, convention: &Input) {
    spec.backbone.weights_sha256 = sha256;
    let input = &mut spec.input;
    input.mean = input.mean.or(convention.mean);
    input.std = input.std.or(convention.std);
    input.interpolation = input.interpolation.or(convention.interpolation);
    input.crop_pct = input.crop_pct.or(convention.crop_pct);
}

/// Random weights have no file to pin. Answers with what is wrong where one is pinned all the same.
#[must_use]
pub fn pinned_random(backbone: &Backbone) -> Option<Violation> {
    let pinned = backbone.weights_sha256?;
    Some(Violation::new(
        "/backbone/weights_sha256",
        pinned.to_string(),
        "null: random weights have no file",
    ))
}

/// The convention of registered weights.
pub fn registered_input(entry: &WeightsEntry) -> Input {
    Input {
        mean: Some(entry.mean),
        std: Some(entry.std),
        interpolation: Some(entry.interpolation),
        crop_pct: Some(entry.crop_pct),
        ..Input::default()
    }
}

/// For a backbone without registered weights: pixels in [-1, 1], the usual centre crop.
pub fn plain_input() -> Input {
    Input {
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        interpolation: Some(Interpolation::Bilinear),
        crop_pct: Some(0.875),
        ..Input::default()
    }
}

/// Of a weights file that says nothing else: the convention most ImageNet checkpoints were trained with.
pub fn imagenet_input() -> Input {
    Input {
        mean: Some([0.485, 0.456, 0.406]),
        std: Some([0.229, 0.224, 0.225]),
        interpolation: Some(Interpolation::Bicubic),
        crop_pct: Some(0.875),
        ..Input::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_spec_says_goes_before_the_convention() {
        let mut spec = TrialSpec::example();
        spec.input.crop_pct = Some(1.0);
        let file = Sha256Digest::of(b"weights");
        pin_weights(&mut spec, Some(file), &imagenet_input());
        assert_eq!(spec.backbone.weights_sha256, Some(file));
        assert_eq!(spec.input.crop_pct, Some(1.0));
        assert_eq!(spec.input.mean, imagenet_input().mean);
    }

    #[test]
    fn only_a_refit_does_without_validation() {
        let mut spec = TrialSpec::example();
        let bare = Dataset {
            version: Sha256Digest::of(b"manifest"),
            n_val: 0,
        };
        let violation = pin_dataset(&mut spec, bare).expect("nothing to validate on");
        assert_eq!(violation.pointer, "/data/dataset");
        spec.data.train_on = TrainOn::TrainVal;
        assert_eq!(pin_dataset(&mut spec, bare), None);
        assert_eq!(spec.data.version, Some(bare.version));
    }
}
