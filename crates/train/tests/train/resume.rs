//! I7: a trial resumed at step > 0 ends with the same weights as one never interrupted, bit for bit.

use std::fs;
use std::thread;
use std::time::Duration;

use cultivar_spec::trainer::{FromTrainer, JobResult, StopWhy, TrainJob};
use cultivar_spec::{Sha256Digest, TrialSpec};
use cultivar_train::{Control, Device, train};
use serde_json::json;

use crate::train::mini::{Mini, Said, complete, spec, tensors};

/// Longer than the trainer waits between two reports of its progress.
const PAST_THE_THROTTLE: Duration = Duration::from_millis(600);

/// Everything random at once: crops, flips, policy, jitter, erasing, mixing, sampler, dropout, drop path; and an optimizer with slow weights.
fn eventful() -> TrialSpec {
    spec(json!({
        "backbone": {"dropout": 0.3, "drop_path": 0.2},
        "optimizer": {"kind": "ranger", "lookahead_k": 2, "clip": 1.0},
        "data": {"sampler": {"kind": "class_balanced"}},
        "augment": {
            "rotation": {"degrees": 10.0},
            "policy": {"kind": "rand_augment", "convention": "timm", "mstd": 0.5},
            "color_jitter": {"brightness": 0.2, "hue": 0.1},
            "erasing": {"prob": 0.5},
            "cutout": {"prob": 0.5},
            "mix": {"kind": "cutmix_or_mixup", "prob": 0.7},
        },
    }))
}

/// Runs a job, and stops it once `when` says so of what it said.
pub fn stopped(
    job: &TrainJob,
    why: StopWhy,
    mut when: impl FnMut(&FromTrainer) -> bool,
) -> (JobResult, Said) {
    let control = Control::new();
    let mut said = Said::default();
    let result = train(job, Device::Cpu, &control, &mut |event| {
        if when(&event) {
            control.stop(&job.tag, why);
        }
        said.hear(event);
    });
    assert_eq!(result.outcome, why.outcome(), "{:?}", result.error);
    (result, said)
}

pub fn assert_same(one: &JobResult, other: &JobResult) {
    let path = |result: &JobResult| result.model.clone().expect("a model");
    let (ours, theirs) = (tensors(&path(one)), tensors(&path(other)));
    assert_eq!(ours.len(), theirs.len());
    for (name, tensor) in &ours {
        assert!(tensor.equal(&theirs[name]), "{name} differs");
    }
    for metric in ["val_loss", "val_top1", "train_loss"] {
        let (a, b) = (one.metrics[metric], other.metrics[metric]);
        assert!((a - b).abs() < 1e-12, "{metric}: {a} and {b}");
    }
}

#[test]
fn a_killed_trial_goes_on_from_its_last_epoch_as_if_nothing_had_been() {
    let mini = Mini::new();
    let spec = eventful();
    let (whole, _) = complete(&mini.job("whole", &spec));

    let killed = mini.job("killed", &spec);
    let (_, said) = stopped(&killed, StopWhy::Cancel, |event| {
        matches!(event, FromTrainer::Checkpoint { epoch: 2, .. })
    });
    let (checkpoint, epoch, step) = said.checkpoints.last().expect("a checkpoint").clone();
    assert_eq!((epoch, step), (2, 6));

    let mut resumed = mini.job("resumed", &spec);
    resumed.resume = Some(checkpoint);
    let (result, said) = complete(&resumed);
    assert_eq!(
        said.series("val_top1").len(),
        1,
        "only the third epoch is run"
    );
    assert_eq!(result.cost.images, 36);
    // What training took by the checkpoint goes with it.
    assert_eq!(whole.cost.seconds_before, 0.0);
    assert!(result.cost.seconds_before > 0.0);
    assert_same(&result, &whole);
}

#[test]
fn a_preempted_trial_goes_on_from_the_middle_of_an_epoch() {
    let mini = Mini::new();
    let spec = eventful();
    let (whole, _) = complete(&mini.job("whole", &spec));

    let job = mini.job("preempted", &spec);
    let (result, said) = stopped(&job, StopWhy::Preempt, |event| {
        let FromTrainer::Progress { progress, .. } = event else {
            return false;
        };
        if progress.phase == "training" && progress.step == 3 {
            // The second epoch begins: let its first step be due for a report.
            thread::sleep(PAST_THE_THROTTLE);
        }
        progress.step == 4
    });
    assert_eq!(result.step, 4);
    let (checkpoint, epoch, step) = said.checkpoints.last().expect("a checkpoint").clone();
    assert_eq!((epoch, step), (1, 4));

    let mut resumed = mini.job("preempted", &spec);
    resumed.resume = Some(checkpoint);
    let (result, _) = complete(&resumed);
    assert_same(&result, &whole);
}

/// Interrupts a job once it has done `step` steps, goes on from the checkpoint that leaves, and compares.
fn check_interrupted_at(step: u64, what: &str, spec: &TrialSpec) {
    let mini = Mini::new();
    let (whole, _) = complete(&mini.job("whole", spec));
    let job = mini.job("interrupted", spec);
    let (result, said) = stopped(&job, StopWhy::Preempt, |event| {
        let FromTrainer::Progress { progress, .. } = event else {
            return false;
        };
        if progress.phase == "training" {
            // So that the next step is due for a report.
            thread::sleep(PAST_THE_THROTTLE);
        }
        progress.step == step
    });
    assert_eq!(result.step, step, "{what}");
    let (checkpoint, _, at) = said.checkpoints.last().expect("a checkpoint").clone();
    assert_eq!(at, step, "{what}");

    let mut resumed = mini.job("resumed", spec);
    resumed.resume = Some(checkpoint);
    let (result, _) = complete(&resumed);
    assert!(result.cost.images < whole.cost.images, "{what} starts over");
    assert_same(&result, &whole);
    assert_eq!(result.metrics, whole.metrics, "{what}");
}

/// A step to interrupt a run of nine at, another one for each configuration.
fn some_step(what: &str) -> u64 {
    let digest = Sha256Digest::of(what.as_bytes());
    1 + u64::from_str_radix(&digest.to_string()[..8], 16).expect("hex digits") % 8
}

#[test]
fn every_optimizer_goes_on_from_any_step() {
    for kind in ["sgd", "adam", "adamw", "radam", "ranger"] {
        let optimizer = json!({"kind": kind, "clip": 1.0, "weight_decay": 0.1});
        let spec = spec(json!({
            "adaptation": {"mode": "head_only"},
            "backbone": {"dropout": 0.3},
            "optimizer": optimizer,
            "schedule": {"kind": "one_cycle"},
        }));
        check_interrupted_at(some_step(kind), kind, &spec);
    }
}

#[test]
fn averages_sharpness_micro_batches_and_the_best_epoch_go_on_from_any_step() {
    let all = json!({
        "ema": {"half_life_epochs": 0.7},
        "accumulation": 3,
        "select": "best",
    });
    for (kind, precision) in [("sgd", "auto"), ("ranger", "bf16")] {
        let mut fit = all.clone();
        fit["precision"] = json!(precision);
        let mut spec_of_all = eventful();
        spec_of_all.optimizer = spec(json!({
            "optimizer": {"kind": kind, "sam": {"rho": 0.05}},
        }))
        .optimizer;
        spec_of_all.fit = spec(json!({"fit": fit})).fit;
        check_interrupted_at(some_step(kind), kind, &spec_of_all);
    }
}

#[test]
fn a_trial_preempted_while_it_validates_still_counts_that_epoch() {
    let mini = Mini::new();
    let spec = spec(json!({"fit": {"select": "best"}, "optimizer": {"kind": "adamw", "lr": 3e-3}}));
    let (whole, _) = complete(&mini.job("whole", &spec));
    let job = mini.job("preempted", &spec);
    let (result, said) = stopped(&job, StopWhy::Preempt, |event| {
        matches!(event, FromTrainer::Progress { progress, .. }
            if progress.phase == "validating" && progress.step == 3)
    });
    assert_eq!(result.step, 3);
    assert!(said.series("val_loss").is_empty());
    let mut resumed = mini.job("resumed", &spec);
    resumed.resume = Some(said.checkpoints.last().expect("a checkpoint").0.clone());
    let (result, said) = complete(&resumed);
    assert_eq!(said.series("val_loss").len(), 3);
    assert_same(&result, &whole);
}

#[test]
fn a_checkpoint_that_cannot_be_used_is_not_fatal() {
    let mini = Mini::new();
    let spec = spec(json!({"fit": {"epochs": 2}}));
    let (whole, said) = complete(&mini.job("whole", &spec));
    let (checkpoint, ..) = said.checkpoints[0].clone();
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();

    let mut resumed = mini.job("resumed", &spec);
    resumed.resume = Some(checkpoint);
    let (result, _) = complete(&resumed);
    assert_eq!(result.cost.images, 72, "it starts over");
    assert_same(&result, &whole);
}
