//! The moving average of the weights against torch's `AveragedModel`, and loss scaling against its `GradScaler`.

use std::collections::HashMap;

use cultivar_train::ema::Ema;
use cultivar_train::params::{Group, ParamKind, ParamStore};
use cultivar_train::precision::Scaler;
use serde::Deserialize;
use tch::{Device, Kind, Tensor, no_grad};

use super::{assert_close, fixture, formula, values};

#[derive(Deserialize)]
struct Average {
    half_life_steps: f64,
    n: i64,
    watched: Vec<Watched>,
}

#[derive(Deserialize)]
struct Watched {
    step: u64,
    values: Vec<f64>,
    buffers: Vec<f64>,
}

fn store(n: i64) -> ParamStore {
    let start = |key| formula::tensor(key, &[n], -1.0, 1.0).to_kind(Kind::Double);
    let mut store = ParamStore::new(Device::Cpu);
    let _ = store.add_param("value".into(), ParamKind::Bias, Group::Head, 0, &start(1));
    let _ = store.add_buffer("mean".into(), &start(2));
    store.flatten();
    store
}

fn step(store: &ParamStore, ema: &mut Ema, step: u64) {
    let flat = store.flat().expect("it is flat");
    let n = flat.values.size()[0];
    no_grad(|| {
        let value = formula::tensor(100 + step, &[n], -1.0, 2.0);
        flat.values.shallow_clone().copy_(&value);
        let mean = formula::tensor(500 + step, &[n], -2.0, 1.0);
        flat.buffers.narrow(0, 0, n).copy_(&mean);
    });
    ema.update(&flat.values, &flat.buffers);
}

#[test]
fn the_average_is_torchs() {
    let case: Average = fixture("average");
    let store = store(case.n);
    let mut ema = Ema::new(store.flat().expect("it is flat"), case.half_life_steps);
    for now in 1..=120 {
        step(&store, &mut ema, now);
        if let Some(watched) = case.watched.iter().find(|watched| watched.step == now) {
            let what = format!("moving average: after step {now}");
            assert_close(&what, &values(ema.values()), &watched.values, 0.0, 1e-10);
            let buffers = ema.buffers().narrow(0, 0, case.n);
            assert_close(&what, &values(&buffers), &watched.buffers, 0.0, 1e-10);
        }
    }
}

#[test]
fn a_restored_average_goes_on_bit_for_bit() {
    let case: Average = fixture("average");
    let store = store(case.n);
    let new = || Ema::new(store.flat().expect("it is flat"), case.half_life_steps);
    let mut whole = new();
    (1..=7).for_each(|now| step(&store, &mut whole, now));
    let state: HashMap<String, Tensor> = whole.state().into_iter().collect();
    let mut resumed = new();
    let mut lacking: HashMap<String, Tensor> = whole.state().into_iter().collect();
    lacking.remove("ema.buffers");
    let error = resumed
        .load_state(&lacking)
        .expect_err("a tensor is missing");
    assert!(error.to_string().contains("ema.buffers"), "{error}");
    resumed.load_state(&state).expect("the same average");
    for now in 8..=20 {
        step(&store, &mut whole, now);
        step(&store, &mut resumed, now);
    }
    assert_eq!(whole.values(), resumed.values());
    assert_eq!(whole.buffers(), resumed.buffers());
}

#[derive(Deserialize)]
struct LossScales {
    overflows: Vec<u64>,
    n_steps: u64,
    changes: Vec<(u64, f64)>,
}

#[test]
fn loss_scales_are_torchs() {
    let case: LossScales = fixture("loss_scales");
    let mut scaler = Scaler::default();
    let mut changes = Vec::new();
    for step in 0..case.n_steps {
        let overflows = case.overflows.contains(&step);
        let grads = Tensor::from_slice(&[1.0_f32, if overflows { f32::INFINITY } else { 2.0 }]);
        let before = scaler.scale();
        assert_eq!(scaler.admits(&grads), !overflows);
        if scaler.scale() != before {
            changes.push((step, scaler.scale()));
        }
        // A restored one goes on as if nothing had been.
        let state = scaler.state().into_iter().collect();
        scaler = Scaler::default();
        scaler.load_state(&state).expect("its own state");
    }
    let flat = |changes: &[(u64, f64)]| -> Vec<f64> {
        changes
            .iter()
            .flat_map(|&(step, scale)| [step as f64, scale])
            .collect()
    };
    assert_close(
        "loss scaling",
        &flat(&changes),
        &flat(&case.changes),
        0.0,
        0.0,
    );
}
