use std::collections::HashMap;

use cultivar_spec::trial::Activation;
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
    let pass = Pass::new(Norm::Batch).with_drop_path(&rates, n, Device::Cpu, &step);
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
    let trunk = model(Backbone {
        drop_path: 0.32,
        ..Backbone::default()
    });
    let rates = trunk.trunk.drop_path_rates();
    assert_eq!((rates.len(), rates[0]), (16, 0.0));
    assert!(
        (rates[15] - 0.30).abs() < 1e-12,
        "timm counts to the number of blocks"
    );
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
