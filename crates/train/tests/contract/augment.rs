//! Every augmentation: deterministic by (seed, step), neutral when off, in range when on, bad settings
//! refused.

use cultivar_train::augment::mix::mix;
use cultivar_train::data::resident::PixelBatch;
use cultivar_train::preprocess::Preprocess;
use cultivar_train::rng::StepRng;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::{spec, valid};

/// An augmentation, alone.
struct Case {
    name: &'static str,
    on: Value,
    /// The same with its strength at nothing.
    neutral: Value,
    /// Settings that must be refused.
    bad: Value,
}

fn cases() -> Vec<Case> {
    let case = |name, on: Value, neutral: Value, bad: Value| Case {
        name,
        on,
        neutral,
        bad,
    };
    let policy = |policy: Value| json!({"policy": policy});
    let none = || policy(json!({"kind": "none"}));
    let rand = |convention: &str, m: f64| {
        policy(json!({"kind": "rand_augment", "convention": convention, "n": 2, "m": m}))
    };
    let mix = |mix: Value| json!({"mix": mix});
    let jitter = |name: &str, on: f64, bad: f64| {
        let with = |x: f64| json!({"color_jitter": {name: x}});
        (with(on), with(0.0), with(bad))
    };
    let (brightness, contrast, saturation, hue) = (
        jitter("brightness", 0.5, 1.5),
        jitter("contrast", 0.5, -0.1),
        jitter("saturation", 0.5, 2.0),
        jitter("hue", 0.2, 0.6),
    );
    vec![
        case(
            "crop",
            json!({"crop": {"kind": "random_resized", "scale": [0.3, 0.6]}}),
            json!({"crop": {"kind": "center"}}),
            json!({"crop": {"kind": "random_resized", "scale": [0.6, 0.3]}}),
        ),
        case(
            "flip",
            json!({"flip": {"horizontal": 0.5}}),
            json!({"flip": {"horizontal": 0.0}}),
            json!({"flip": {"horizontal": 1.5}}),
        ),
        case(
            "rotation",
            json!({"rotation": {"degrees": 20.0}}),
            json!({"rotation": {"degrees": 0.0}}),
            json!({"rotation": {"degrees": -1.0}}),
        ),
        case(
            "auto_augment imagenet",
            policy(json!({"kind": "auto_augment"})),
            none(),
            policy(json!({"kind": "auto_augment", "policy": "cars"})),
        ),
        case(
            "auto_augment cifar10",
            policy(json!({"kind": "auto_augment", "policy": "cifar10"})),
            none(),
            policy(json!({"kind": "auto_augment", "magnitude": 3})),
        ),
        case(
            "auto_augment svhn",
            policy(json!({"kind": "auto_augment", "policy": "svhn"})),
            none(),
            policy(json!({"kind": "auto_augmet"})),
        ),
        case(
            "rand_augment timm",
            rand("timm", 9.0),
            none(),
            rand("timm", 12.0),
        ),
        case(
            "rand_augment timm, increasing",
            policy(json!({
                "kind": "rand_augment", "convention": "timm", "mstd": 0.5, "increasing": true,
            })),
            none(),
            policy(json!({"kind": "rand_augment"})),
        ),
        case(
            "rand_augment torchvision",
            rand("torchvision", 9.0),
            none(),
            rand("torchvision", 9.5),
        ),
        case(
            "trivial_augment",
            policy(json!({"kind": "trivial_augment"})),
            none(),
            policy(json!({"kind": "trivial_augment", "m": 9})),
        ),
        case("brightness", brightness.0, brightness.1, brightness.2),
        case("contrast", contrast.0, contrast.1, contrast.2),
        case("saturation", saturation.0, saturation.1, saturation.2),
        case("hue", hue.0, hue.1, hue.2),
        case(
            "erasing, noise",
            json!({"erasing": {"prob": 1.0}}),
            json!({"erasing": {"prob": 0.0}}),
            json!({"erasing": {"prob": 1.0, "area": [0.5, 0.1]}}),
        ),
        case(
            "erasing, constant",
            json!({"erasing": {"prob": 1.0, "fill": "const"}}),
            json!({"erasing": {"prob": 0.0, "fill": "const"}}),
            json!({"erasing": {"prob": 1.0, "fill": "grey"}}),
        ),
        case(
            "cutout",
            json!({"cutout": {"size": 0.4, "prob": 1.0}}),
            json!({"cutout": {"size": 0.4, "prob": 0.0}}),
            json!({"cutout": {"size": 0.0, "prob": 1.0}}),
        ),
        case(
            "cutmix",
            mix(json!({"kind": "cutmix", "alpha": 1.0})),
            mix(json!({"kind": "cutmix", "alpha": 1.0, "prob": 0.0})),
            mix(json!({"kind": "cutmix", "alpha": 0.0})),
        ),
        case(
            "mixup",
            mix(json!({"kind": "mixup", "alpha": 1.0})),
            mix(json!({"kind": "mixup", "prob": 0.0})),
            mix(json!({"kind": "mixup", "prob": 2.0})),
        ),
        case(
            "cutmix_or_mixup",
            mix(json!({"kind": "cutmix_or_mixup"})),
            mix(json!({"kind": "cutmix_or_mixup", "prob": 0.0})),
            mix(json!({"kind": "cutmix_or_mixup", "alpha": 1.0})),
        ),
    ]
}

/// `augment` over no augmentation at all.
fn alone(augment: &Value) -> Value {
    let mut all = json!({"crop": {"kind": "center"}, "flip": {"horizontal": 0.0}});
    for (field, value) in augment.as_object().expect("an object") {
        all[field] = value.clone();
    }
    json!({"augment": all})
}

/// A batch of noisy pictures of different sizes, and their classes.
fn batch() -> (PixelBatch, Tensor) {
    let pixels = (Tensor::arange(8 * 48 * 44 * 3, (Kind::Int64, Device::Cpu)) * 7919)
        .remainder(253)
        .to_kind(Kind::Uint8)
        .view([8, 48, 44, 3]);
    let sizes = (0..8).map(|idx| (48 - idx, 44 - idx / 2)).collect();
    (
        PixelBatch { pixels, sizes },
        Tensor::arange(8, (Kind::Int64, Device::Cpu)),
    )
}

/// What training sees of the batch at a step.
fn seen(augment: &Value, rng: StepRng) -> Tensor {
    let spec = valid(&alone(augment));
    let (pixels, labels) = batch();
    let augment = spec.augment();
    let images = Preprocess::of(&spec).training(&pixels, &augment, &rng);
    mix(&images, &labels, &augment.mix, &rng);
    images
}

const AT: StepRng = StepRng { seed: 3, step: 5 };

#[test]
fn the_pair_of_seed_and_step_decides() {
    for case in cases() {
        let images = seen(&case.on, AT);
        assert!(images.equal(&seen(&case.on, AT)), "{}", case.name);
        for other in [StepRng { step: 6, ..AT }, StepRng { seed: 4, ..AT }] {
            assert!(
                !images.equal(&seen(&case.on, other)),
                "{}: {other:?}",
                case.name
            );
        }
    }
}

#[test]
fn a_neutral_setting_is_the_identity_and_another_is_not() {
    let plain = seen(&json!({}), AT);
    for case in cases() {
        assert!(
            plain.equal(&seen(&case.neutral, AT)),
            "{} is not neutral",
            case.name
        );
        assert!(
            !plain.equal(&seen(&case.on, AT)),
            "{} does nothing",
            case.name
        );
    }
}

#[test]
fn images_keep_their_shape_layout_and_range() {
    let plain = seen(&json!({}), AT);
    for case in cases() {
        let images = seen(&case.on, AT);
        assert_eq!(images.size(), [8, 3, 32, 32], "{}", case.name);
        assert_eq!(
            images.stride(),
            plain.stride(),
            "{} is not channels-last",
            case.name
        );
        // Noise knows no bounds, everything else those of black and white.
        if case.name != "erasing, noise" {
            let levels = images.clamp(-2.12, 2.65);
            assert!(levels.equal(&images), "{}", case.name);
        }
        assert_eq!(images.isfinite().all().int64_value(&[]), 1, "{}", case.name);
    }
}

#[test]
fn bad_settings_are_refused() {
    for case in cases() {
        let refused = spec(&alone(&case.bad));
        assert!(refused.is_err(), "{} takes {}", case.name, case.bad);
    }
}
