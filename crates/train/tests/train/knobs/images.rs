//! The options of augmentation.

use serde_json::{Value, json};

use super::row::{Row, fields, kinds, names};

pub fn augment_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let plain = || json!({});
    let around = |augment: Value| json!({"augment": augment});
    let random = json!({"kind": "random_resized", "scale": [0.3, 0.6]});
    kinds(
        &mut rows,
        "/augment/crop",
        plain(),
        json!({"kind": "center"}),
        std::slice::from_ref(&random),
    );
    let whole = json!({"kind": "random_resized", "scale": [1.0, 1.0]});
    kinds(
        &mut rows,
        "/augment/crop",
        plain(),
        whole,
        &[json!({"kind": "center"})],
    );
    fields(
        &mut rows,
        "/augment/crop",
        around(json!({"crop": random})),
        json!({"scale": [0.5, 0.9], "ratio": [0.5, 2.0]}),
    );
    fields(
        &mut rows,
        "/augment/flip",
        plain(),
        json!({"horizontal": 1.0, "vertical": 1.0}),
    );
    fields(
        &mut rows,
        "/augment/rotation",
        plain(),
        json!({"degrees": 45.0}),
    );
    fields(
        &mut rows,
        "/augment/color_jitter",
        plain(),
        json!({"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.3}),
    );
    let none = json!({"kind": "none"});
    let timm = json!({"kind": "rand_augment", "convention": "timm"});
    let policies = [
        json!({"kind": "auto_augment"}),
        timm.clone(),
        json!({"kind": "trivial_augment"}),
    ];
    kinds(
        &mut rows,
        "/augment/policy",
        plain(),
        none.clone(),
        &policies,
    );
    kinds(
        &mut rows,
        "/augment/policy",
        plain(),
        timm.clone(),
        std::slice::from_ref(&none),
    );
    let learnt = around(json!({"policy": {"kind": "auto_augment"}}));
    names(
        &mut rows,
        "/augment/policy/policy",
        learnt.clone(),
        "imagenet",
        &["cifar10", "svhn"],
    );
    names(
        &mut rows,
        "/augment/policy/policy",
        learnt,
        "svhn",
        &["imagenet"],
    );
    let rand = around(json!({"policy": timm}));
    names(
        &mut rows,
        "/augment/policy/convention",
        rand.clone(),
        "timm",
        &["torchvision"],
    );
    names(
        &mut rows,
        "/augment/policy/convention",
        rand.clone(),
        "torchvision",
        &["timm"],
    );
    let strength = json!({"n": 4, "m": 3.0, "mstd": 3.0, "increasing": true});
    fields(&mut rows, "/augment/policy", rand, strength);
    fields(&mut rows, "/augment/erasing", plain(), json!({"prob": 1.0}));
    let erasing = around(json!({"erasing": {"prob": 1.0}}));
    names(
        &mut rows,
        "/augment/erasing/fill",
        erasing.clone(),
        "pixel",
        &["const"],
    );
    names(
        &mut rows,
        "/augment/erasing/fill",
        erasing.clone(),
        "const",
        &["pixel"],
    );
    let boxes = json!({"area": [0.3, 0.6], "ratio": [0.9, 1.1]});
    fields(&mut rows, "/augment/erasing", erasing, boxes);
    fields(&mut rows, "/augment/cutout", plain(), json!({"prob": 1.0}));
    let cutout = around(json!({"cutout": {"prob": 1.0}}));
    fields(&mut rows, "/augment/cutout", cutout, json!({"size": 0.5}));
    let mixes = ["cutmix", "mixup", "cutmix_or_mixup"].map(|kind| json!({"kind": kind}));
    kinds(&mut rows, "/augment/mix", plain(), none.clone(), &mixes);
    kinds(
        &mut rows,
        "/augment/mix",
        plain(),
        mixes[0].clone(),
        &[none],
    );
    for (mix, values) in mixes.into_iter().zip([
        json!({"alpha": 0.2, "prob": 0.0}),
        json!({"alpha": 0.2, "prob": 0.0}),
        json!({"cutmix_alpha": 0.2, "mixup_alpha": 0.2, "switch_prob": 0.0, "prob": 0.0}),
    ]) {
        fields(
            &mut rows,
            "/augment/mix",
            around(json!({"mix": mix})),
            values,
        );
    }
    rows
}
