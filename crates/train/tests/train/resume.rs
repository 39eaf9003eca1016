//! I7: a trial resumed at step > 0 ends with the same weights as one never interrupted, bit for bit.

use std::fs;
use std::thread;
use std::time::Duration;

use cultivar_spec::TrialSpec;
use cultivar_spec::trainer::{FromTrainer, JobResult, StopWhy, TrainJob};
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
fn stopped(
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

fn assert_same(one: &JobResult, other: &JobResult) {
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
