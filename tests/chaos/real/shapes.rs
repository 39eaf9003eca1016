//! What the trials train: between them, every kind of state that a checkpoint holds.

use serde_json::{Value, json};

/// The name of the registered part of open-emoji.
pub const DATASET: &str = "emoji-part";

/// A configuration, cheap on a CPU.
pub struct Shape {
    pub name: &'static str,
    /// It trains on cached features: epochs are short, and a checkpoint is due by time.
    pub is_head_only: bool,
    spec: Value,
}

impl Shape {
    pub fn spec(&self, seed: u64) -> Value {
        let mut spec = json!({
            "data": {"dataset": DATASET},
            "fit": {"epochs": 6, "batch_size": 16, "resolution": 64, "seed": seed},
        });
        overlay(&mut spec, &self.spec);
        spec
    }
}

pub fn all() -> Vec<Shape> {
    let shape = |name, spec| Shape {
        name,
        is_head_only: false,
        spec,
    };
    vec![
        shape("AdamW", json!({"optimizer": {"kind": "adamw", "lr": 1e-3}})),
        shape(
            "SGD, CutMix, EMA",
            json!({
                "optimizer": {"kind": "sgd", "lr": 0.01},
                "augment": {"mix": {"kind": "cutmix"}},
                "fit": {"ema": {"half_life_epochs": 0.7}},
            }),
        ),
        shape(
            "Ranger, dropout, drop path",
            json!({
                "optimizer": {"kind": "ranger", "lr": 1e-3, "lookahead_k": 4, "clip": 1.0},
                "backbone": {"dropout": 0.3, "drop_path": 0.2},
            }),
        ),
        shape(
            "Adam, best epoch, one cycle",
            json!({
                "optimizer": {"kind": "adam", "lr": 3e-3},
                "schedule": {"kind": "one_cycle"},
                "fit": {"select": "best"},
            }),
        ),
        shape(
            "RAdam, RandAugment, Mixup, balanced",
            json!({
                "data": {"sampler": {"kind": "class_balanced"}},
                "optimizer": {"kind": "radam", "lr": 1e-3},
                "augment": {
                    "policy": {"kind": "rand_augment", "convention": "timm", "mstd": 0.5},
                    "erasing": {"prob": 0.3},
                    "mix": {"kind": "mixup"},
                },
            }),
        ),
        shape(
            "SGD, SAM, EMA, best epoch",
            json!({
                "optimizer": {"kind": "sgd", "lr": 0.01, "sam": {"rho": 0.05}},
                "fit": {"resolution": 48, "ema": {"half_life_epochs": 0.5}, "select": "best"},
            }),
        ),
        shape(
            "gradual unfreezing",
            json!({
                "adaptation": {"mode": "gradual", "unfreeze_epochs": [2, 4], "layer_decay": 0.9},
                "optimizer": {"kind": "adamw", "lr": 1e-3},
            }),
        ),
        shape(
            "phases of two resolutions, EMA",
            json!({
                "optimizer": {"kind": "adamw", "lr": 1e-3},
                "fit": {
                    "phases": [{"train": "head", "resolution": 48}, {"train": "all"}],
                    "ema": {"half_life_epochs": 0.5},
                },
            }),
        ),
        shape(
            "bf16, two passes a step",
            json!({
                "optimizer": {"kind": "adamw", "lr": 1e-3},
                "augment": {"mix": {"kind": "cutmix_or_mixup"}},
                "fit": {"resolution": 32, "precision": "bf16", "accumulation": 2},
            }),
        ),
        Shape {
            name: "head only, Ranger, hidden layer",
            is_head_only: true,
            spec: json!({
                "adaptation": {"mode": "head_only"},
                "backbone": {"dropout": 0.3, "head": {"hidden": 256}},
                "optimizer": {"kind": "ranger", "lr": 1e-4},
                "fit": {"epochs": 600, "batch_size": 4, "ema": {"half_life_epochs": 20.0}},
            }),
        },
    ]
}

fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
