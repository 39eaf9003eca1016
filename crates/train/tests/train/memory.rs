//! A device without room for a step: what it is done in, or what is said instead.

use cultivar_spec::trainer::{FromTrainer, StopWhy, TrainJob};
use cultivar_spec::{Outcome, TrialSpec};
use cultivar_train::scarcity::{self, Room};
use serde_json::{Value, json};

use crate::train::mini::{Mini, Said, complete, lay_over, run, spec};
use crate::train::options::distance;
use crate::train::resume::{assert_same, stopped};

/// Does something on a device whose passes hold so many images from a step on.
fn with_room<T>(from_step: u64, n_images: i64, act: impl FnOnce() -> T) -> T {
    scarcity::set(Some(Room {
        from_step,
        n_images,
    }));
    let done = act();
    scarcity::set(None);
    done
}

/// One that trains on whole images, augmented and mixed at random, without BatchNorm's statistics.
fn uncoupled(changes: Value) -> TrialSpec {
    let mut raw = json!({
        "adaptation": {"mode": "full", "freeze_bn": true},
        "optimizer": {"kind": "sgd", "lr": 1e-3, "momentum": 0.0, "nesterov": false},
        "augment": {"color_jitter": {"brightness": 0.2}, "mix": {"kind": "cutmix", "prob": 0.5}},
    });
    lay_over(&mut raw, changes);
    spec(raw)
}

fn check_goes_on(tag: &str, spec: &TrialSpec) {
    let mini = Mini::new();
    let (whole, _) = complete(&mini.job(&format!("{tag}-whole"), spec));
    assert_eq!(whole.cost.micro_batch, None);
    // 12 images a step have no room from the third on, nor have 6.
    let job = mini.job(&format!("{tag}-scarce"), spec);
    let (scarce, said) = with_room(2, 5, || complete(&job));
    assert_eq!(scarce.cost.micro_batch, Some(3));
    assert_eq!(scarce.step, whole.step, "no step is lost or done twice");
    assert_eq!(scarce.cost.images, whole.cost.images);
    assert_eq!(said.series("train_loss").len(), 3);
    let error = distance(&whole, &scarce);
    let (a, b) = (whole.metrics["train_loss"], scarce.metrics["train_loss"]);
    assert!((a - b).abs() < 1e-3, "{tag}: {a} and {b}");

    // From the same weights, a learning rate of a tenth more: the test can tell that.
    let mut other = serde_json::to_value(spec).expect("a spec");
    let lr = other.pointer_mut("/optimizer/lr").expect("a rate");
    *lr = json!(1.1 * lr.as_f64().expect("a number"));
    let other = serde_json::from_value(other).expect("a spec");
    let (other, _) = complete(&mini.job(&format!("{tag}-other"), &other));
    let told = distance(&whole, &other);
    // Rounding grows over the steps; it is no more than where the spec itself asks for so few at once.
    let mut parts = spec.clone();
    parts.fit.accumulation = 4;
    let (parts, _) = complete(&mini.job(&format!("{tag}-parts"), &parts));
    let rounding = distance(&whole, &parts);
    assert!(
        error < 2.0 * rounding + 1e-6,
        "{tag}: {error} apart, where micro-batches of three make {rounding}"
    );
    assert!(
        5.0 * error < told,
        "{tag}: {error} apart, where another rate makes {told}"
    );
}

#[test]
fn a_step_without_room_is_done_in_halves_with_the_same_draws() {
    let head =
        json!({"adaptation": {"mode": "head_only"}, "optimizer": {"kind": "sgd", "lr": 0.1}});
    check_goes_on("head", &spec(head));
    check_goes_on("images", &uncoupled(json!({})));
    let climbing = json!({"kind": "sgd", "lr": 1e-3, "sam": {"rho": 0.05}});
    check_goes_on("sam", &uncoupled(json!({"optimizer": climbing})));
}

#[test]
fn where_images_are_coupled_it_says_what_would_fit() {
    let mini = Mini::new();
    let coupled = spec(json!({"fit": {"epochs": 1}}));
    let refused = |tag: &str, spec: &TrialSpec, n_images: i64| {
        let (result, _) = with_room(1, n_images, || run(&mini.job(tag, spec)));
        assert_eq!(result.outcome, Outcome::OutOfMemory);
        assert_eq!((result.step, result.cost.micro_batch), (1, None));
        result.error.expect("a sentence")
    };
    let said = refused("norm", &coupled, 6);
    assert!(said.contains("12 images at once"), "{said}");
    assert!(said.contains("fit.accumulation: 2 may fit"), "{said}");
    let advised = spec(json!({"fit": {"epochs": 1, "accumulation": 2}}));
    let (result, _) = with_room(1, 6, || complete(&mini.job("advised", &advised)));
    assert_eq!(result.cost.micro_batch, None);

    let triplets = spec(json!({
        "adaptation": {"mode": "full", "freeze_bn": true},
        "data": {"sampler": {"kind": "pk", "p": 3, "k": 4}},
        "loss": {"kind": "cross_entropy", "metric": {"kind": "triplet"}},
        "fit": {"epochs": 1},
    }));
    let said = refused("triplets", &triplets, 6);
    assert!(said.contains("a smaller p or k of data.sampler"), "{said}");
}

#[test]
fn there_is_an_end_to_halving() {
    let mini = Mini::new();
    let job = mini.job("none", &uncoupled(json!({"fit": {"epochs": 1}})));
    let (result, _) = with_room(0, 1, || complete(&job));
    assert_eq!(result.cost.micro_batch, Some(1));
    let (result, _) = with_room(0, 0, || run(&job));
    assert_eq!(result.outcome, Outcome::OutOfMemory);
    let said = result.error.expect("a sentence");
    assert!(said.contains("not even one image"), "{said}");
    assert_eq!(result.step, 0);
}

#[test]
fn a_resumed_attempt_goes_on_with_as_few() {
    let mini = Mini::new();
    let spec = uncoupled(json!({"backbone": {"dropout": 0.3, "drop_path": 0.2}}));
    let (scarce, _) = with_room(2, 5, || complete(&mini.job("scarce", &spec)));

    let job: TrainJob = mini.job("stopped", &spec);
    let (_, said): (_, Said) = with_room(2, 5, || {
        stopped(&job, StopWhy::Cancel, |event| {
            matches!(event, FromTrainer::Checkpoint { epoch: 1, .. })
        })
    });
    let mut resumed = mini.job("resumed", &spec);
    resumed.resume = Some(said.checkpoints.last().expect("a checkpoint").0.clone());
    // All the room there is, and yet the numbers are those of an attempt that was not interrupted.
    let (result, _) = complete(&resumed);
    assert_eq!(result.cost.micro_batch, Some(3));
    assert_same(&result, &scarce);
}
