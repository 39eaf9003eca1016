//! What is trained when: freezing, gradual unfreezing, phases.

use std::collections::HashMap;
use std::path::PathBuf;

use cultivar_spec::TrialSpec;
use cultivar_spec::trainer::{FromTrainer, JobResult, StopWhy, TrainJob};
use cultivar_train::{Control, Device, train};
use serde_json::{Value, json};
use tch::Tensor;

use crate::train::mini::{Mini, complete, spec, tensors};

fn trained(result: &JobResult) -> HashMap<String, Tensor> {
    tensors(&result.model.clone().expect("a model"))
}

/// Runs a job until its checkpoint after that many epochs.
fn checkpoint_after(job: &TrainJob, n_epochs: u32) -> PathBuf {
    let control = Control::new();
    let mut found = None;
    train(job, Device::Cpu, &control, &mut |event| {
        if let FromTrainer::Checkpoint { path, epoch, .. } = event
            && epoch == n_epochs
        {
            found = Some(path);
            control.stop(&job.tag, StopWhy::Cancel);
        }
    });
    found.expect("a checkpoint")
}

/// Trains, and does so again from each of its checkpoints; all must end with the same weights.
#[track_caller]
fn train_and_resume(spec: &TrialSpec, n_checkpoints: usize) -> HashMap<String, Tensor> {
    let mini = Mini::new();
    let (whole, said) = complete(&mini.job("whole", spec));
    let losses = said.series("train_loss");
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let whole = trained(&whole);
    for epoch in 1..=n_checkpoints as u32 {
        let job = mini.job(&format!("until {epoch}"), spec);
        let checkpoint = checkpoint_after(&job, epoch);
        let mut resumed = mini.job(&format!("from {epoch}"), spec);
        resumed.resume = Some(checkpoint);
        let (resumed, _) = complete(&resumed);
        for (name, tensor) in trained(&resumed) {
            assert!(
                tensor.equal(&whole[&name]),
                "{name} differs after epoch {epoch}"
            );
        }
    }
    whole
}

fn changed(before: &HashMap<String, Tensor>, after: &HashMap<String, Tensor>) -> Vec<String> {
    let mut names: Vec<String> = after
        .iter()
        .filter(|(name, tensor)| !tensor.equal(&before[*name]))
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    names
}

/// The model of a run that never moves: what others begin with.
fn untrained(changes: Value) -> HashMap<String, Tensor> {
    let mut changes = changes;
    changes["optimizer"] = json!({"kind": "sgd", "lr": 1e-30, "momentum": 0.0, "nesterov": false, "weight_decay": 0.0});
    changes["adaptation"] = json!({"mode": "full", "freeze_bn": true});
    changes["fit"] = json!({"epochs": 1});
    let mini = Mini::new();
    let (result, _) = complete(&mini.job("untrained", &spec(changes)));
    trained(&result)
}

#[test]
fn a_phase_of_the_head_changes_the_head_alone() {
    let phases = json!([{"train": "head"}]);
    let after = train_and_resume(&spec(json!({"fit": {"epochs": 2, "phases": phases}})), 1);
    let names = changed(&untrained(json!({})), &after);
    assert_eq!(names, ["classifier.bias", "classifier.weight"]);
}

#[test]
fn fix_res_changes_the_head_and_the_last_norm() {
    let phases = json!([{"train": "head_and_last_norm", "views": "evaluation"}]);
    let fit = json!({"epochs": 2, "resolution": 32, "eval_resolution": 48, "phases": phases});
    let after = train_and_resume(&spec(json!({"fit": fit})), 1);
    let names = changed(&untrained(json!({})), &after);
    assert_eq!(
        names,
        [
            "bn2.bias",
            "bn2.running_mean",
            "bn2.running_var",
            "bn2.weight",
            "classifier.bias",
            "classifier.weight",
        ]
    );
}

#[test]
fn frozen_batch_norms_stay_as_they_are() {
    let frozen = spec(json!({
        "fit": {"epochs": 1},
        "adaptation": {"mode": "full", "freeze_bn": true, "layer_decay": 0.8, "head_lr_mult": 2.0},
    }));
    let after = train_and_resume(&frozen, 0);
    let names = changed(&untrained(json!({})), &after);
    assert!(names.contains(&"conv_stem.weight".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("bn")), "{names:?}");
}

#[test]
fn freeze_full_and_fix_res_resume_at_every_boundary() {
    let spec = spec(json!({
        "backbone": {"drop_path": 0.2, "dropout": 0.2},
        "optimizer": {"kind": "ranger", "lookahead_k": 2},
        "augment": {"mix": {"kind": "cutmix", "prob": 0.7}},
        "fit": {
            "epochs": 4,
            "resolution": 48,
            "phases": [
                {"train": "head", "lr_mult": 3.0},
                {"resolution": 32},
                {},
                {"train": "head_and_last_norm", "views": "evaluation", "lr_mult": 0.1},
            ],
        },
    }));
    let _ = train_and_resume(&spec, 3);
}

#[test]
fn gradual_unfreezing_resumes_at_every_boundary() {
    let spec = spec(json!({
        "optimizer": {"kind": "adamw"},
        "adaptation": {"mode": "gradual", "unfreeze_epochs": [1, 2], "layer_decay": 0.9},
        "fit": {"epochs": 3},
    }));
    let after = train_and_resume(&spec, 2);
    let names = changed(&untrained(json!({})), &after);
    assert!(names.contains(&"conv_stem.weight".to_owned()), "{names:?}");
}

#[test]
fn groups_that_never_open_do_not_move() {
    let spec = spec(json!({
        "optimizer": {"kind": "adamw"},
        "adaptation": {"mode": "gradual", "unfreeze_epochs": [0, 1, 1]},
        "fit": {"epochs": 2},
    }));
    // One epoch in which only the last third is open.
    let mini = Mini::new();
    let job = mini.job("until 1", &spec);
    let checkpoint = tensors(&checkpoint_after(&job, 1));
    let before = untrained(json!({}));
    let moved = |name: &str| !checkpoint[&format!("model.{name}")].equal(&before[name]);
    assert!(!moved("conv_stem.weight") && !moved("blocks.2.0.conv_pw.weight"));
    assert!(!moved("blocks.2.0.bn1.running_mean"));
    assert!(moved("blocks.6.0.conv_pw.weight") && moved("blocks.6.0.bn1.running_mean"));
}
