//! Every loss: deterministic, finite, with a gradient where one is due, other than its neutral setting, bad settings
//! refused; and every metric loss joins every loss of the logits that admits it.

use cultivar_spec::TrialSpec;
use cultivar_train::loss::{Outputs, total};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::{spec, valid};

/// A loss of the logits: its tag, settings that say something, and some that must be refused.
fn of_classes() -> Vec<(&'static str, Value, Vec<Value>)> {
    vec![
        (
            "cross_entropy",
            json!({"smoothing": 0.1}),
            vec![json!({"smoothing": 1.0}), json!({"gamma": 2.0})],
        ),
        (
            "bce",
            json!({"smoothing": 0.1}),
            vec![
                json!({"target_threshold": 1.0}),
                json!({"smoothing": 0.1, "target_threshold": 0.2}),
            ],
        ),
        ("focal", json!({"gamma": 3.0}), vec![json!({"gamma": -1.0})]),
    ]
}

/// The same of embeddings.
fn of_embeddings() -> Vec<(&'static str, Value, Vec<Value>)> {
    vec![
        (
            "contrastive",
            json!({"neg_margin": 0.8}),
            vec![json!({"neg_margin": 3.0}), json!({"weight": 0.0})],
        ),
        (
            "triplet",
            json!({"mining": "batch_hard", "margin": 0.4}),
            vec![json!({"margin": 0.0}), json!({"mining": "hardest"})],
        ),
        (
            "triplet",
            json!({"mining": "semi_hard", "margin": 0.4}),
            vec![json!({"temperature": 1.0})],
        ),
        (
            "sup_con",
            json!({"temperature": 0.2}),
            vec![json!({"temperature": 0.0})],
        ),
        (
            "arc_face",
            json!({"margin": 0.3, "scale": 16.0}),
            vec![json!({"margin": 2.0}), json!({"weight": 1.0})],
        ),
    ]
}

fn tagged(kind: &str, settings: &Value) -> Value {
    let mut all = settings.clone();
    all["kind"] = json!(kind);
    all
}

/// A whole spec around a loss. Metric losses get the batches they need.
fn around(loss: Value) -> Value {
    json!({
        "loss": loss,
        "data": {"dataset": "d", "sampler": {"kind": "pk", "p": 2, "k": 4}},
        "fit": {"batch_size": 8},
    })
}

/// Loss and gradients with respect to features and head of a little linear network. Under `probe` the
/// gradient stops between the two, as in training.
fn run(spec: &TrialSpec) -> (f64, Tensor, Tensor) {
    let noise = |rows: i64, columns: i64, key: i64| {
        let idx = Tensor::arange(rows * columns, (Kind::Float, Device::Cpu)).view([rows, columns]);
        ((idx + key) * 12.9898).sin()
    };
    let embedding = noise(8, 6, 1).set_requires_grad(true);
    let head = noise(6, 4, 99).set_requires_grad(true);
    let features = match spec.loss.kind() {
        "probe" => embedding.detach(),
        _ => embedding.shallow_clone(),
    };
    let outputs = Outputs {
        logits: features.mm(&head),
        embedding: embedding.shallow_clone(),
    };
    let labels = Tensor::from_slice(&[0_i64, 0, 0, 0, 3, 3, 3, 3]);
    let loss = total(&spec.loss, &outputs, &labels, None);
    loss.backward();
    (loss.double_value(&[]), embedding.grad(), head.grad())
}

fn check_run(what: &Value, spec: &TrialSpec) -> f64 {
    let (loss, embedding, head) = run(spec);
    assert!(loss.is_finite() && loss > 0.0, "{what}: {loss}");
    for grad in [&embedding, &head] {
        let size = grad.abs().sum(Kind::Double).double_value(&[]);
        assert!(size.is_finite() && size > 0.0, "{what}: gradient {size}");
    }
    let (again, embedding_again, head_again) = run(spec);
    assert_eq!(loss, again, "{what}");
    assert!(
        embedding.equal(&embedding_again) && head.equal(&head_again),
        "{what}"
    );
    loss
}

#[test]
fn losses_of_classes_keep_the_contract() {
    for (kind, settings, bad) in of_classes() {
        let loss = tagged(kind, &settings);
        let value = check_run(&loss, &valid(&around(loss.clone())));
        // Every field has a default; where it is another than the setting, so is the loss.
        let neutral = match kind {
            "focal" => json!({"kind": kind, "gamma": 0.0}),
            _ => json!({"kind": kind}),
        };
        let default = check_run(&neutral, &valid(&around(neutral.clone())));
        assert_ne!(value, default, "{loss} does nothing");
        for bad in bad {
            let loss = tagged(kind, &bad);
            assert!(spec(&around(loss.clone())).is_err(), "{loss} is taken");
        }
    }
}

#[test]
fn losses_of_embeddings_keep_the_contract_with_every_loss_of_classes() {
    for (kind, settings, bad) in of_embeddings() {
        let metric = tagged(kind, &settings);
        for (base, base_settings, _) in of_classes() {
            let mut loss = tagged(base, &base_settings);
            let alone = run(&valid(&around(loss.clone()))).0;
            loss["metric"] = metric.clone();
            if (base, kind) == ("bce", "arc_face") {
                assert!(spec(&around(loss.clone())).is_err(), "{loss} is taken");
                continue;
            }
            let joint = check_run(&loss, &valid(&around(loss.clone())));
            assert_ne!(joint, alone, "{loss} does nothing");
            let default = json!({"kind": kind});
            loss["metric"] = default.clone();
            assert_ne!(joint, run(&valid(&around(loss))).0, "{metric} is {default}");
        }
        let probe = json!({"kind": "probe", "metric": metric});
        match kind {
            "arc_face" => assert!(spec(&around(probe.clone())).is_err(), "{probe} is taken"),
            _ => {
                check_run(&probe, &valid(&around(probe.clone())));
            }
        }
        for bad in bad {
            let loss = json!({"kind": "cross_entropy", "metric": tagged(kind, &bad)});
            assert!(spec(&around(loss.clone())).is_err(), "{loss} is taken");
        }
    }
}

#[test]
fn a_weight_scales_what_a_metric_loss_adds() {
    for kind in ["contrastive", "triplet", "sup_con"] {
        let with = |weight: f64| {
            let metric = json!({"kind": kind, "weight": weight});
            run(&valid(&around(
                json!({"kind": "cross_entropy", "metric": metric}),
            )))
            .0
        };
        let alone = run(&valid(&around(json!({"kind": "cross_entropy"})))).0;
        let (one, three) = (with(1.0) - alone, with(3.0) - alone);
        assert!(
            one > 0.0 && (three - 3.0 * one).abs() < 1e-4 * three,
            "{kind}: {one} {three}"
        );
    }
}
