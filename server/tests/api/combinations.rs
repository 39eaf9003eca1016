//! Every combination of options that means nothing is a 422 that says where: a row for each rule, and the whole
//! product of losses, metric losses and mixes.

use cultivar_spec::check;
use serde_json::{Value, json};

use crate::bad_input::refused;
use crate::harness::with_app;

/// The spec of a row: these parts beside the dataset.
fn spec(parts: Value) -> Value {
    let mut spec = json!({"data": {"dataset": "mini"}});
    for (part, value) in parts.as_object().unwrap() {
        match part.as_str() {
            "data" => spec["data"]
                .as_object_mut()
                .unwrap()
                .extend(value.as_object().unwrap().clone()),
            _ => spec[part] = value.clone(),
        }
    }
    spec
}

/// What is laid over the smallest spec, and the pointers of all that is wrong with it then.
fn rows() -> Vec<(Value, Vec<&'static str>)> {
    let head_only = || json!({"mode": "head_only"});
    let gradual = |epochs: Value| json!({"adaptation": {"mode": "gradual", "unfreeze_epochs": epochs}, "fit": {"epochs": 3}});
    let policy = |policy: Value| json!({"augment": {"policy": policy}});
    let phases = |phases: Value| json!({"fit": {"epochs": 10, "phases": phases}});
    vec![
        // Objectives.
        (
            json!({"objective": {"metric": "val_loss", "direction": "maximize"}}),
            vec!["/objective/direction"],
        ),
        (
            json!({"objective": {"metric": "val_top1", "direction": "minimize"}}),
            vec!["/objective/direction"],
        ),
        (
            json!({"objective": {"metric": "value"}}),
            vec!["/objective/metric"],
        ),
        (
            json!({"objective": {"metric": "val_knn_top1"}}),
            vec!["/objective/metric"],
        ),
        (
            json!({"objective": {"metric": "val_recall_at_1"}}),
            vec!["/objective/metric"],
        ),
        (
            json!({
                "task": {"kind": "external"}, "objective": {"metric": "value"},
                "optimizer": {"kind": "sgd"}, "fit": {"batch_size": 8},
            }),
            vec!["/data", "/fit", "/optimizer"],
        ),
        // Schedules.
        (
            json!({"schedule": {"kind": "multi_step", "milestones": [0.7, 0.5]}}),
            vec!["/schedule/milestones"],
        ),
        (
            json!({"schedule": {"kind": "multi_step", "warmup_fraction": 0.5, "milestones": [0.4, 0.8]}}),
            vec!["/schedule/milestones"],
        ),
        // Steps, averages and selection.
        (
            json!({"fit": {"batch_size": 12, "accumulation": 5}}),
            vec!["/fit/accumulation"],
        ),
        (
            json!({"fit": {"batch_size": 8, "accumulation": 8}}),
            vec!["/fit/accumulation"],
        ),
        (
            json!({
                "fit": {"batch_size": 8, "accumulation": 2},
                "data": {"sampler": {"kind": "pk", "p": 2, "k": 4}},
                "loss": {"kind": "cross_entropy", "metric": {"kind": "triplet"}},
            }),
            vec!["/fit/accumulation"],
        ),
        (
            json!({"fit": {"eval_weights": "ema"}}),
            vec!["/fit/eval_weights"],
        ),
        (
            json!({"fit": {"select": "best"}, "data": {"train_on": "train_val"}}),
            vec!["/fit/select"],
        ),
        (
            json!({"fit": {"batch_size": 63}, "data": {"sampler": {"kind": "pk", "p": 16, "k": 4}}}),
            vec!["/fit/batch_size"],
        ),
        // Augmentation.
        (
            json!({"augment": {"crop": {"kind": "random_resized", "scale": [0.9, 0.2], "ratio": [2.0, 0.5]}}}),
            vec!["/augment/crop/ratio", "/augment/crop/scale"],
        ),
        (
            json!({"augment": {"erasing": {"area": [0.5, 0.1], "ratio": [3.0, 0.3]}}}),
            vec!["/augment/erasing/area", "/augment/erasing/ratio"],
        ),
        (
            policy(json!({"kind": "rand_augment", "convention": "timm", "m": 10.5})),
            vec!["/augment/policy/m"],
        ),
        (
            policy(json!({
                "kind": "rand_augment", "convention": "torchvision", "m": 9.5, "mstd": 0.5, "increasing": true,
            })),
            vec![
                "/augment/policy/increasing",
                "/augment/policy/m",
                "/augment/policy/mstd",
            ],
        ),
        (
            json!({"augment": {"mix": {"kind": "cutmix"}}, "fit": {"batch_size": 1}}),
            vec!["/fit/batch_size"],
        ),
        // The network and its input.
        (
            json!({"backbone": {"name": "vit_tiny_patch16_224"}, "fit": {"resolution": 100, "eval_resolution": 120}}),
            vec!["/fit/eval_resolution", "/fit/resolution"],
        ),
        (
            json!({"input": {"std": [0.2, 0.0, 0.2]}}),
            vec!["/input/std/1"],
        ),
        (
            json!({"backbone": {"name": "convnext_tiny"}, "adaptation": {"mode": "full", "freeze_bn": true}}),
            vec!["/adaptation/freeze_bn"],
        ),
        // What a frozen backbone leaves without effect.
        (
            json!({"adaptation": head_only(), "augment": {"mix": {"kind": "mixup"}}}),
            vec!["/augment/crop", "/augment/flip/horizontal", "/augment/mix"],
        ),
        (
            json!({
                "adaptation": head_only(),
                "augment": {
                    "crop": {"kind": "center"}, "flip": {"horizontal": 0.0, "vertical": 0.5}, "rotation": {"degrees": 5.0},
                    "policy": {"kind": "trivial_augment"},
                    "color_jitter": {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1},
                    "erasing": {"prob": 0.1}, "cutout": {"prob": 0.1},
                },
            }),
            vec![
                "/augment/color_jitter/brightness",
                "/augment/color_jitter/contrast",
                "/augment/color_jitter/hue",
                "/augment/color_jitter/saturation",
                "/augment/cutout/prob",
                "/augment/erasing/prob",
                "/augment/flip/vertical",
                "/augment/policy",
                "/augment/rotation/degrees",
            ],
        ),
        (
            json!({"adaptation": head_only(), "input": {"tta": "flip"}}),
            vec!["/input/tta"],
        ),
        (
            json!({"adaptation": head_only(), "backbone": {"drop_path": 0.1}}),
            vec!["/backbone/drop_path"],
        ),
        (
            json!({
                "adaptation": head_only(),
                "data": {"sampler": {"kind": "pk", "p": 16, "k": 4}},
                "loss": {"kind": "cross_entropy", "metric": {"kind": "sup_con"}},
            }),
            vec!["/loss/metric"],
        ),
        // Unfreezing and phases.
        (gradual(json!([2, 1])), vec!["/adaptation/unfreeze_epochs"]),
        (gradual(json!([1, 3])), vec!["/adaptation/unfreeze_epochs"]),
        (
            phases(json!([{"share": 0.01}, {}])),
            vec!["/fit/phases/0/share"],
        ),
        (
            phases(json!([{}, {"views": "evaluation", "resolution": 96}])),
            vec!["/fit/phases/1/resolution"],
        ),
        (
            json!({
                "adaptation": {"mode": "full", "freeze_bn": true},
                "fit": {"epochs": 10, "phases": [{"train": "head_and_last_norm"}]},
            }),
            vec!["/fit/phases/0/train"],
        ),
        (
            json!({"adaptation": head_only(), "fit": {"epochs": 10, "phases": [{}]}}),
            vec!["/fit/phases"],
        ),
        // Losses.
        (
            json!({"loss": {"kind": "bce", "smoothing": 0.1, "target_threshold": 0.2}}),
            vec!["/loss/smoothing"],
        ),
        (
            json!({"loss": {"kind": "cross_entropy", "metric": {"kind": "contrastive"}}}),
            vec!["/data/sampler"],
        ),
    ]
}

#[test]
fn every_rule_between_options_is_a_422() {
    with_app(30.0, async |app| {
        app.register().await;
        for (parts, pointers) in rows() {
            refused(&app, spec(parts), &pointers).await;
        }
        app
    });
}

const LOSSES: [&str; 4] = ["cross_entropy", "bce", "focal", "probe"];
const METRICS: [&str; 5] = ["none", "contrastive", "triplet", "sup_con", "arc_face"];
const MIXES: [&str; 4] = ["none", "cutmix", "mixup", "cutmix_or_mixup"];

#[test]
fn losses_and_mixes_that_do_not_go_together_are_422s() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut n_valid = 0;
        for loss in LOSSES {
            for metric in METRICS {
                for mix in MIXES {
                    let compares = ["contrastive", "triplet", "sup_con"].contains(&metric);
                    let mut wrong = Vec::new();
                    if loss == "bce" && metric == "arc_face" || loss == "probe" && !compares {
                        wrong.push("/loss/metric");
                    }
                    if metric != "none" && mix != "none" {
                        wrong.push("/augment/mix");
                    }
                    let spec = spec(json!({
                        "data": {"sampler": {"kind": "pk", "p": 16, "k": 4}},
                        "loss": {"kind": loss, "metric": {"kind": metric}},
                        "augment": {"mix": {"kind": mix}},
                    }));
                    if wrong.is_empty() {
                        check::trial(&spec).unwrap_or_else(|found| panic!("{spec}: {found}"));
                        n_valid += 1;
                    } else {
                        refused(&app, spec, &wrong).await;
                    }
                }
            }
        }
        assert_eq!(n_valid, 3 * 4 + (4 * 4 - 2));
        app
    });
}
