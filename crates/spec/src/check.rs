//! From raw JSON to a checked spec: the schema first, so that every mistake is reported at once
//! with its JSON pointer, then the rules that tie fields together.

mod rules;
mod schema;

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, RwLock};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{SweepSpec, TrialSpec};
use schema::Schema;

/// One thing wrong with a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the value.
    pub pointer: String,
    /// The value found there; `null` where nothing was.
    pub value: Value,
    /// What would be right.
    pub expected: String,
}

impl Violation {
    pub fn new(
        pointer: impl Into<String>,
        value: impl Into<Value>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            value: value.into(),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(
            f,
            "{at}: {} is wrong, expected {}",
            self.value, self.expected
        )
    }
}

/// Everything wrong with a document; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, violation) in self.0.iter().enumerate() {
            let separator = if idx == 0 { "" } else { "\n" };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// Checks a trial spec and reads it. Defaults that depend on other fields are written out.
///
/// # Errors
/// Every violation of the schema or, if there is none, of the rules between fields.
pub fn trial(raw: &Value) -> Result<TrialSpec, Violations> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<TrialSpec>);
    let mut spec: TrialSpec = SCHEMA.read(raw)?;
    let violations = rules::violations(&spec);
    if !violations.is_empty() {
        return Err(Violations(violations));
    }
    spec.write_out_defaults();
    Ok(spec)
}

/// Checks the frame of a sweep and reads it. Its base and space are checked with the trials they make.
///
/// # Errors
/// Every violation of the schema.
pub fn sweep(raw: &Value) -> Result<SweepSpec, Violations> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<SweepSpec>);
    SCHEMA.read(raw)
}

/// Checks any other document of the API. Each type's schema is compiled once.
///
/// # Errors
/// Every violation of the schema.
pub fn document<T: JsonSchema + DeserializeOwned + 'static>(raw: &Value) -> Result<T, Violations> {
    static COMPILED: LazyLock<RwLock<HashMap<TypeId, &'static Schema>>> =
        LazyLock::new(RwLock::default);
    let id = TypeId::of::<T>();
    let known = COMPILED
        .read()
        .expect("no panic under the lock")
        .get(&id)
        .copied();
    let schema = known.unwrap_or_else(|| {
        let mut compiled = COMPILED.write().expect("no panic under the lock");
        compiled
            .entry(id)
            .or_insert_with(|| Box::leak(Box::new(Schema::of::<T>())))
    });
    schema.read(raw)
}
fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::EvalWeights;
    use serde_json::json;

    fn check(overlay: Value, expect: &[(&str, &str)]) {
        let mut raw = json!({"data": {"dataset": "d"}});
        for (key, value) in overlay.as_object().unwrap() {
            raw[key] = value.clone();
        }
        let found = match trial(&raw) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.0,
        };
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (pointer, expected) in expect {
            assert!(
                found
                    .iter()
                    .any(|v| v.pointer == *pointer && v.expected.contains(expected)),
                "no {pointer} with {expected:?} in {found:#?}"
            );
        }
    }

    #[test]
    fn a_minimal_spec_passes_with_defaults_written_out() {
        let spec = trial(&json!({"data": {"dataset": "d"}})).unwrap();
        assert!(spec.augment.is_some());
        assert_eq!(spec.fit.eval_resolution, Some(224));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        check(
            json!({
                "optimiser": {},
                "optimizer": {"kind": "sgd", "lr": -1.0, "momentumm": 0.9},
                "fit": {"epochs": "ten", "batch_size": 0},
                "backbone": {"activation": "swoosh"},
            }),
            &[
                ("/optimiser", "the fields here are adaptation"),
                ("/optimizer/lr", "above 0"),
                ("/optimizer/momentumm", "momentum, nesterov"),
                ("/fit/epochs", "integer"),
                ("/fit/batch_size", "at least 1"),
                ("/backbone/activation", "mish"),
            ],
        );
    }

    #[test]
    fn an_unknown_or_missing_tag_names_the_variants() {
        check(
            json!({"optimizer": {"kind": "sgdd"}}),
            &[("/optimizer/kind", "one of sgd, adam, adamw, radam, ranger")],
        );
        check(
            json!({"optimizer": {"lr": 0.1}}),
            &[("/optimizer/kind", "one of sgd, adam, adamw, radam, ranger")],
        );
        check(
            json!({"optimizer": "sgd"}),
            &[("/optimizer", "an object whose kind is one of sgd")],
        );
    }

    #[test]
    fn mistakes_below_an_optional_object_keep_their_pointer() {
        check(
            json!({"augment": {"flip": {"horizontal": 2.0}}}),
            &[("/augment/flip/horizontal", "at most 1")],
        );
        check(
            json!({"augment": {"mix": {"kind": "cutmix", "beta": 1}}}),
            &[("/augment/mix/beta", "alpha")],
        );
    }

    #[test]
    fn head_only_refuses_augmentation() {
        check(
            json!({"adaptation": {"mode": "head_only"}, "augment": {"mix": {"kind": "cutmix"}}}),
            &[
                ("/augment/crop", "center"),
                ("/augment/flip/horizontal", "0"),
                ("/augment/mix", "none"),
            ],
        );
        check(json!({"adaptation": {"mode": "head_only"}}), &[]);
    }

    #[test]
    fn head_only_names_each_field_that_would_be_ignored() {
        check(
            json!({
                "adaptation": {"mode": "head_only"},
                "input": {"tta": "flip"},
                "augment": {
                    "crop": {"kind": "center"},
                    "flip": {"horizontal": 0.0},
                    "rotation": {"degrees": 10.0},
                    "policy": {"kind": "trivial_augment"},
                    "color_jitter": {"hue": 0.1},
                    "erasing": {"prob": 0.25},
                    "cutout": {"prob": 0.5},
                },
            }),
            &[
                ("/input/tta", "none"),
                ("/augment/rotation/degrees", "0"),
                ("/augment/policy", "none"),
                ("/augment/color_jitter/hue", "0"),
                ("/augment/erasing/prob", "0"),
                ("/augment/cutout/prob", "0"),
            ],
        );
    }

    #[test]
    fn a_policy_keeps_to_its_convention() {
        let rand = |convention: &str, more: Value| {
            let mut policy = json!({"kind": "rand_augment", "convention": convention});
            for (key, value) in more.as_object().unwrap() {
                policy[key] = value.clone();
            }
            json!({"augment": {"policy": policy}})
        };
        check(rand("timm", json!({"m": 9.5, "mstd": 0.5})), &[]);
        check(rand("torchvision", json!({"m": 30.0})), &[]);
        check(
            rand("timm", json!({"m": 11.0})),
            &[("/augment/policy/m", "at most 10")],
        );
        check(
            rand(
                "torchvision",
                json!({"m": 9.5, "mstd": 0.5, "increasing": true}),
            ),
            &[
                ("/augment/policy/m", "whole"),
                ("/augment/policy/mstd", "0"),
                ("/augment/policy/increasing", "false"),
            ],
        );
        check(
            json!({"augment": {"erasing": {"area": [0.5, 0.1], "ratio": [3.0, 0.3]}}}),
            &[
                ("/augment/erasing/area", "smaller"),
                ("/augment/erasing/ratio", "smaller"),
            ],
        );
        check(
            json!({"augment": {"mix": {"kind": "mixup"}}, "fit": {"batch_size": 1}}),
            &[("/fit/batch_size", "mixup")],
        );
    }

    #[test]
    fn a_metric_loss_needs_what_it_compares() {
        let loss = |metric: Value| json!({"kind": "cross_entropy", "metric": metric});
        let pk = json!({"dataset": "d", "sampler": {"kind": "pk", "p": 16, "k": 4}});
        check(
            json!({"loss": loss(json!({"kind": "triplet"}))}),
            &[("/data/sampler", "pk")],
        );
        check(
            json!({"loss": loss(json!({"kind": "triplet"})), "data": pk}),
            &[],
        );
        check(
            json!({"loss": {"kind": "probe", "metric": {"kind": "sup_con"}}, "data": pk}),
            &[],
        );
        check(
            json!({"loss": {"kind": "probe", "metric": {"kind": "arc_face"}}}),
            &[("/loss/metric", "under probe")],
        );
        check(
            json!({"loss": {"kind": "probe"}}),
            &[("/loss/metric", "required")],
        );
        check(
            json!({"data": pk, "fit": {"batch_size": 60}}),
            &[("/fit/batch_size", "64")],
        );
        check(
            json!({
                "loss": loss(json!({"kind": "arc_face"})),
                "augment": {"mix": {"kind": "cutmix"}},
            }),
            &[("/augment/mix", "one class")],
        );
        check(
            json!({"objective": {"metric": "val_recall_at_1"}}),
            &[("/objective/metric", "metric loss")],
        );
        check(
            json!({
                "objective": {"metric": "val_knn_top1"},
                "loss": loss(json!({"kind": "arc_face"})),
            }),
            &[],
        );
    }

    #[test]
    fn a_frozen_embedding_is_not_compared() {
        let pk = json!({"dataset": "d", "sampler": {"kind": "pk", "p": 16, "k": 4}});
        check(
            json!({
                "adaptation": {"mode": "head_only"},
                "data": pk,
                "loss": {"kind": "cross_entropy", "metric": {"kind": "contrastive"}},
            }),
            &[("/loss/metric", "trains nothing")],
        );
        check(
            json!({
                "adaptation": {"mode": "head_only"},
                "loss": {"kind": "cross_entropy", "metric": {"kind": "arc_face"}},
            }),
            &[],
        );
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        check(
            json!({"loss": {"kind": "bce", "smoothing": 0.1, "target_threshold": 0.2}}),
            &[("/loss/smoothing", "threshold")],
        );
        check(
            json!({"loss": {"kind": "bce", "metric": {"kind": "arc_face"}}}),
            &[("/loss/metric", "other than arc_face")],
        );
    }

    #[test]
    fn patches_must_fit_the_image() {
        let vit = json!({"name": "vit_small_patch14_dinov2"});
        check(
            json!({
                "backbone": vit,
                "fit": {"resolution": 224, "eval_resolution": 256, "phases": [{"resolution": 100}]},
            }),
            &[
                ("/fit/eval_resolution", "a multiple of 14"),
                ("/fit/phases/0/resolution", "such as 112"),
            ],
        );
        check(json!({"backbone": vit, "fit": {"resolution": 98}}), &[]);
        check(json!({"fit": {"resolution": 97}}), &[]);
    }

    #[test]
    fn what_is_frozen_must_be_there() {
        let frozen = json!({"mode": "full", "freeze_bn": true});
        check(json!({"adaptation": frozen}), &[]);
        check(
            json!({"backbone": {"name": "convnext_tiny"}, "adaptation": frozen}),
            &[("/adaptation/freeze_bn", "convnext_tiny has no BatchNorm")],
        );
    }

    #[test]
    fn gradual_unfreezing_goes_up_within_the_run() {
        let gradual = |epochs: Value| {
            json!({
                "adaptation": {"mode": "gradual", "unfreeze_epochs": epochs},
                "fit": {"epochs": 5},
            })
        };
        check(gradual(json!([1, 2, 4])), &[]);
        check(
            gradual(json!([2, 1])),
            &[("/adaptation/unfreeze_epochs", "ascending")],
        );
        check(
            gradual(json!([1, 5])),
            &[("/adaptation/unfreeze_epochs", "below fit.epochs, 5")],
        );
        check(
            gradual(json!([])),
            &[("/adaptation/unfreeze_epochs", "at least 1 items")],
        );
    }

    #[test]
    fn phases_share_the_epochs_and_agree_with_the_rest() {
        let fixres = json!({"share": 0.1, "train": "head_and_last_norm", "views": "evaluation"});
        let spec = |phases: Value, adaptation: Value| {
            json!({
                "adaptation": adaptation,
                "fit": {"epochs": 10, "resolution": 96, "eval_resolution": 128, "phases": phases},
            })
        };
        let full = json!({"mode": "full"});
        let freeze = json!({"share": 0.1, "train": "head"});
        check(
            spec(json!([freeze, {"share": 0.8}, fixres]), full.clone()),
            &[],
        );
        check(
            spec(
                json!([{"share": 0.01}, {"share": 1.0, "views": "evaluation", "resolution": 96}]),
                full,
            ),
            &[
                ("/fit/phases/0/share", "at least one of the 10 epochs"),
                ("/fit/phases/1/resolution", "null or 128"),
            ],
        );
        check(
            spec(json!([fixres]), json!({"mode": "full", "freeze_bn": true})),
            &[("/fit/phases/0/train", "freeze_bn")],
        );
        check(
            spec(
                json!([{}]),
                json!({"mode": "gradual", "unfreeze_epochs": [1]}),
            ),
            &[("/fit/phases", "mode")],
        );
    }

    #[test]
    fn schedules_and_weights_must_make_sense() {
        check(
            json!({"schedule": {"kind": "multi_step", "warmup_fraction": 0.3, "milestones": [0.5, 0.2]}}),
            &[
                ("/schedule/milestones", "rising"),
                (
                    "/schedule/milestones",
                    "after the warm-up, which ends at 0.3",
                ),
            ],
        );
        check(
            json!({"schedule": {"kind": "multi_step", "milestones": []}}),
            &[("/schedule/milestones", "at least 1 items")],
        );
        check(
            json!({"fit": {"batch_size": 12, "accumulation": 5}}),
            &[("/fit/accumulation", "divisor of batch_size (12)")],
        );
        check(
            json!({"fit": {"batch_size": 4, "accumulation": 4}}),
            &[("/fit/accumulation", "at least 2 images")],
        );
        check(
            json!({"fit": {"batch_size": 4, "accumulation": 4}, "adaptation": {"mode": "head_only"}}),
            &[],
        );
        check(
            json!({"fit": {"eval_weights": "ema"}}),
            &[("/fit/eval_weights", "raw")],
        );
        check(
            json!({
                "fit": {"accumulation": 2},
                "loss": {"kind": "cross_entropy", "metric": {"kind": "triplet"}},
                "data": {"dataset": "d", "sampler": {"kind": "pk", "p": 16, "k": 4}},
            }),
            &[("/fit/accumulation", "triplet compares")],
        );
        check(
            json!({"fit": {"select": "best"}, "data": {"dataset": "d", "train_on": "train_val"}}),
            &[("/fit/select", "last")],
        );
        check(
            json!({"optimizer": {"kind": "adam", "sam": {"rho": 0.0, "adaptiv": true}}}),
            &[
                ("/optimizer/sam/rho", "above 0"),
                ("/optimizer/sam/adaptiv", "adaptive, rho"),
            ],
        );
    }

    #[test]
    fn the_average_is_evaluated_where_there_is_one() {
        let weights = |fit: Value| {
            let spec = trial(&json!({"data": {"dataset": "d"}, "fit": fit})).unwrap();
            spec.fit.eval_weights
        };
        assert_eq!(weights(json!({})), Some(EvalWeights::Raw));
        assert_eq!(weights(json!({"ema": {}})), Some(EvalWeights::Ema));
        assert_eq!(
            weights(json!({"ema": {}, "eval_weights": "raw"})),
            Some(EvalWeights::Raw)
        );
    }

    #[test]
    fn names_must_be_known() {
        check(
            json!({"backbone": {"name": "resnet9000"}}),
            &[("/backbone/name", "efficientnet_lite0")],
        );
        check(
            json!({"data": {}}),
            &[("/data/dataset", "registered dataset")],
        );
        check(
            json!({"backbone": {"weights": "file:/etc/passwd"}}),
            &[("/backbone/weights", "pretrained")],
        );
    }
}
