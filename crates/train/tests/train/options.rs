//! Options of the run itself: what each changes, and what none may.

use cultivar_spec::Outcome;
use cultivar_spec::predictions::{CONFUSION, LOGITS};
use cultivar_spec::trainer::JobResult;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::train::mini::{Mini, Said, complete, run, spec, tensors};

/// One run with changes to the fit of a small full training.
fn fitted(mini: &Mini, tag: &str, fit: Value) -> (JobResult, Said) {
    complete(&mini.job(tag, &spec(json!({"fit": fit}))))
}

/// All values of the model, end to end.
fn weights(result: &JobResult) -> Tensor {
    let model = tensors(result.model.as_ref().expect("a model"));
    let mut names: Vec<&String> = model.keys().collect();
    names.sort();
    let flat: Vec<Tensor> = names.iter().map(|name| model[*name].view(-1)).collect();
    Tensor::cat(&flat, 0)
}

/// The largest difference of two models' values.
pub fn distance(one: &JobResult, other: &JobResult) -> f64 {
    let difference = weights(one) - weights(other);
    difference
        .abs()
        .max()
        .to_kind(Kind::Double)
        .double_value(&[])
}

#[test]
fn every_option_of_the_fit_changes_what_it_should() {
    let mini = Mini::new();
    let (plain, _) = fitted(&mini, "plain", json!({}));
    let (again, _) = fitted(&mini, "again", json!({}));
    assert_eq!(distance(&plain, &again), 0.0, "it repeats");
    let (deterministic, _) = fitted(&mini, "deterministic", json!({"deterministic": true}));
    assert_eq!(
        distance(&plain, &deterministic),
        0.0,
        "the CPU always repeats"
    );
    let (single, _) = fitted(&mini, "f32", json!({"precision": "f32"}));
    assert_eq!(distance(&plain, &single), 0.0, "auto is f32 here");
    let (bystander, _) = fitted(
        &mini,
        "bystander",
        json!({"ema": {}, "eval_weights": "raw"}),
    );
    assert_eq!(distance(&plain, &bystander), 0.0, "an average only watches");

    for (tag, fit) in [
        ("ema", json!({"ema": {"half_life_epochs": 1.0}})),
        ("ema-short", json!({"ema": {"half_life_epochs": 0.1}})),
        ("accumulation", json!({"accumulation": 2})),
        ("bf16", json!({"precision": "bf16"})),
        ("seed", json!({"seed": 2})),
        ("batch", json!({"batch_size": 9})),
    ] {
        let (changed, _) = fitted(&mini, tag, fit);
        assert!(distance(&plain, &changed) > 0.0, "{tag} changes nothing");
    }
    for optimizer in [json!({"sam": {"rho": 0.05}}), json!({"clip": 0.01})] {
        let mut with = json!({"kind": "adamw"});
        for (field, value) in optimizer.as_object().expect("fields") {
            with[field] = value.clone();
        }
        let (changed, _) = complete(&mini.job("optimizer", &spec(json!({"optimizer": with}))));
        assert!(distance(&plain, &changed) > 0.0, "{with} changes nothing");
    }
}

#[test]
fn sixteen_bits_are_near_and_in_the_accounts() {
    let mini = Mini::new();
    // Hardly moving: at a real rate the first steps of random weights blow rounding up.
    let still = json!({"kind": "sgd", "lr": 1e-6});
    let trained = |tag: &str, precision: &str| {
        let fit = json!({"epochs": 1, "precision": precision});
        complete(&mini.job(tag, &spec(json!({"fit": fit, "optimizer": still}))))
    };
    let ((plain, _), (half, _)) = (trained("plain", "f32"), trained("half", "bf16"));
    assert_eq!(half.cost.precision, "bf16");
    assert_eq!(plain.cost.precision, "f32");
    let (a, b) = (plain.metrics["train_loss"], half.metrics["train_loss"]);
    assert!((a - b).abs() < 0.2 * a, "{a} and {b}");
    let kinds: Vec<Kind> = tensors(half.model.as_ref().expect("a model"))
        .values()
        .map(Tensor::kind)
        .collect();
    assert!(kinds.iter().all(|kind| *kind == Kind::Float));
    for precision in ["f16", "tf32"] {
        let job = mini.job(precision, &spec(json!({"fit": {"precision": precision}})));
        let (result, _) = run(&job);
        assert_eq!(result.outcome, Outcome::BadInput);
        let error = result.error.expect("a sentence");
        assert!(
            error.contains(&format!("precision {precision} needs a GPU")),
            "{error}"
        );
    }
}

#[test]
fn micro_batches_are_the_batch_where_nothing_couples_it() {
    let mini = Mini::new();
    let head = |tag: &str, fit: Value| {
        let spec = spec(json!({
            "adaptation": {"mode": "head_only"},
            "optimizer": {"kind": "sgd", "lr": 0.1},
            "loss": {"kind": "cross_entropy", "smoothing": 0.1},
            "fit": fit,
        }));
        complete(&mini.job(tag, &spec)).0
    };
    let whole = head("whole", json!({"batch_size": 12}));
    for accumulation in [2, 3, 12] {
        let fit = json!({"batch_size": 12, "accumulation": accumulation});
        let split = head(&format!("in-{accumulation}"), fit);
        let error = distance(&whole, &split);
        assert!(error < 1e-6, "{error} in {accumulation} parts");
        let (a, b) = (whole.metrics["train_loss"], split.metrics["train_loss"]);
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }
    let half = head("half", json!({"batch_size": 6}));
    assert!(distance(&whole, &half) > 1e-4, "the test can tell");
}

#[test]
fn both_sets_of_weights_are_scored() {
    let mini = Mini::new();
    let (averaged, said) = fitted(&mini, "averaged", json!({"ema": {"half_life_epochs": 1.0}}));
    let (raw, _) = fitted(
        &mini,
        "raw",
        json!({"ema": {"half_life_epochs": 1.0}, "eval_weights": "raw"}),
    );
    for metric in ["top1", "top5", "mean_per_class", "macro_f1", "loss", "ece"] {
        let name = format!("val_{metric}");
        let (ours, theirs) = (&averaged.metrics, &raw.metrics);
        assert_eq!(ours[&name], theirs[&format!("{name}_ema")], "{name}");
        assert_eq!(theirs[&name], ours[&format!("{name}_raw")], "{name}");
        assert_eq!(said.series(&format!("{name}_raw")).len(), 3, "{name}");
    }
    assert_ne!(
        averaged.metrics["val_loss"],
        averaged.metrics["val_loss_raw"]
    );
    // BatchNorm's statistics are averaged too.
    let model = |result: &JobResult| tensors(result.model.as_ref().expect("a model"));
    let (ours, theirs) = (model(&averaged), model(&raw));
    let name = "bn1.running_mean";
    assert!(!ours[name].equal(&theirs[name]));
}

#[test]
fn the_best_epoch_is_kept_where_it_is_asked_for() {
    let mini = Mini::new();
    let fit = |select: &str| json!({"epochs": 6, "select": select});
    let spec_of = |select: &str| {
        spec(json!({
            "objective": {"metric": "val_loss", "direction": "minimize"},
            "optimizer": {"kind": "adamw", "lr": 3e-3},
            "fit": fit(select),
        }))
    };
    let (best, said) = complete(&mini.job("best", &spec_of("best")));
    let (last, _) = complete(&mini.job("last", &spec_of("last")));
    let losses = said.series("val_loss");
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let epoch = losses
        .iter()
        .position(|&loss| loss == lowest)
        .expect("it is there")
        + 1;
    assert_eq!(best.metrics["selected_epoch"], epoch as f64);
    assert_eq!(best.metrics["val_loss"], lowest, "{losses:?}");
    assert!(!last.metrics.contains_key("selected_epoch"));
    assert_eq!(last.metrics["val_loss"], losses[5]);
    assert!(epoch < 6, "the test can tell: {losses:?}");
    assert!(distance(&best, &last) > 0.0);

    // What is shipped is what was scored.
    let logits = |result: &JobResult| {
        tensors(result.predictions.as_ref().expect("predictions"))[LOGITS].shallow_clone()
    };
    assert!(!logits(&best).equal(&logits(&last)));
}

#[test]
fn predictions_come_with_their_confusion_matrix() {
    let mini = Mini::new();
    let (result, _) = fitted(&mini, "confusion", json!({"epochs": 1}));
    let predictions = tensors(result.predictions.as_ref().expect("predictions"));
    let cells = &predictions[CONFUSION];
    assert_eq!(cells.size()[1], 3);
    assert_eq!(cells.select(1, 2).sum(Kind::Int64).int64_value(&[]), 12);
    let right = cells.select(1, 0).eq_tensor(&cells.select(1, 1));
    let n_right = (cells.select(1, 2) * right)
        .sum(Kind::Int64)
        .int64_value(&[]);
    assert_eq!(n_right as f64 / 12.0, result.metrics["val_top1"]);
}
