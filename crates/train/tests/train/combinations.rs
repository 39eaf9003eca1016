//! Every optimizer under every schedule, loss and mix that a spec admits together trains: all of them on a small
//! network that steps as a run does, and whole jobs of every optimizer with every schedule and with every loss and mix.

use std::sync::LazyLock;

use cultivar_spec::{Outcome, TrialSpec, check};
use cultivar_train::augment::mix::mix;
use cultivar_train::loss::{self, Mixed, Outputs};
use cultivar_train::optim;
use cultivar_train::params::{Group, ParamKind, ParamStore};
use cultivar_train::rng::StepRng;
use cultivar_train::schedule::{lr_factor, momentum};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::train::mini::{Mini, raw, run};

/// For jobs: steps as large as the gradient, which fresh weights make enormous. RAdam's first five are such.
const LOW: f64 = 1e-5;

static OPTIMIZERS: LazyLock<[Value; 6]> = LazyLock::new(|| {
    [
        json!({"kind": "sgd", "lr": LOW}),
        json!({"kind": "adam"}),
        json!({"kind": "adamw"}),
        json!({"kind": "radam", "lr": LOW}),
        json!({"kind": "ranger", "lr": LOW}),
        json!({"kind": "adamw", "sam": {}}),
    ]
});
/// By default, the flat part of flat-cosine would be all of three steps.
static SCHEDULES: LazyLock<[Value; 7]> = LazyLock::new(|| {
    [
        json!({"kind": "cosine"}),
        json!({"kind": "flat_cosine", "flat_fraction": 0.34}),
        json!({"kind": "step"}),
        json!({"kind": "multi_step"}),
        json!({"kind": "polynomial"}),
        json!({"kind": "one_cycle"}),
        json!({"kind": "constant"}),
    ]
});

/// Each loss of the logits with each metric loss and each mix; not all of them are admitted.
static LOSSES_AND_MIXES: LazyLock<Vec<[Value; 2]>> = LazyLock::new(|| {
    let metrics = [
        json!({"kind": "none"}),
        json!({"kind": "contrastive"}),
        json!({"kind": "triplet", "mining": "batch_hard"}),
        json!({"kind": "triplet", "mining": "semi_hard"}),
        json!({"kind": "sup_con"}),
        json!({"kind": "arc_face"}),
    ];
    let mut found = Vec::new();
    for loss in ["cross_entropy", "bce", "focal", "probe"] {
        for metric in &metrics {
            for mix in ["none", "cutmix", "mixup", "cutmix_or_mixup"] {
                found.push([
                    json!({"kind": loss, "metric": metric}),
                    json!({"kind": mix}),
                ]);
            }
        }
    }
    found
});
/// Those admitted: three losses with four mixes; five metric losses with four losses, less ArcFace beside BCE and probe.
const N_LOSSES_AND_MIXES: usize = 3 * 4 + (5 * 4 - 2);

/// Three steps of four images of 16 px, if a spec may be so.
fn small(optimizer: &Value, schedule: &Value, [loss, mix]: &[Value; 2]) -> Option<TrialSpec> {
    let document = raw(json!({
        "data": {"train_fraction": 0.33, "sampler": {"kind": "pk", "p": 2, "k": 2}},
        "fit": {"epochs": 1, "batch_size": 4, "resolution": 16},
        "augment": {"mix": mix},
        "optimizer": optimizer,
        "schedule": schedule,
        "loss": loss,
    }));
    check::trial(&document).ok()
}

/// The values of a network of two layers after three steps of a spec, and its losses.
fn trained(spec: &TrialSpec) -> (Tensor, Vec<f64>) {
    let wave = |shape: &[i64], pace: f64| {
        let n: i64 = shape.iter().product();
        (Tensor::arange(n, (Kind::Float, Device::Cpu)) * pace)
            .sin()
            .view(shape)
    };
    let mut store = ParamStore::new(Device::Cpu);
    let mut add = |name: &str, group, shape: &[i64]| {
        store.add_param(
            name.into(),
            ParamKind::Weight,
            group,
            0,
            &(wave(shape, 0.7) * 0.1),
        )
    };
    let below = add("below", Group::Backbone, &[16, 3 * 8 * 8]);
    let above = add("above", Group::Head, &[3, 16]);
    store.flatten();
    let mut optim = optim::build(&spec.optimizer, &store, 1.0).expect("they are flat");
    let labels = Tensor::from_slice(&[0_i64, 0, 1, 1]);
    let mut losses = Vec::new();
    for step in 0..3 {
        let rng = StepRng { seed: 1, step };
        let images = wave(&[4, 3, 8, 8], 0.3 + step as f64);
        let mixed = mix(&images, &labels, &spec.augment().mix, &rng);
        let mut pass = || {
            store.zero_grad();
            let embedding = images.flatten(1, 3).mm(&below.tr()).tanh();
            let logits = embedding.mm(&above.tr());
            let mixed = mixed.as_ref().map(|mixed| Mixed {
                labels: &mixed.labels,
                lambda: mixed.lambda,
            });
            let outputs = Outputs { logits, embedding };
            let loss = loss::total(&spec.loss, &outputs, &labels, mixed);
            loss.backward();
            loss.double_value(&[])
        };
        losses.push(pass());
        if optim.is_sharpness_aware() {
            optim.climb();
            pass();
        }
        let lr = 1e-2 * lr_factor(&spec.schedule, step, 3);
        optim.step(lr, momentum(&spec.schedule, step, 3));
    }
    let flat = store.flat().expect("it was flattened");
    (flat.values.copy(), losses)
}

#[test]
fn every_admitted_combination_moves_the_weights_its_own_way() {
    let mut n_trained = 0;
    for loss_and_mix in LOSSES_AND_MIXES.iter() {
        let mut seen: Vec<(String, Tensor)> = Vec::new();
        for optimizer in OPTIMIZERS.iter() {
            for schedule in SCHEDULES.iter() {
                let Some(spec) = small(optimizer, schedule, loss_and_mix) else {
                    continue;
                };
                let (values, losses) = trained(&spec);
                let what = format!("{optimizer}, {schedule}, {loss_and_mix:?}");
                assert!(
                    losses.iter().all(|loss| loss.is_finite()),
                    "{what}: {losses:?}"
                );
                let finite = values.isfinite().all().int64_value(&[]);
                assert_eq!(finite, 1, "{what}");
                for (other, theirs) in &seen {
                    assert!(!values.equal(theirs), "{what} and {other} agree");
                }
                seen.push((what, values));
                n_trained += 1;
            }
        }
    }
    assert_eq!(
        n_trained,
        OPTIMIZERS.len() * SCHEDULES.len() * N_LOSSES_AND_MIXES
    );
}

/// Jobs of one optimizer with every loss and mix, the schedules taking turns.
fn run_all(optimizer: &Value) {
    let mini = Mini::new();
    let mut n_run = 0;
    for loss_and_mix in LOSSES_AND_MIXES.iter() {
        let schedule = &SCHEDULES[n_run % SCHEDULES.len()];
        let Some(spec) = small(optimizer, schedule, loss_and_mix) else {
            continue;
        };
        let (result, _) = run(&mini.job("run", &spec));
        let what = format!(
            "{optimizer}, {schedule}, {loss_and_mix:?}: {:?}",
            result.error
        );
        assert_eq!(result.outcome, Outcome::Completed, "{what}");
        assert_eq!(result.step, 3, "{what}");
        n_run += 1;
    }
    assert_eq!(n_run, N_LOSSES_AND_MIXES);
}

#[test]
fn jobs_with_sgd_complete() {
    run_all(&OPTIMIZERS[0]);
}

#[test]
fn jobs_with_adam_complete() {
    run_all(&OPTIMIZERS[1]);
}

#[test]
fn jobs_with_adamw_complete() {
    run_all(&OPTIMIZERS[2]);
}

#[test]
fn jobs_with_radam_complete() {
    run_all(&OPTIMIZERS[3]);
}

#[test]
fn jobs_with_ranger_complete() {
    run_all(&OPTIMIZERS[4]);
}
