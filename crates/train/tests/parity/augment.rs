//! Augmentation against torchvision v2 on uint8 images and timm's through Pillow: `bench/parity/augment.py`.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use cultivar_spec::trial::LearntOn;
use cultivar_train::augment::ops::{Affine, Op, Sampling, apply};
use cultivar_train::augment::policy::{Name, Ranges, TIMM, TIMM_PROB, TORCHVISION, pairs, timm};
use cultivar_train::rng::{Stream, stream};
use cultivar_train::weights;
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::{assert_close, assert_within, fixture, fixture_file};

#[derive(Deserialize)]
struct Case {
    reference: String,
    picture: String,
    op: String,
    x: f64,
}

fn op(name: &str, x: f64, height: f64, width: f64) -> Op {
    match name {
        "brightness" => Op::Brightness(x),
        "color" => Op::Color(x),
        "contrast" => Op::Contrast(x),
        "sharpness" => Op::Sharpness(x),
        "hue" => Op::Hue(x),
        "posterize" => Op::Posterize(x as u32),
        "solarize" => Op::Solarize(x),
        "solarize_add" => Op::SolarizeAdd(x),
        "auto_contrast" => Op::AutoContrast,
        "equalize" => Op::Equalize,
        "invert" => Op::Invert,
        "shear_x" => Op::Affine(Affine::shear_x(x, height)),
        "shear_y" => Op::Affine(Affine::shear_y(x, width)),
        "translate_x" => Op::Affine(Affine::translation(x, 0.0)),
        "translate_y" => Op::Affine(Affine::translation(0.0, x)),
        "rotate" => Op::Affine(Affine::rotation(x * TAU / 360.0)),
        other => panic!("no operation is called {other}"),
    }
}

#[test]
fn operations_are_torchvisions_and_timms_within_a_level() {
    let file = weights::read(&fixture_file("augment.safetensors")).expect("the fixture");
    let cases: Vec<Case> = serde_json::from_str(&file.metadata["cases"]).expect("its cases");
    let fill: [f64; 3] = serde_json::from_str(&file.metadata["fill"]).expect("its fill");
    let planes = |name: &str| {
        let pixels = file.tensors[name].permute([2, 0, 1]);
        pixels.unsqueeze(0).to_kind(Kind::Float).contiguous()
    };
    let mut n_of = BTreeMap::new();
    for (idx, case) in cases.iter().enumerate() {
        let picture = planes(&case.picture);
        let (height, width) = (picture.size()[2] as f64, picture.size()[3] as f64);
        let op = op(&case.op, case.x, height, width);
        let is_geometric = matches!(op, Op::Affine(_));
        let sampling = match case.reference.as_str() {
            "torchvision" => Sampling::nearest(fill),
            _ => Sampling::bilinear(fill),
        };
        // In a batch with another operation before it and one after it, as in training.
        let levels = Tensor::cat(&[&picture, &picture, &picture], 0);
        let programs = [vec![Op::Invert], vec![op], vec![Op::Brightness(0.5)]];
        let seen = apply(levels, &programs, &sampling).narrow(0, 1, 1);
        let error = (seen - planes(&format!("case{idx}"))).abs();
        let worst = error.max().double_value(&[]);
        let share = error
            .le(1.0)
            .to_kind(Kind::Double)
            .mean(Kind::Double)
            .double_value(&[]);
        let what = format!(
            "{} of {}: {} on {}",
            case.op, case.reference, case.x, case.picture
        );
        if is_geometric {
            let what = format!("share of pixels off by a level in {what}");
            assert_within(&what, 1.0 - share, 0.005);
        } else {
            assert_within(&what, worst, 1.0);
        }
        *n_of
            .entry((case.reference.clone(), is_geometric))
            .or_insert(0) += 1;
    }
    // What is counted cannot silently be left out of the fixture.
    let n: Vec<usize> = n_of.into_values().collect();
    assert!(n.len() == 4 && n.iter().all(|&n| n >= 10), "{n:?}");
}

/// Name, probability and bin of the magnitude.
type Operation = (String, f64, Option<u32>);

#[derive(Deserialize)]
struct Policies {
    side: f64,
    timm_prob: f64,
    torchvision: BTreeMap<String, BTreeMap<String, Option<Entry>>>,
    learnt: BTreeMap<String, Vec<[Operation; 2]>>,
    timm: BTreeMap<String, BTreeMap<String, [Option<f64>; 4]>>,
}

#[derive(Deserialize)]
struct Entry {
    values: Vec<f64>,
    signed: bool,
}

#[test]
fn torchvisions_lists_have_its_magnitudes() {
    let policies: Policies = fixture("policies");
    let ours = [
        ("auto_augment", Ranges::auto_augment(policies.side)),
        ("rand_augment", Ranges::rand_augment(policies.side)),
        ("trivial_augment", Ranges::trivial_augment()),
    ];
    for (list, ranges) in ours {
        let theirs = &policies.torchvision[list];
        // AutoAugment's list has Invert in Identity's place, and is drawn from by name.
        if list != "auto_augment" {
            let names = TORCHVISION.map(|name| format!("{name:?}"));
            assert_eq!(theirs.len(), names.len());
            assert!(names.iter().all(|name| theirs.contains_key(name)), "{list}");
        }
        for name in TORCHVISION.into_iter().chain([Name::Invert]) {
            let Some(entry) = theirs.get(&format!("{name:?}")) else {
                continue;
            };
            let Some(entry) = entry else {
                assert_eq!(ranges.magnitude(name, 0), None, "{list} {name:?}");
                continue;
            };
            for (idx, value) in entry.values.iter().enumerate() {
                let (ours, signed) = ranges.magnitude(name, idx as u32).expect("it has one");
                assert_eq!(signed, entry.signed, "{list} {name:?}");
                let what = format!("magnitudes of torchvision's {list}: {name:?} {idx}");
                assert_close(&what, &[ours], &[*value], 1e-4, 0.0);
            }
        }
    }
}

#[test]
fn learnt_pairs_are_torchvisions() {
    let policies: Policies = fixture("policies");
    for (name, policy) in [
        ("imagenet", LearntOn::Imagenet),
        ("cifar10", LearntOn::Cifar10),
        ("svhn", LearntOn::Svhn),
    ] {
        let ours: Vec<_> = pairs(policy)
            .iter()
            .map(|pair| pair.map(|(name, prob, idx)| (format!("{name:?}"), prob, idx)))
            .collect();
        let theirs: Vec<_> = policies.learnt[name]
            .iter()
            .map(|pair| {
                pair.clone()
                    .map(|(name, prob, idx)| (name, prob, idx.unwrap_or(0)))
            })
            .collect();
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn timms_levels_give_its_arguments() {
    let policies: Policies = fixture("policies");
    let what = "probability of timm's operations";
    assert_close(what, &[TIMM_PROB], &[policies.timm_prob], 0.0, 0.0);
    let mut rng = stream(0, 0, Stream::Policy);
    for (list, increasing) in [("plain", false), ("increasing", true)] {
        let theirs = &policies.timm[list];
        assert_eq!(theirs.len(), TIMM.len());
        for name in TIMM {
            for (level, argument) in [0.0, 3.3, 9.0, 10.0]
                .into_iter()
                .zip(theirs[&format!("{name:?}")])
            {
                let op = timm(name, level, increasing, policies.side, &mut rng);
                // The fixture's sign is always the positive one.
                let x = argument.unwrap_or(0.0);
                let wanted: Vec<Op> = [x, -x]
                    .into_iter()
                    .map(|x| match name {
                        Name::Brightness | Name::Color | Name::Contrast | Name::Sharpness => {
                            // Down from 1 as far as it was up from it.
                            let factor = if increasing && x < 0.0 {
                                2.0 + x
                            } else {
                                x.abs()
                            };
                            match name {
                                Name::Brightness => Op::Brightness(factor),
                                Name::Color => Op::Color(factor),
                                Name::Contrast => Op::Contrast(factor),
                                _ => Op::Sharpness(factor),
                            }
                        }
                        Name::ShearX => Op::Affine(Affine::shear_x(x, policies.side)),
                        Name::ShearY => Op::Affine(Affine::shear_y(x, policies.side)),
                        Name::TranslateX => Op::Affine(Affine::translation(x * policies.side, 0.0)),
                        Name::TranslateY => Op::Affine(Affine::translation(0.0, x * policies.side)),
                        Name::Rotate => Op::Affine(Affine::rotation(x * TAU / 360.0)),
                        Name::Posterize => Op::Posterize(x as u32),
                        Name::Solarize => Op::Solarize(x),
                        Name::SolarizeAdd => Op::SolarizeAdd(x),
                        Name::AutoContrast => Op::AutoContrast,
                        Name::Equalize => Op::Equalize,
                        Name::Invert => Op::Invert,
                        Name::Identity => panic!("not in timm's list"),
                    })
                    .collect();
                assert!(
                    wanted.iter().any(|wanted| is_near(&op, wanted)),
                    "{list} {name:?} {level}: {op:?}, not {wanted:?}"
                );
            }
        }
    }
}

fn is_near(a: &Op, b: &Op) -> bool {
    let numbers = |op: &Op| -> Vec<f64> {
        match *op {
            Op::Affine(map) => map.numbers().to_vec(),
            Op::Brightness(x) | Op::Color(x) | Op::Contrast(x) | Op::Sharpness(x) => vec![x],
            Op::Solarize(x) | Op::SolarizeAdd(x) | Op::Hue(x) => vec![x],
            Op::Posterize(bits) => vec![bits.into()],
            Op::AutoContrast | Op::Equalize | Op::Invert => vec![],
        }
    };
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
    std::mem::discriminant(a) == std::mem::discriminant(b)
        && numbers(a).iter().zip(&numbers(b)).all(close)
}
