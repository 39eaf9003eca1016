//! Jobs that learn, and what they leave behind.

use cultivar_spec::Outcome;
use cultivar_spec::manifest::Split;
use cultivar_spec::predictions::{DATASET_VERSION, IMAGE_IDX, LABELS, LOGITS, SPLIT};
use cultivar_train::{Control, Device, evaluate, weights};
use serde_json::json;

use crate::parity::pretrained_file;
use crate::train::mini::{Mini, Said, complete, spec, tensors};

#[test]
fn full_training_learns_and_evaluation_agrees_with_it() {
    let mini = Mini::new();
    let spec = spec(json!({
        "backbone": {"weights": "pretrained"},
        "fit": {"epochs": 20, "resolution": 64},
        "optimizer": {"kind": "adamw", "lr": 1e-3},
        "schedule": {"kind": "one_cycle"},
        "augment": {"crop": {"kind": "random_resized", "scale": [0.7, 1.0]}},
        "loss": {"kind": "cross_entropy", "smoothing": 0.1},
    }));
    let mut job = mini.job("full", &spec);
    job.weights = Some(pretrained_file());
    let (result, said) = complete(&job);

    assert_eq!(result.step, 60);
    assert!(result.metrics["val_top1"] >= 0.75, "{:?}", result.metrics);
    for metric in [
        "train_loss",
        "val_loss",
        "val_top1",
        "val_top5",
        "lr",
        "images_per_s",
    ] {
        assert_eq!(said.series(metric).len(), 20, "{metric}");
    }
    assert_eq!(
        said.series("val_top1").last(),
        Some(&result.metrics["val_top1"])
    );
    let losses = said.series("train_loss");
    assert!(losses[19] < losses[0], "{losses:?}");
    assert_eq!(said.phases()[..2], ["decoding", "training"]);
    assert_eq!(said.checkpoints.len(), 19, "one an epoch but the last");
    assert_eq!(result.cost.images, 20 * 36);
    assert_eq!(
        (result.cost.device.as_str(), result.cost.precision.as_str()),
        ("cpu", "f32")
    );
    // timm's count for the network without a head, and a linear head on its 1280 features.
    let n_classes = mini.manifest.classes.len() as u64;
    assert_eq!(result.cost.n_params, 3_371_008 + 1281 * n_classes);
    let latency_ms = result.cost.latency_ms.expect("a latency");
    assert!((0.1..10_000.0).contains(&latency_ms), "{latency_ms} ms");

    let note = result.cost.weights.expect("a note of the weights file");
    assert_eq!((note.n_skipped, note.n_made), (2, 2));
    assert!(note.n_loaded > 200, "{note:?}");
    assert_eq!(note.made, ["classifier.weight", "classifier.bias"]);

    let predictions = result.predictions.expect("predictions");
    let file = weights::read(&predictions).unwrap();
    assert_eq!(file.metadata[SPLIT], "val");
    assert_eq!(
        file.metadata[DATASET_VERSION],
        mini.manifest.version().to_string()
    );
    let val: Vec<i64> = mini
        .manifest
        .indices(Split::Val)
        .iter()
        .map(|&idx| idx as i64)
        .collect();
    assert_eq!(Vec::<i64>::try_from(&file.tensors[IMAGE_IDX]).unwrap(), val);
    let labels: Vec<i64> = val
        .iter()
        .map(|&idx| i64::from(mini.manifest.images[idx as usize].label))
        .collect();
    assert_eq!(Vec::<i64>::try_from(&file.tensors[LABELS]).unwrap(), labels);

    let model = result.model.expect("a model");
    let metadata = weights::read(&model).unwrap().metadata;
    assert_eq!(metadata["classes"], r#"["disc","square","ring"]"#);
    for (split, n_images) in [(Split::Val, 12), (Split::Test, 12)] {
        let mut said = Said::default();
        let job = mini.evaluation("evaluate", &spec, &model, split);
        let again = evaluate(&job, Device::Cpu, &Control::new(), &mut |event| {
            said.hear(event)
        });
        assert_eq!(again.outcome, Outcome::Completed, "{:?}", again.error);
        let logits = &tensors(&again.predictions.expect("predictions"))[LOGITS];
        assert_eq!(logits.size(), [n_images, 3]);
        if split == Split::Val {
            let error = (logits - &file.tensors[LOGITS])
                .abs()
                .max()
                .double_value(&[]);
            assert!(error <= 1e-5, "{error}");
            assert!((again.metrics["val_loss"] - result.metrics["val_loss"]).abs() < 1e-5);
        } else {
            // Twelve images, of which a third would be right by chance.
            assert!(again.metrics["test_top1"] >= 0.5, "{:?}", again.metrics);
        }
    }
}

#[test]
fn a_head_alone_learns_and_its_model_is_whole() {
    let mini = Mini::new();
    let spec = spec(json!({
        "adaptation": {"mode": "head_only"},
        "backbone": {"weights": "pretrained"},
        "fit": {"epochs": 60, "resolution": 64},
        "optimizer": {"kind": "ranger", "lr": 0.05, "weight_decay": 0.0},
    }));
    let mut job = mini.job("head", &spec);
    job.weights = Some(pretrained_file());
    let (result, said) = complete(&job);
    assert!(result.metrics["val_top1"] >= 0.75, "{:?}", result.metrics);
    assert_eq!(
        said.phases()[..4],
        ["features", "decoding", "features", "training"]
    );

    let job = mini.evaluation(
        "evaluate",
        &spec,
        &result.model.expect("a model"),
        Split::Val,
    );
    let again = evaluate(&job, Device::Cpu, &Control::new(), &mut |_| {});
    let logits = |path: Option<std::path::PathBuf>| {
        tensors(&path.expect("predictions"))[LOGITS].shallow_clone()
    };
    let error = (logits(again.predictions) - logits(result.predictions))
        .abs()
        .max();
    assert!(error.double_value(&[]) <= 1e-4, "{error:?}");
}

#[test]
fn a_refit_has_nothing_to_validate_on() {
    let mini = Mini::new();
    let spec = spec(json!({"data": {"train_on": "train_val"}, "fit": {"epochs": 1}}));
    let (result, said) = complete(&mini.job("refit", &spec));
    assert_eq!(result.cost.images, 48);
    assert!(result.predictions.is_none());
    assert!(said.series("val_top1").is_empty());
    assert_eq!(result.metrics.keys().collect::<Vec<_>>(), ["train_loss"]);
}
