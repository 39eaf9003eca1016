//! Samplers, metric losses, policies and test-time augmentation in whole jobs.

use cultivar_spec::Outcome;
use cultivar_spec::manifest::Split;
use cultivar_spec::predictions::LOGITS;
use cultivar_train::{Control, Device, evaluate};
use serde_json::{Value, json};

use crate::parity::pretrained_file;
use crate::train::mini::{Mini, complete, run, spec, tensors};

fn pk(loss: Value) -> Value {
    json!({
        "data": {"sampler": {"kind": "pk", "p": 3, "k": 4}},
        "loss": loss,
        "fit": {"epochs": 1},
    })
}

#[test]
fn a_metric_loss_alone_trains_an_embedding_that_its_neighbours_know() {
    let mini = Mini::new();
    let spec = spec(json!({
        "objective": {"metric": "val_knn_top1"},
        "backbone": {"weights": "pretrained"},
        "data": {"sampler": {"kind": "pk", "p": 3, "k": 4}},
        "fit": {"epochs": 12, "resolution": 64},
        "optimizer": {"kind": "adamw", "lr": 1e-3},
        "adaptation": {"mode": "full", "head_lr_mult": 30.0},
        "augment": {"crop": {"kind": "random_resized", "scale": [0.7, 1.0]}},
        "loss": {"kind": "probe", "metric": {"kind": "sup_con"}},
    }));
    let mut job = mini.job("probe", &spec);
    job.weights = Some(pretrained_file());
    let (result, said) = complete(&job);
    for metric in ["val_recall_at_1", "val_knn_top1"] {
        assert_eq!(said.series(metric).len(), 12, "{metric}");
        assert_eq!(
            said.series(metric).last(),
            Some(&result.metrics[metric]),
            "{metric}"
        );
        assert!(result.metrics[metric] >= 0.7, "{:?}", result.metrics);
    }
    // The head was fitted beside it.
    assert!(result.metrics["val_top1"] >= 0.7, "{:?}", result.metrics);
}

#[test]
fn every_metric_loss_trains_and_moves_the_weights_its_own_way() {
    let mini = Mini::new();
    let losses = [
        json!({"kind": "cross_entropy"}),
        json!({"kind": "cross_entropy", "metric": {"kind": "contrastive"}}),
        json!({"kind": "cross_entropy", "metric": {"kind": "triplet"}}),
        json!({"kind": "cross_entropy", "metric": {"kind": "triplet", "mining": "semi_hard"}}),
        json!({"kind": "cross_entropy", "metric": {"kind": "arc_face"}}),
        json!({"kind": "focal", "metric": {"kind": "sup_con"}}),
        json!({"kind": "bce"}),
    ];
    let mut seen = Vec::new();
    for (idx, loss) in losses.iter().enumerate() {
        let (result, said) = complete(&mini.job(&idx.to_string(), &spec(pk(loss.clone()))));
        let with_metric = loss.get("metric").is_some();
        assert_eq!(
            said.series("val_knn_top1").len(),
            usize::from(with_metric),
            "{loss}"
        );
        let weights = tensors(&result.model.expect("a model"));
        seen.push(weights["conv_stem.weight"].copy());
    }
    for (idx, one) in seen.iter().enumerate() {
        for (other_idx, other) in seen[..idx].iter().enumerate() {
            assert!(
                !one.equal(other),
                "{} and {}",
                losses[idx],
                losses[other_idx]
            );
        }
    }
}

#[test]
fn a_cosine_head_is_evaluated_as_it_was_trained() {
    let mini = Mini::new();
    let spec = spec(json!({
        "loss": {"kind": "cross_entropy", "metric": {"kind": "arc_face", "scale": 16.0}},
        "fit": {"epochs": 1},
    }));
    let (result, _) = complete(&mini.job("arc", &spec));
    let logits = &tensors(&result.predictions.expect("predictions"))[LOGITS];
    let largest = logits.abs().max().double_value(&[]);
    assert!(largest <= 16.0 + 1e-4, "{largest} is no cosine times 16");
    let job = mini.evaluation("again", &spec, &result.model.expect("a model"), Split::Val);
    let again = evaluate(&job, Device::Cpu, &Control::new(), &mut |_| {});
    assert_eq!(again.outcome, Outcome::Completed, "{:?}", again.error);
    let theirs = &tensors(&again.predictions.expect("predictions"))[LOGITS];
    assert!((logits - theirs).abs().max().double_value(&[]) < 1e-4);
}

#[test]
fn test_time_augmentation_averages_logits() {
    let mini = Mini::new();
    let trained = spec(json!({"fit": {"epochs": 1}, "input": {"crop_pct": 0.8}}));
    let (result, _) = complete(&mini.job("plain", &trained));
    let model = result.model.expect("a model");
    let logits = |tta: &str| {
        let spec = spec(json!({"input": {"tta": tta, "crop_pct": 0.8}}));
        let job = mini.evaluation(tta, &spec, &model, Split::Test);
        let done = evaluate(&job, Device::Cpu, &Control::new(), &mut |_| {});
        assert_eq!(done.outcome, Outcome::Completed, "{:?}", done.error);
        tensors(&done.predictions.expect("predictions"))[LOGITS].copy()
    };
    let [none, flip, crops] = ["none", "flip", "multi_crop"].map(logits);
    assert_eq!(none.size(), crops.size());
    for (a, b) in [(&none, &flip), (&flip, &crops), (&none, &crops)] {
        assert!(
            (a - b).abs().max().double_value(&[]) > 1e-4,
            "two of them agree"
        );
    }
}

#[test]
fn a_sampler_that_wants_more_classes_than_there_are_is_bad_input() {
    let mini = Mini::new();
    let spec = spec(json!({"data": {"sampler": {"kind": "pk", "p": 6, "k": 2}}}));
    let (result, _) = run(&mini.job("pk", &spec));
    assert_eq!(result.outcome, Outcome::BadInput);
    let error = result.error.expect("a reason");
    assert!(
        error.contains("wants 6 classes") && error.contains("have 3"),
        "{error}"
    );
}
