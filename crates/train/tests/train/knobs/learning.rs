//! The options of optimizers, schedules and losses.

use serde_json::{Value, json};

use super::row::{Row, Sees, fields, kinds, names};
use crate::train::mini::lay_over;

pub fn optimizer_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let all = ["sgd", "adam", "radam", "ranger"].map(|kind| json!({"kind": kind, "lr": 1e-3}));
    kinds(
        &mut rows,
        "/optimizer",
        json!({}),
        json!({"kind": "adamw"}),
        &all,
    );
    kinds(
        &mut rows,
        "/optimizer",
        json!({}),
        all[0].clone(),
        &[json!({"kind": "adamw"})],
    );
    let shared = json!({"lr": 2e-3, "weight_decay": 1.0, "clip": 0.01, "sam": {}});
    let adaptive = json!({"betas": [0.5, 0.999], "eps": 1e-3});
    // Six steps: RAdam's sixth is the first that is rectified.
    let of = |kind: &str| json!({"optimizer": {"kind": kind}, "fit": {"epochs": 2}});
    for kind in ["sgd", "adam", "adamw", "radam", "ranger"] {
        fields(&mut rows, "/optimizer", of(kind), shared.clone());
        if kind != "sgd" {
            fields(&mut rows, "/optimizer", of(kind), adaptive.clone());
        }
        let with_sam = json!({"optimizer": {"kind": kind, "sam": {}}});
        fields(
            &mut rows,
            "/optimizer/sam",
            with_sam,
            json!({"rho": 0.5, "adaptive": true}),
        );
    }
    let momentum = json!({"momentum": 0.5, "nesterov": false});
    fields(&mut rows, "/optimizer", of("sgd"), momentum);
    let syncing = json!({"optimizer": {"kind": "ranger", "lookahead_k": 2}, "fit": {"epochs": 2}});
    let lookahead = json!({"lookahead_k": 1, "lookahead_alpha": 0.9});
    fields(&mut rows, "/optimizer", syncing, lookahead);
    rows
}

pub fn schedule_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // Six steps.
    let longer = json!({"fit": {"epochs": 2}});
    let constant = json!({"kind": "constant"});
    let others = [
        json!({"kind": "cosine"}),
        // By default, five of the six steps are flat.
        json!({"kind": "flat_cosine", "flat_fraction": 0.5}),
        json!({"kind": "step"}),
        json!({"kind": "multi_step"}),
        json!({"kind": "polynomial"}),
        json!({"kind": "one_cycle"}),
    ];
    kinds(
        &mut rows,
        "/schedule",
        longer.clone(),
        constant.clone(),
        &others,
    );
    kinds(
        &mut rows,
        "/schedule",
        longer.clone(),
        others[0].clone(),
        &[constant],
    );
    let mut of = |schedule: Value, values: Value| {
        let around = json!({"fit": {"epochs": 2}, "schedule": schedule});
        fields(&mut rows, "/schedule", around, values);
    };
    of(
        json!({"kind": "cosine"}),
        json!({"warmup_fraction": 0.5, "final_fraction": 0.5, "cycles": 2}),
    );
    of(
        json!({"kind": "cosine", "cycles": 2}),
        json!({"cycle_mult": 2.0, "cycle_decay": 0.5}),
    );
    of(
        json!({"kind": "flat_cosine"}),
        json!({"warmup_fraction": 0.5, "flat_fraction": 0.2}),
    );
    of(
        json!({"kind": "flat_cosine", "flat_fraction": 0.2}),
        json!({"final_fraction": 0.5}),
    );
    of(
        json!({"kind": "step"}),
        json!({"warmup_fraction": 0.5, "every": 0.5, "gamma": 0.5}),
    );
    of(
        json!({"kind": "multi_step"}),
        json!({"warmup_fraction": 0.4, "milestones": [0.2], "gamma": 0.5}),
    );
    of(
        json!({"kind": "polynomial"}),
        json!({"warmup_fraction": 0.5, "power": 2.0, "final_fraction": 0.5}),
    );
    of(
        json!({"kind": "one_cycle"}),
        json!({"pct_start": 0.6, "div": 5.0, "final_div": 2.0, "cycle_momentum": false}),
    );
    of(json!({"kind": "constant"}), json!({"warmup_fraction": 0.5}));
    rows
}

pub fn loss_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // All batches have pairs of a class.
    let pk = || json!({"data": {"sampler": {"kind": "pk", "p": 3, "k": 4}}});
    let with = |loss: Value| {
        let mut spec = pk();
        lay_over(&mut spec, json!({"loss": loss}));
        spec
    };
    let plain = json!({"kind": "cross_entropy"});
    let probe = json!({"kind": "probe", "metric": {"kind": "sup_con"}});
    let others = [json!({"kind": "bce"}), json!({"kind": "focal"}), probe];
    kinds(&mut rows, "/loss", pk(), plain.clone(), &others);
    kinds(&mut rows, "/loss", pk(), others[0].clone(), &[plain]);
    let smoothing = || json!({"smoothing": 0.3});
    fields(
        &mut rows,
        "/loss",
        with(json!({"kind": "cross_entropy"})),
        smoothing(),
    );
    fields(
        &mut rows,
        "/loss",
        with(json!({"kind": "focal"})),
        json!({"smoothing": 0.3, "gamma": 1.0}),
    );
    fields(
        &mut rows,
        "/loss",
        with(json!({"kind": "bce"})),
        smoothing(),
    );
    // Mixed labels are what a threshold is for.
    let mut mixed = with(json!({"kind": "bce"}));
    lay_over(&mut mixed, json!({"augment": {"mix": {"kind": "mixup"}}}));
    fields(&mut rows, "/loss", mixed, json!({"target_threshold": 0.2}));

    let contrastive = json!({"kind": "contrastive"});
    let triplet = json!({"kind": "triplet"});
    let sup_con = json!({"kind": "sup_con"});
    let arc_face = json!({"kind": "arc_face"});
    for loss in ["cross_entropy", "bce", "focal", "probe"] {
        let metric = |metric: &Value| with(json!({"kind": loss, "metric": metric}));
        let option =
            |kind: &Value| format!("/loss/{loss}/metric/{}", kind["kind"].as_str().unwrap());
        let mut pair = |neutral: &Value, other: &Value| {
            rows.push(Row {
                option: option(other),
                sees: Sees::Weights,
                neutral: metric(neutral),
                changed: metric(other),
            });
        };
        let none = json!({"kind": "none"});
        for other in [&contrastive, &triplet, &sup_con] {
            let neutral = match loss {
                "probe" if *other == sup_con => &triplet,
                "probe" => &sup_con,
                _ => &none,
            };
            pair(neutral, other);
        }
        if loss != "probe" {
            pair(&sup_con, &none);
        }
        if ["cross_entropy", "focal"].contains(&loss) {
            pair(&none, &arc_face);
            let values = json!({"margin": 0.1, "scale": 8.0});
            fields(&mut rows, "/loss/metric", metric(&arc_face), values);
        }
        let values = json!({"pos_margin": 1.9, "neg_margin": 1.9, "weight": 3.0});
        fields(&mut rows, "/loss/metric", metric(&contrastive), values);
        // Where all triplets are within the margin, another margin has the same gradient.
        let semi_hard = json!({"kind": "triplet", "mining": "semi_hard"});
        let values = json!({"margin": 0.01, "weight": 3.0});
        fields(&mut rows, "/loss/metric", metric(&semi_hard), values);
        names(
            &mut rows,
            "/loss/metric/mining",
            metric(&triplet),
            "batch_hard",
            &["semi_hard"],
        );
        names(
            &mut rows,
            "/loss/metric/mining",
            metric(&triplet),
            "semi_hard",
            &["batch_hard"],
        );
        let values = json!({"temperature": 1.0, "weight": 3.0});
        fields(&mut rows, "/loss/metric", metric(&sup_con), values);
    }
    rows
}
