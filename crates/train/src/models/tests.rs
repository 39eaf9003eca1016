use std::collections::HashMap;

use cultivar_spec::trial::{self, Activation};
use tch::Kind;

use super::*;
use crate::params::Group;

const N_CLASSES: i64 = 5;

fn model(backbone: Backbone) -> Model {
    build(&backbone, N_CLASSES, 3, Device::Cpu).expect("the family has it")
}

/// `[n, 3, 32, 32]`, every image another.
fn images(n: i64) -> Tensor {
    (Tensor::arange(n * 3 * 32 * 32, (Kind::Float, Device::Cpu)) * 0.7)
        .sin()
        .view([n, 3, 32, 32])
}

fn named(model: &Model) -> HashMap<String, Tensor> {
    model.params.named().into_iter().collect()
}

fn has_grad(model: &Model, group: Group) -> bool {
    let mut params = model.params.params().iter();
    params.any(|param| param.group == group && param.tensor.grad().defined())
}

#[test]
fn an_unknown_backbone_is_named() {
    let backbone = Backbone {
        name: "resnet_9000".into(),
        ..Backbone::default()
    };
    let error = build(&backbone, N_CLASSES, 0, Device::Cpu)
        .err()
        .expect("there is none");
    assert!(
        error
            .to_string()
            .starts_with("no backbone is called \"resnet_9000\""),
        "{error}"
    );
}

#[test]
fn weights_follow_from_the_seed() {
    let build = |seed| build(&Backbone::default(), N_CLASSES, seed, Device::Cpu).expect("known");
    let (one, same, other) = (named(&build(1)), named(&build(1)), named(&build(2)));
    for (name, values) in &one {
        assert_eq!(*values, same[name], "{name}");
        let drawn = values.dim() > 1;
        assert_eq!(*values != other[name], drawn, "{name}");
    }
}

#[test]
fn fresh_convolutions_have_timms_spread() {
    let fresh = named(&model(Backbone::default()));
    let check = |name: &str, std: f64| {
        let found = fresh[name].std(false).double_value(&[]);
        assert!(
            (found / std - 1.0).abs() < 0.1,
            "{name}: {found}, not {std}"
        );
    };
    check("conv_head.weight", (2.0_f64 / 1280.0).sqrt());
    check("blocks.5.2.conv_dw.weight", (2.0_f64 / 25.0).sqrt());
    // Uniform in +-1 / sqrt(classes).
    check("classifier.weight", (1.0 / (3.0 * N_CLASSES as f64)).sqrt());
}

#[test]
fn modes_differ_in_gradients_and_statistics() {
    let rng = StepRng { seed: 0, step: 0 };
    let cases = [
        (Mode::Eval, false, false, false),
        (Mode::Frozen, false, true, false),
        (Mode::Train { rng: &rng }, true, true, true),
    ];
    for (mode, backbone_learns, head_learns, statistics_move) in cases {
        let model = model(Backbone::default());
        let before = named(&model)["bn1.running_mean"].copy();
        let logits = model.forward(&images(4), mode);
        assert_eq!(logits.size(), [4, N_CLASSES]);
        if logits.requires_grad() {
            logits.square().sum(Kind::Float).backward();
        }
        assert_eq!(
            has_grad(&model, Group::Backbone),
            backbone_learns,
            "{mode:?}"
        );
        assert_eq!(has_grad(&model, Group::Head), head_learns, "{mode:?}");
        let after = &named(&model)["bn1.running_mean"];
        assert_eq!(*after != before, statistics_move, "{mode:?}");
    }
}

#[test]
fn what_is_dropped_follows_from_seed_and_step() {
    let model = model(Backbone {
        drop_path: 0.5,
        dropout: 0.5,
        ..Backbone::default()
    });
    let logits = |seed, step| {
        let rng = StepRng { seed, step };
        no_grad(|| model.forward(&images(4), Mode::Train { rng: &rng }))
    };
    let first = logits(0, 7);
    assert_eq!(first, logits(0, 7));
    assert_ne!(first, logits(0, 8));
    assert_ne!(first, logits(1, 7));
}

#[test]
fn a_second_look_draws_the_same_and_leaves_the_statistics() {
    let model = model(Backbone {
        dropout: 0.4,
        drop_path: 0.3,
        ..Backbone::default()
    });
    let rng = StepRng { seed: 1, step: 9 };
    let images = images(6);
    let first = model.forward(&images, Mode::Train { rng: &rng });
    let after_first = named(&model);
    let second = model.forward(&images, Mode::Again { rng: &rng });
    assert_eq!(first, second);
    assert_eq!(named(&model), after_first);
    let _ = model.forward(&images, Mode::Train { rng: &rng });
    assert_ne!(named(&model), after_first, "the test can tell");
}

#[test]
fn drop_path_keeps_the_expectation_and_grows_with_depth() {
    let n = 4000;
    let rates = [0.0, 0.1, 0.4];
    let step = StepRng { seed: 5, step: 0 };
    let pass = Pass::new(Norm::Batch, Scope::ALL).with_drop_path(&rates, n, Device::Cpu, &step);
    for (idx, rate) in rates.into_iter().enumerate() {
        let branch = Tensor::ones([n, 1, 1, 1], (Kind::Float, Device::Cpu));
        let kept = pass.drop_path(branch, idx);
        let dropped = kept.eq(0.0).to_kind(Kind::Double).mean(Kind::Double);
        assert!((dropped.double_value(&[]) - rate).abs() < 0.03, "{rate}");
        assert!(
            (kept.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.05,
            "{rate}"
        );
    }
}

/// One small member of each family.
const FAMILIES: [&str; 5] = [
    "efficientnet_b0",
    "tf_efficientnetv2_s",
    "resnet18",
    "convnext_tiny",
    "vit_tiny_patch16_224",
];

#[test]
fn every_family_drops_paths_and_swaps_activations() {
    let rng = StepRng { seed: 0, step: 3 };
    let logits = |name: &str, drop_path, activation| {
        let model = model(Backbone {
            name: name.into(),
            drop_path,
            activation,
            ..Backbone::default()
        });
        // Fresh ConvNeXt and ResNet blocks are all but the identity.
        let raised = |param: &&Param| param.tensor.dim() == 1 && param.name.ends_with(['t', 'a']);
        for param in model.params.params().iter().filter(raised) {
            let _ = no_grad(|| param.tensor.shallow_clone().fill_(0.5));
        }
        no_grad(|| model.forward(&images(4), Mode::Train { rng: &rng }))
    };
    for name in FAMILIES {
        let plain = logits(name, 0.0, Activation::Native);
        assert_eq!(plain, logits(name, 0.0, Activation::Native), "{name}");
        let dropped = logits(name, 0.9, Activation::Native);
        assert_ne!(dropped, plain, "{name} drops nothing");
        assert_ne!(
            logits(name, 0.0, Activation::Mish),
            plain,
            "{name} keeps its activation"
        );
        assert!(
            bool::try_from(dropped.isfinite().all()).expect("a flag"),
            "{name}"
        );
    }
}

#[test]
fn a_hidden_layer_of_the_head_learns_too() {
    let backbone = Backbone {
        head: trial::Head { hidden: Some(12) },
        ..Backbone::default()
    };
    let model = model(backbone);
    let rng = StepRng { seed: 0, step: 0 };
    let features = Tensor::ones([3, model.n_features()], (Kind::Float, Device::Cpu));
    let logits = model.head(&features, Mode::Train { rng: &rng });
    assert_eq!(logits.size(), [3, N_CLASSES]);
    logits.square().sum(Kind::Float).backward();
    let head: Vec<(&str, Vec<i64>)> = model
        .params
        .params()
        .iter()
        .filter(|param| param.group == Group::Head)
        .inspect(|param| assert!(param.tensor.grad().defined(), "{}", param.name))
        .map(|param| (param.name.as_str(), param.tensor.size()))
        .collect();
    assert_eq!(
        head,
        [
            ("head_hidden.weight", vec![12, 1280]),
            ("head_hidden.bias", vec![12]),
            ("classifier.weight", vec![N_CLASSES, 12]),
            ("classifier.bias", vec![N_CLASSES]),
        ]
    );
}

/// Names of what a training step of `model` changes: parameters that get gradients, statistics that
/// move.
fn touched(model: &Model) -> Vec<String> {
    let before = named(model);
    let rng = StepRng { seed: 0, step: 0 };
    let logits = model.forward(&images(4), Mode::Train { rng: &rng });
    logits.square().sum(Kind::Float).backward();
    let params = model.params.params().iter();
    let learning = params.filter(|param| param.tensor.grad().defined());
    let learning = learning.map(|param| param.name.clone());
    let buffers = model.params.buffers().iter();
    let moved = buffers.filter(|buffer| before[&buffer.name] != buffer.tensor);
    learning
        .chain(moved.map(|buffer| buffer.name.clone()))
        .collect()
}

fn partly(name: &str, trained: Trained, freeze_bn: bool) -> Vec<String> {
    let mut model = model(Backbone {
        name: name.into(),
        ..Backbone::default()
    });
    model.train_only(trained, freeze_bn);
    touched(&model)
}

#[test]
fn the_head_alone_can_be_trained() {
    assert_eq!(
        partly("resnet18", Trained::Head, false),
        ["fc.weight", "fc.bias"]
    );
    let vit = partly("vit_tiny_patch16_224", Trained::Head, false);
    assert_eq!(vit, ["head.weight", "head.bias"]);
}

#[test]
fn the_last_norm_can_be_trained_with_the_head() {
    let cases = [
        ("efficientnet_lite0", "bn2", "classifier"),
        ("resnet18", "layer4.1.bn2", "fc"),
        ("resnet50", "layer4.2.bn3", "fc"),
        ("convnext_tiny", "head.norm", "head.fc"),
        ("vit_tiny_patch16_224", "norm", "head"),
    ];
    for (name, norm, head) in cases {
        let mut wanted = vec![
            format!("{norm}.weight"),
            format!("{norm}.bias"),
            format!("{head}.weight"),
            format!("{head}.bias"),
        ];
        if norm.contains("bn") {
            wanted.extend([
                format!("{norm}.running_mean"),
                format!("{norm}.running_var"),
            ]);
        }
        assert_eq!(
            partly(name, Trained::HeadAndLastNorm, false),
            wanted,
            "{name}"
        );
    }
}

#[test]
fn groups_open_from_the_head_down() {
    let open = |n_open| {
        partly(
            "resnet18",
            Trained::Groups {
                n_open,
                n_groups: 3,
            },
            false,
        )
    };
    assert_eq!(open(0), ["fc.weight", "fc.bias"]);
    // Nine depths: stem and eight blocks.
    let last = open(1);
    assert_eq!(last[0], "layer3.1.conv1.weight");
    let frozen = |name: &String| name.starts_with("layer3.0") || name.starts_with("layer2");
    assert!(!last.iter().any(frozen), "{last:?}");
    assert!(
        last.contains(&"layer3.1.bn1.running_mean".to_owned()),
        "{last:?}"
    );
    assert_eq!(open(3), partly("resnet18", Trained::All, false));
}

#[test]
fn frozen_batch_norms_neither_learn_nor_move() {
    let all = partly("resnet18", Trained::All, false);
    let rest = partly("resnet18", Trained::All, true);
    let is_norm = |name: &&String| name.contains("bn") || name.contains("downsample.1");
    let wanted: Vec<&String> = all.iter().filter(|name| !is_norm(name)).collect();
    assert_eq!(rest.iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn recalibrated_statistics_are_the_average_over_batches() {
    let model = model(Backbone {
        activation: Activation::Mish,
        ..Backbone::default()
    });
    let stem_mean = |batch: &Tensor| {
        batch
            .conv2d(
                &model.params.params()[0].tensor,
                None::<&Tensor>,
                [2, 2],
                [1, 1],
                [1, 1],
                1,
            )
            .mean_dim([0, 2, 3].as_slice(), false, Kind::Float)
    };
    let (one, two) = (images(4), images(8).narrow(0, 4, 4));
    let expect = no_grad(|| (stem_mean(&one) + stem_mean(&two)) * 0.5);
    let probe = images(2);
    let before = model.forward(&probe, Mode::Eval);
    model.recalibrate_bn([one, two]);
    let found = &named(&model)["bn1.running_mean"];
    assert!((found - expect).abs().max().double_value(&[]) < 1e-5);
    assert_ne!(model.forward(&probe, Mode::Eval), before);
    assert!(!has_grad(&model, Group::Backbone));
}
