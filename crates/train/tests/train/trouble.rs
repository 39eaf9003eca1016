//! Jobs that cannot be done, and the outcome each of them is.

use bytes::Bytes;
use cultivar_spec::Outcome;
use cultivar_spec::trainer::{StopWhy, TrainJob};
use cultivar_train::{Control, Device, train};
use serde_json::json;

use crate::train::mini::{Mini, N_IMAGES, run, spec, tensors};

fn check(job: &TrainJob, outcome: Outcome, said: &str) {
    let (result, _) = run(job);
    let error = result.error.expect("a sentence");
    assert_eq!(result.outcome, outcome, "{error}");
    assert!(error.contains(said), "{error:?} does not say {said:?}");
    assert!(result.model.is_none() && result.predictions.is_none());
}

#[test]
fn a_loss_that_is_no_number_diverges() {
    let mini = Mini::new();
    // Every step multiplies the weights by 1 - lr * decay = -999.
    let spec = spec(json!({
        "adaptation": {"mode": "head_only"},
        "optimizer": {"kind": "sgd", "lr": 100.0, "weight_decay": 10.0},
        "schedule": {"kind": "constant"},
        "fit": {"epochs": 20},
    }));
    let job = mini.job("absurd", &spec);
    check(&job, Outcome::Diverged, "loss became");
    check(&job, Outcome::Diverged, "no checkpoint was written before");
}

#[test]
fn a_diverged_job_names_its_step_and_its_last_good_checkpoint() {
    let mini = Mini::new();
    // The weights double at every step, and BatchNorm keeps the loss in bounds until they overflow.
    let spec = spec(json!({
        "optimizer": {"kind": "sgd", "lr": 0.5, "weight_decay": 6.0, "momentum": 0.0, "nesterov": false},
        "schedule": {"kind": "constant"},
        "fit": {"epochs": 40},
    }));
    let (result, said) = run(&mini.job("absurd", &spec));
    assert_eq!(result.outcome, Outcome::Diverged, "{:?}", result.error);
    let (checkpoint, _, step) = said.checkpoints.last().expect("a checkpoint");
    assert!(*step < result.step, "{step} and {}", result.step);
    let error = result.error.expect("a sentence");
    for part in [
        format!("by step {}", result.step),
        format!("the last good checkpoint is of step {step}"),
    ] {
        assert!(error.contains(&part), "{error:?} does not say {part:?}");
    }
    for (name, tensor) in tensors(checkpoint) {
        let finite = tensor.isfinite().all().int64_value(&[]) == 1;
        assert!(finite, "{name} is not finite");
    }
    // Going on from there ends the same way, and says so of the checkpoint it went on from.
    let mut resumed = mini.job("resumed", &spec);
    resumed.resume = Some(checkpoint.clone());
    let (result, said) = run(&resumed);
    assert_eq!(result.outcome, Outcome::Diverged);
    let newest = said.checkpoints.last().map_or(*step, |newest| newest.2);
    let error = result.error.expect("a sentence");
    assert!(
        error.contains(&format!("checkpoint is of step {newest}")),
        "{error}"
    );
}

#[test]
fn a_broken_image_is_named() {
    let mini = Mini::of(&vec![Bytes::from_static(b"no image"); N_IMAGES]);
    let job = mini.job("broken", &spec(json!({})));
    check(
        &job,
        Outcome::BadInput,
        "of the dataset: the content is not an image",
    );
}

#[test]
fn weights_must_be_given_there_and_of_this_network() {
    let mini = Mini::new();
    let pretrained = spec(json!({"backbone": {"weights": "pretrained"}}));
    let mut job = mini.job("weights", &pretrained);
    check(&job, Outcome::BadInput, "pretrained weights");
    job.weights = Some(mini.path("nowhere.safetensors"));
    check(&job, Outcome::WorkerFault, "nowhere.safetensors");
    job.weights = Some(mini.path("manifest.json"));
    check(&job, Outcome::BadInput, "not a safetensors file");
}

#[test]
fn a_full_disk_is_the_machines_fault() {
    let mini = Mini::new();
    // A file where the cache folder should be fails as a disk does.
    let mut job = mini.job("disk", &spec(json!({})));
    job.files.cache_dir = mini.path("data.parquet");
    let (result, _) = run(&job);
    assert_eq!(result.outcome, Outcome::WorkerFault, "{:?}", result.error);
}

#[test]
fn an_order_stops_a_job_before_its_next_step() {
    let mini = Mini::new();
    for (why, outcome) in [
        (StopWhy::Cancel, Outcome::Cancelled),
        (StopWhy::Prune, Outcome::Pruned),
        (StopWhy::Preempt, Outcome::Preempted),
    ] {
        let control = Control::new();
        let job = mini.job("stopped", &spec(json!({})));
        control.stop("another job", StopWhy::Cancel);
        control.stop(&job.tag, why);
        let result = train(&job, Device::Cpu, &control, &mut |_| {});
        assert_eq!((result.outcome, result.error), (outcome, None));
        assert_eq!(result.step, 0);
    }
}
