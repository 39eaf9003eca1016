//! Optimizers against torch's and timm's, in f32 and in f64.

use std::collections::HashMap;

use cultivar_spec::trial::{Optimizer, Schedule};
use cultivar_train::optim::{self, Optim};
use cultivar_train::params::{Group, ParamKind, ParamStore};
use cultivar_train::schedule::{lr_factor, momentum};
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::{assert_close, fixture, formula, values};

const N_STEPS: u64 = 200;
/// Of the bowl whose gradient is added under sharpness-aware minimisation.
const CURVATURE: f64 = 0.5;

#[derive(Deserialize)]
struct Cases {
    params: Vec<(String, Vec<i64>, bool)>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    spec: serde_json::Map<String, Value>,
    f32: Vec<Watched>,
    f64: Vec<Watched>,
}

#[derive(Deserialize)]
struct Watched {
    step: u64,
    values: Vec<f64>,
}

/// A run of one optimizer over recorded gradients.
struct Replay {
    store: ParamStore,
    optim: Optim,
    lr: f64,
    schedule: Option<Schedule>,
}

impl Replay {
    fn new(
        params: &[(String, Vec<i64>, bool)],
        spec: &serde_json::Map<String, Value>,
        number: Kind,
    ) -> Self {
        let mut store = ParamStore::new(Device::Cpu);
        for (idx, (name, shape, is_head)) in params.iter().enumerate() {
            let kind = match shape.len() {
                1 if name.starts_with("norm") => ParamKind::Norm,
                1 => ParamKind::Bias,
                _ => ParamKind::Weight,
            };
            let group = if *is_head {
                Group::Head
            } else {
                Group::Backbone
            };
            let values = formula::tensor(idx as u64, shape, -1.0, 1.0).to_kind(number);
            let _ = store.add_param(name.clone(), kind, group, 0, &values);
        }
        store.flatten();
        let mut fields = spec.clone();
        let head_lr_mult = fields
            .remove("head_lr_mult")
            .and_then(|value| value.as_f64());
        let cycles = fields.remove("one_cycle") == Some(Value::Bool(true));
        let optimizer: Optimizer =
            serde_json::from_value(Value::Object(fields)).expect("a spec of ours");
        let optim = optim::build(&optimizer, &store, head_lr_mult.expect("a number"))
            .expect("the parameters are flat");
        Self {
            store,
            optim,
            lr: optimizer.lr(),
            schedule: cycles.then_some(Schedule::OneCycle {
                pct_start: 0.3,
                div: 25.0,
                final_div: 1e4,
                cycle_momentum: true,
            }),
        }
    }

    /// Step number `step`, from 1.
    fn step(&mut self, step: u64) {
        self.look(step);
        if self.optim.is_sharpness_aware() {
            self.optim.climb();
            self.look(step);
        }
        let (factor, momentum) = match &self.schedule {
            Some(schedule) => (
                lr_factor(schedule, step - 1, N_STEPS),
                momentum(schedule, step - 1, N_STEPS),
            ),
            None => (1.0, None),
        };
        self.optim.step(self.lr * factor, momentum);
    }

    /// Puts the step's gradients in place.
    fn look(&mut self, step: u64) {
        self.store.zero_grad();
        for (idx, param) in self.store.params().iter().enumerate() {
            let scale = 0.2 + (step % 10) as f64 / 5.0;
            let key = 10_000 + 100 * step + idx as u64;
            let mut grad = formula::tensor(key, &param.tensor.size(), -scale, 1.5 * scale)
                .to_kind(param.tensor.kind());
            if self.optim.is_sharpness_aware() {
                grad += param.tensor.detach() * CURVATURE;
            }
            param.tensor.grad().copy_(&grad);
        }
    }

    fn values(&self) -> Vec<f64> {
        let params = self.store.params().iter();
        params.flat_map(|param| values(&param.tensor)).collect()
    }
}

fn check(number: Kind, references: impl Fn(&Run) -> &[Watched], absolute: f64, relative: f64) {
    let cases: Cases = fixture("optimizers");
    assert_eq!(cases.runs.len(), 14);
    for run in &cases.runs {
        let sam = if run.spec["sam"].is_null() {
            ""
        } else {
            " with SAM"
        };
        let kind = run.spec["kind"].as_str().expect("a kind");
        let spec = Value::Object(run.spec.clone());
        let what = format!("{kind}{sam} in {number:?}: {spec}");
        let mut replay = Replay::new(&cases.params, &run.spec, number);
        for step in 1..=N_STEPS {
            replay.step(step);
            if let Some(watched) = references(run).iter().find(|watched| watched.step == step) {
                let what = format!("{what} after step {step}");
                assert_close(&what, &replay.values(), &watched.values, absolute, relative);
            }
        }
    }
}

#[test]
fn trajectories_are_the_references() {
    check(Kind::Float, |run| &run.f32[..], 1e-6, 1e-5);
}

#[test]
fn trajectories_in_f64_are_the_references() {
    check(Kind::Double, |run| &run.f64[..], 0.0, 1e-10);
}

#[test]
fn a_restored_optimizer_goes_on_bit_for_bit() {
    let cases: Cases = fixture("optimizers");
    for run in &cases.runs {
        for stop in [3, 31] {
            let mut whole = Replay::new(&cases.params, &run.spec, Kind::Float);
            (1..=stop).for_each(|step| whole.step(step));
            let weights: HashMap<String, Tensor> = whole.store.named().into_iter().collect();
            let state: HashMap<String, Tensor> = whole.optim.state().into_iter().collect();

            let mut resumed = Replay::new(&cases.params, &run.spec, Kind::Float);
            resumed
                .store
                .load(&weights, cultivar_train::params::LoadPolicy::Exact)
                .expect("the same model");
            resumed
                .optim
                .load_state(&state)
                .expect("the same optimizer");
            for step in stop + 1..=stop + 10 {
                whole.step(step);
                resumed.step(step);
            }
            assert_eq!(whole.values(), resumed.values(), "{:?}", run.spec);
        }
    }
}

#[test]
fn a_state_of_another_shape_is_refused() {
    let cases: Cases = fixture("optimizers");
    for run in &cases.runs {
        let mut replay = Replay::new(&cases.params, &run.spec, Kind::Float);
        (1..=12).for_each(|step| replay.step(step));
        let before = replay.values();
        let mut state: HashMap<String, Tensor> = replay.optim.state().into_iter().collect();
        let names: Vec<String> = state.keys().cloned().collect();
        for name in names {
            let tensor = state.remove(&name).expect("it was there");
            let error = replay
                .optim
                .load_state(&state)
                .expect_err("a tensor is missing");
            assert!(error.to_string().contains(&name), "{error}");
            state.insert(
                name.clone(),
                Tensor::zeros([2, 2], (tensor.kind(), Device::Cpu)),
            );
            let error = replay
                .optim
                .load_state(&state)
                .expect_err("a tensor is misshapen");
            assert!(error.to_string().contains(&name), "{error}");
            state.insert(name, tensor);
        }
        assert_eq!(replay.values(), before);
    }
}

#[test]
fn ranger_evaluates_its_slow_weights() {
    let cases: Cases = fixture("optimizers");
    let is_ranger = |run: &&Run| run.spec["kind"] == "ranger" && run.spec["lookahead_k"] == 6;
    let run = cases.runs.iter().find(is_ranger).expect("one of the runs");
    let mut replay = Replay::new(&cases.params, &run.spec, Kind::Float);
    (1..=12).for_each(|step| replay.step(step));
    let slow = replay.values();
    (13..=15).for_each(|step| replay.step(step));
    assert_ne!(slow, replay.values());
    let slow_values = replay.optim.slow_values().expect("slow weights by now");
    replay
        .store
        .flat()
        .expect("it is flat")
        .values
        .shallow_clone()
        .copy_(slow_values);
    assert_eq!(replay.values(), slow);
}
