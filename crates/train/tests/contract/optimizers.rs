//! Every optimizer's contract: it descends, repeats, saves and loads, refuses nonsense, and heeds every option.

use std::collections::HashMap;

use cultivar_spec::trial::Optimizer;
use cultivar_train::optim::{self, Optim};
use cultivar_train::params::{Group, LoadPolicy, ParamKind, ParamStore};
use cultivar_train::weights;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::{assert_refused, kinds, with};

/// A valley that is steeper one way than the other, with a little noise in its slope.
struct Valley {
    store: ParamStore,
    optim: Optim,
    lr: f64,
    n_steps: u64,
}

impl Valley {
    fn new(spec: &Value) -> Self {
        let mut store = ParamStore::new(Device::Cpu);
        let mut add = |name: &str, kind, group, shape: &[i64]| {
            let n: i64 = shape.iter().product();
            let values = (Tensor::arange(n, (Kind::Float, Device::Cpu)) * 0.37)
                .sin()
                .view(shape);
            let _ = store.add_param(name.into(), kind, group, 0, &values);
        };
        add(
            "conv.weight",
            ParamKind::Weight,
            Group::Backbone,
            &[3, 2, 3, 3],
        );
        add("norm.weight", ParamKind::Norm, Group::Backbone, &[7]);
        add("head.weight", ParamKind::Weight, Group::Head, &[4, 7]);
        add("head.bias", ParamKind::Bias, Group::Head, &[4]);
        store.flatten();
        let spec: Optimizer = serde_json::from_value(spec.clone()).expect("a spec of ours");
        let optim = optim::build(&spec, &store, 3.0).expect("the parameters are flat");
        Self {
            store,
            optim,
            lr: spec.lr(),
            n_steps: 0,
        }
    }

    fn loss(&self) -> Tensor {
        let losses: Vec<Tensor> = self
            .store
            .params()
            .iter()
            .map(|param| {
                let n = param.tensor.numel() as i64;
                let steps = Tensor::arange(n, (Kind::Float, Device::Cpu))
                    .view(param.tensor.size().as_slice());
                let noise = (&steps * (1.0 + self.n_steps as f64)).sin() * 0.05;
                let away = &param.tensor - 0.3;
                (away.square() * (&steps / n as f64 + 0.1) + &param.tensor * noise).sum(Kind::Float)
            })
            .collect();
        Tensor::stack(&losses, 0).sum(Kind::Float)
    }

    fn step(&mut self) {
        self.store.zero_grad();
        self.loss().backward();
        if self.optim.is_sharpness_aware() {
            self.optim.climb();
            self.store.zero_grad();
            self.loss().backward();
        }
        self.optim.step(self.lr, None);
        self.n_steps += 1;
    }

    fn steps(mut self, n: u64) -> Self {
        (0..n).for_each(|_| self.step());
        self
    }

    fn values(&self) -> Tensor {
        self.store.flat().expect("it is flat").values.copy()
    }

    fn state(&self) -> HashMap<String, Tensor> {
        self.optim.state().into_iter().collect()
    }
}

/// Every optimizer, alone and under sharpness-aware minimisation.
fn every_one() -> Vec<Value> {
    let kinds = kinds("optimizer");
    assert!(kinds.len() >= 5, "{kinds:?}");
    let variants = kinds.iter().flat_map(|kind| {
        let sam = |adaptive| json!({"lr": 0.01, "sam": {"rho": 0.2, "adaptive": adaptive}});
        [json!({"lr": 0.01}), sam(false), sam(true)].map(|fields| with(kind, &fields))
    });
    variants.collect()
}

#[test]
fn each_descends() {
    for spec in every_one() {
        let valley = Valley::new(&spec);
        let before = valley.loss().double_value(&[]);
        let after = valley.steps(60).loss().double_value(&[]);
        assert!(after < 0.95 * before, "{spec}: from {before} to {after}");
    }
}

#[test]
fn each_repeats_bit_for_bit() {
    for spec in every_one() {
        let run = || Valley::new(&spec).steps(15).values();
        assert!(run().equal(&run()), "{spec}");
    }
}

#[test]
fn each_goes_on_from_a_file_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("state.safetensors");
    for spec in every_one() {
        for stop in [1, 6, 17] {
            let whole = Valley::new(&spec).steps(stop);
            let saved: Vec<(String, Tensor)> = whole.optim.state();
            weights::write(&path, &saved, &HashMap::new()).expect("it is written");
            let state = weights::read(&path).expect("it is read").tensors;

            let mut resumed = Valley::new(&spec);
            let named = whole.store.named().into_iter().collect();
            let loaded = resumed.store.load(&named, LoadPolicy::Exact);
            assert!(loaded.is_ok(), "{spec}");
            resumed
                .optim
                .load_state(&state)
                .expect("the same optimizer");
            resumed.n_steps = stop;
            let (whole, resumed) = (whole.steps(10), resumed.steps(10));
            assert!(
                whole.values().equal(&resumed.values()),
                "{spec} from step {stop}"
            );
        }
    }
}

#[test]
fn each_leaves_itself_alone_when_a_state_does_not_fit() {
    for spec in every_one() {
        let whole = Valley::new(&spec).steps(9);
        let other = Valley::new(&spec).steps(12);
        for name in whole.state().into_keys() {
            let mut resumed = Valley::new(&spec).steps(9);
            let mut state = other.state();
            state.remove(&name);
            let error = resumed
                .optim
                .load_state(&state)
                .expect_err("a tensor is missing");
            assert!(error.to_string().contains(&name), "{spec}: {error}");
            for (name, tensor) in whole.state() {
                assert!(
                    resumed.state()[&name].equal(&tensor),
                    "{spec}: {name} changed"
                );
            }
        }
    }
}

#[test]
fn each_keeps_its_hands_off_the_gaps_between_runs() {
    for spec in every_one() {
        let valley = Valley::new(&spec).steps(5);
        let flat = valley.store.flat().expect("it is flat");
        let runs: i64 = flat.segments().iter().map(|run| run.len).sum();
        let in_runs: i64 = flat
            .segments()
            .iter()
            .map(|run| {
                run.of(&flat.values)
                    .not_equal(0.0)
                    .sum(Kind::Int64)
                    .int64_value(&[])
            })
            .sum();
        let everywhere = flat.values.not_equal(0.0).sum(Kind::Int64).int64_value(&[]);
        assert!(flat.values.size()[0] > runs, "there is a gap");
        assert_eq!(everywhere, in_runs, "{spec}");
    }
}

#[test]
fn a_skipped_step_changes_nothing() {
    for spec in every_one() {
        let mut valley = Valley::new(&spec).steps(3);
        let (values, state) = (valley.values(), valley.state());
        valley.store.zero_grad();
        valley.loss().backward();
        valley.optim.climb();
        assert_eq!(
            valley.values().equal(&values),
            !valley.optim.is_sharpness_aware()
        );
        valley.optim.skip();
        assert!(valley.values().equal(&values), "{spec}");
        for (name, tensor) in valley.state() {
            assert!(state[&name].equal(&tensor), "{spec}: {name} changed");
        }
    }
}

#[test]
fn each_refuses_nonsense() {
    for kind in kinds("optimizer") {
        for (fields, field) in [
            (json!({"lr": 0.0}), "lr"),
            (json!({"lr": -0.1}), "lr"),
            (json!({"lr": "fast"}), "lr"),
            (json!({"weight_decay": -0.1}), "weight_decay"),
            (json!({"clip": 0.0}), "clip"),
            (json!({"sam": {"rho": 0.0}}), "sam/rho"),
            (json!({"sam": {"radius": 0.1}}), "sam/radius"),
            (json!({"learning_rate": 0.1}), "learning_rate"),
        ] {
            assert_refused("optimizer", with(&kind, &fields), field);
        }
    }
    for kind in ["adam", "adamw", "radam", "ranger"] {
        assert_refused(
            "optimizer",
            with(kind, &json!({"betas": [0.9, 1.0]})),
            "betas/1",
        );
        assert_refused("optimizer", with(kind, &json!({"eps": 0.0})), "eps");
        assert_refused(
            "optimizer",
            with(kind, &json!({"momentum": 0.9})),
            "momentum",
        );
    }
    assert_refused(
        "optimizer",
        json!({"kind": "sgd", "momentum": 1.0}),
        "momentum",
    );
    assert_refused(
        "optimizer",
        json!({"kind": "ranger", "lookahead_k": 0}),
        "lookahead_k",
    );
    assert_refused(
        "optimizer",
        json!({"kind": "ranger", "lookahead_alpha": 0.0}),
        "lookahead_alpha",
    );
}

#[test]
fn every_option_changes_the_weights_against_its_neutral_setting() {
    let check = |kind: &str, fields: Value, neutral: Value| {
        let end = |fields: &Value| Valley::new(&with(kind, fields)).steps(20).values();
        assert!(
            !end(&fields).equal(&end(&neutral)),
            "{kind}: {fields} does what {neutral} does"
        );
    };
    for kind in kinds("optimizer") {
        check(&kind, json!({"lr": 0.02}), json!({"lr": 0.01}));
        check(
            &kind,
            json!({"weight_decay": 0.3}),
            json!({"weight_decay": 0.0}),
        );
        check(&kind, json!({"clip": 0.1}), json!({"clip": null}));
        check(&kind, json!({"sam": {"rho": 0.3}}), json!({"sam": null}));
        check(
            &kind,
            json!({"sam": {"adaptive": true}}),
            json!({"sam": {"adaptive": false}}),
        );
        check(
            &kind,
            json!({"sam": {"rho": 0.3}}),
            json!({"sam": {"rho": 0.1}}),
        );
    }
    for kind in ["adam", "adamw", "radam", "ranger"] {
        check(
            kind,
            json!({"betas": [0.8, 0.99]}),
            json!({"betas": [0.0, 0.99]}),
        );
        check(
            kind,
            json!({"betas": [0.9, 0.9]}),
            json!({"betas": [0.9, 0.99]}),
        );
        check(
            kind,
            json!({"betas": [0.9, 0.9], "eps": 0.1}),
            json!({"betas": [0.9, 0.9], "eps": 1e-8}),
        );
    }
    check("sgd", json!({"momentum": 0.9}), json!({"momentum": 0.0}));
    check("sgd", json!({"nesterov": true}), json!({"nesterov": false}));
    check(
        "ranger",
        json!({"lookahead_k": 3}),
        json!({"lookahead_k": 6}),
    );
    check(
        "ranger",
        json!({"lookahead_alpha": 0.8}),
        json!({"lookahead_alpha": 0.5}),
    );
}

#[test]
fn no_two_do_the_same() {
    let ends: Vec<(String, Tensor)> = kinds("optimizer")
        .into_iter()
        .map(|kind| {
            let fields = json!({"lr": 0.01, "weight_decay": 0.1});
            let end = Valley::new(&with(&kind, &fields)).steps(20).values();
            (kind, end)
        })
        .collect();
    for (idx, (one, end)) in ends.iter().enumerate() {
        for (other, theirs) in &ends[idx + 1..] {
            assert!(!end.equal(theirs), "{one} and {other}");
        }
    }
}
