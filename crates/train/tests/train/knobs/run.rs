//! The options of the network, its input, the data and the run itself.

use serde_json::{Value, json};

use super::row::{Row, Sees, at, fields, kinds, names};
use crate::train::mini::lay_over;

pub fn network_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let plain = || json!({});
    fields(
        &mut rows,
        "/backbone",
        plain(),
        json!({
            "name": "efficientnet_lite1", "weights": "pretrained", "drop_path": 0.9, "dropout": 0.9,
        }),
    );
    fields(&mut rows, "/backbone/head", plain(), json!({"hidden": 8}));
    let others = [
        "relu",
        "leaky_relu",
        "swish",
        "silu",
        "squish",
        "mish",
        "gelu",
        "hard_swish",
    ];
    names(
        &mut rows,
        "/backbone/activation",
        plain(),
        "native",
        &others,
    );
    names(
        &mut rows,
        "/backbone/activation",
        plain(),
        "relu",
        &["native"],
    );

    let mean = json!({"mean": [0.0, 0.1, 0.2], "std": [0.9, 0.8, 0.7], "crop_pct": 0.6});
    fields(&mut rows, "/input", plain(), mean);
    names(
        &mut rows,
        "/input/interpolation",
        plain(),
        "bicubic",
        &["bilinear"],
    );
    names(
        &mut rows,
        "/input/interpolation",
        plain(),
        "bilinear",
        &["bicubic"],
    );
    let n_rows = rows.len();
    let cropped = json!({"input": {"crop_pct": 0.7}});
    names(
        &mut rows,
        "/input/tta",
        cropped.clone(),
        "none",
        &["flip", "multi_crop"],
    );
    names(&mut rows, "/input/tta", cropped, "flip", &["none"]);
    fields(&mut rows, "/fit", plain(), json!({"eval_resolution": 48}));
    rows[n_rows..]
        .iter_mut()
        .for_each(|row| row.sees = Sees::Predictions);

    let full = json!({"mode": "full"});
    let gradual = json!({"mode": "gradual", "unfreeze_epochs": [1]});
    let longer = || json!({"fit": {"epochs": 2}});
    let others = [json!({"mode": "head_only"}), gradual.clone()];
    kinds(&mut rows, "/adaptation", longer(), full.clone(), &others);
    kinds(
        &mut rows,
        "/adaptation",
        longer(),
        others[0].clone(),
        std::slice::from_ref(&full),
    );
    let values = json!({"head_lr_mult": 10.0, "layer_decay": 0.5, "freeze_bn": true});
    let mut around = longer();
    lay_over(&mut around, json!({"adaptation": full}));
    fields(&mut rows, "/adaptation", around, values.clone());
    let mut around = longer();
    lay_over(&mut around, json!({"adaptation": gradual}));
    fields(&mut rows, "/adaptation", around.clone(), values);
    fields(
        &mut rows,
        "/adaptation",
        around,
        json!({"unfreeze_epochs": [0, 1]}),
    );
    rows
}

pub fn run_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let plain = || json!({});
    fields(
        &mut rows,
        "/fit",
        plain(),
        json!({"epochs": 2, "batch_size": 9, "accumulation": 2, "resolution": 24, "ema": {}, "seed": 7}),
    );
    let averaged = json!({"fit": {"ema": {}}});
    fields(
        &mut rows,
        "/fit/ema",
        averaged,
        json!({"half_life_epochs": 0.1}),
    );
    names(&mut rows, "/fit/precision", plain(), "f32", &["bf16"]);

    fields(&mut rows, "/data", plain(), json!({"train_fraction": 0.5}));
    names(
        &mut rows,
        "/data/train_on",
        plain(),
        "train",
        &["train_val"],
    );
    names(
        &mut rows,
        "/data/train_on",
        plain(),
        "train_val",
        &["train"],
    );
    let shuffle = json!({"kind": "shuffle"});
    let pk = json!({"kind": "pk", "p": 3, "k": 4});
    let others = [json!({"kind": "class_balanced"}), pk.clone()];
    kinds(
        &mut rows,
        "/data/sampler",
        plain(),
        shuffle.clone(),
        &others,
    );
    kinds(&mut rows, "/data/sampler", plain(), pk.clone(), &[shuffle]);
    // Both at once, since their product is the batch.
    for option in ["p", "k"] {
        rows.push(Row {
            option: format!("/data/sampler/pk/{option}"),
            sees: Sees::Weights,
            neutral: at("/data/sampler", pk.clone()),
            changed: at("/data/sampler", json!({"kind": "pk", "p": 2, "k": 6})),
        });
    }

    // The whole run in two phases of which one is changed.
    let phased =
        |phase: Value| json!({"fit": {"epochs": 3, "eval_resolution": 48, "phases": [{}, phase]}});
    let mut phase = |option: &str, neutral: Value, changed: Value| {
        rows.push(Row {
            option: format!("/fit/phases/{option}"),
            sees: Sees::Weights,
            neutral: phased(neutral),
            changed: phased(changed),
        });
    };
    phase(
        "share",
        json!({"lr_mult": 0.1}),
        json!({"lr_mult": 0.1, "share": 5.0}),
    );
    phase("lr_mult", json!({}), json!({"lr_mult": 0.1}));
    phase("resolution", json!({}), json!({"resolution": 24}));
    phase(
        "views=evaluation",
        json!({}),
        json!({"views": "evaluation"}),
    );
    phase("views=augmented", json!({"views": "evaluation"}), json!({}));
    phase("train=head", json!({}), json!({"train": "head"}));
    phase(
        "train=head_and_last_norm",
        json!({"train": "head"}),
        json!({"train": "head_and_last_norm"}),
    );
    phase("train=all", json!({"train": "head"}), json!({}));
    rows
}
