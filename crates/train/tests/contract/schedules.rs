//! Every schedule's contract: rates between 0 and the peak for runs of any length, the same warm-up, no nonsense,
//! and an effect of every option.

use cultivar_spec::trial::Schedule;
use cultivar_train::schedule::{lr_factor, momentum};
use serde_json::{Value, json};

use super::{assert_refused, kinds, refusals, with};

fn factors(spec: &Value, n_steps: u64) -> Vec<f64> {
    let schedule: Schedule = serde_json::from_value(spec.clone()).expect("a spec of ours");
    (0..n_steps)
        .map(|step| lr_factor(&schedule, step, n_steps))
        .collect()
}

/// Every kind, with and without a warm-up where it has one, and in some odd shapes.
fn every_one() -> Vec<Value> {
    let kinds = kinds("schedule");
    assert!(kinds.len() >= 7, "{kinds:?}");
    let mut specs: Vec<Value> = kinds.iter().map(|kind| json!({"kind": kind})).collect();
    specs.extend(warming(0.1).chain(warming(0.9)));
    for odd in [
        json!({"kind": "cosine", "cycles": 7, "cycle_mult": 0.3, "cycle_decay": 0.5, "final_fraction": 0.2}),
        json!({"kind": "cosine", "cycles": 100, "cycle_mult": 10.0, "warmup_fraction": 0.5}),
        json!({"kind": "flat_cosine", "flat_fraction": 1.0}),
        json!({"kind": "flat_cosine", "flat_fraction": 0.0, "warmup_fraction": 0.4}),
        json!({"kind": "step", "every": 1e-9, "gamma": 0.999}),
        json!({"kind": "multi_step", "milestones": [1e-9, 0.5, 1.0]}),
        json!({"kind": "polynomial", "power": 10.0, "final_fraction": 1.0}),
        json!({"kind": "one_cycle", "pct_start": 0.01}),
        json!({"kind": "one_cycle", "pct_start": 0.99}),
        json!({"kind": "one_cycle", "div": 1.0, "final_div": 1.0}),
    ] {
        assert!(refusals("schedule", odd.clone()).is_empty(), "{odd}");
        specs.push(odd);
    }
    specs
}

/// Every kind but the one that has a way up of its own.
fn warming(fraction: f64) -> impl Iterator<Item = Value> {
    let kinds = kinds("schedule")
        .into_iter()
        .filter(|kind| kind != "one_cycle");
    kinds.map(move |kind| {
        // Milestones come after the warm-up.
        let milestones = json!({"warmup_fraction": fraction, "milestones": [0.95, 0.99]});
        match kind.as_str() {
            "multi_step" => with(&kind, &milestones),
            _ => with(&kind, &json!({"warmup_fraction": fraction})),
        }
    })
}

#[test]
fn rates_stay_between_zero_and_the_peak_for_runs_of_any_length() {
    for spec in every_one() {
        let schedule: Schedule = serde_json::from_value(spec.clone()).expect("a spec of ours");
        for n_steps in 1..60 {
            for (step, factor) in factors(&spec, n_steps).into_iter().enumerate() {
                assert!(
                    (0.0..=1.0 + 1e-12).contains(&factor),
                    "{spec}: {factor} at {step}/{n_steps}"
                );
                if let Some(momentum) = momentum(&schedule, step as u64, n_steps) {
                    assert!(
                        (0.85..=0.95).contains(&momentum),
                        "{spec}: {momentum} at {step}/{n_steps}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_warms_up_on_the_same_line_to_its_peak() {
    for spec in warming(0.25) {
        let factors = factors(&spec, 40);
        let rising: Vec<f64> = (0..=10).map(|step| f64::from(step) / 10.0).collect();
        assert_eq!(factors[..=10], rising, "{spec}");
    }
    let refused = json!({"kind": "one_cycle", "warmup_fraction": 0.1});
    assert_refused("schedule", refused, "warmup_fraction");
}

#[test]
fn each_refuses_nonsense() {
    for kind in kinds("schedule") {
        assert_refused("schedule", with(&kind, &json!({"warmup": 5})), "warmup");
        if kind != "one_cycle" {
            let refused = with(&kind, &json!({"warmup_fraction": 1.0}));
            assert_refused("schedule", refused, "warmup_fraction");
        }
    }
    for (kind, fields, field) in [
        ("cosine", json!({"final_fraction": 1.5}), "final_fraction"),
        ("cosine", json!({"cycles": 0}), "cycles"),
        ("cosine", json!({"cycle_mult": 0.0}), "cycle_mult"),
        ("cosine", json!({"cycle_decay": 2.0}), "cycle_decay"),
        (
            "flat_cosine",
            json!({"flat_fraction": 1.1}),
            "flat_fraction",
        ),
        ("step", json!({"every": 0.0}), "every"),
        ("step", json!({"gamma": 0.0}), "gamma"),
        ("multi_step", json!({"milestones": []}), "milestones"),
        (
            "multi_step",
            json!({"milestones": [0.5, 0.4]}),
            "milestones",
        ),
        ("multi_step", json!({"milestones": [0.0]}), "milestones"),
        ("multi_step", json!({"milestones": [1.5]}), "milestones/0"),
        ("polynomial", json!({"power": 0.0}), "power"),
        ("one_cycle", json!({"pct_start": 0.0}), "pct_start"),
        ("one_cycle", json!({"div": 0.5}), "div"),
    ] {
        assert_refused("schedule", with(kind, &fields), field);
    }
}

#[test]
fn every_option_changes_the_rates_against_its_neutral_setting() {
    let differ = |kind: &str, fields: Value, neutral: Value| {
        let rates = |fields: &Value| factors(&with(kind, fields), 40);
        assert_ne!(rates(&fields), rates(&neutral), "{kind}: {fields}");
    };
    for spec in warming(0.2) {
        let kind = spec["kind"].as_str().expect("a kind").to_owned();
        differ(
            &kind,
            json!({"warmup_fraction": 0.2}),
            json!({"warmup_fraction": 0.0}),
        );
    }
    let restarts = json!({"cycles": 3});
    differ("cosine", json!({"final_fraction": 0.1}), json!({}));
    differ("cosine", restarts.clone(), json!({"cycles": 1}));
    differ(
        "cosine",
        json!({"cycles": 3, "cycle_mult": 2.0}),
        restarts.clone(),
    );
    differ("cosine", json!({"cycles": 3, "cycle_decay": 0.5}), restarts);
    differ(
        "flat_cosine",
        json!({"flat_fraction": 0.5}),
        json!({"flat_fraction": 0.0}),
    );
    differ("flat_cosine", json!({"final_fraction": 0.1}), json!({}));
    differ("step", json!({"every": 0.2}), json!({"every": 1.0}));
    differ("step", json!({"gamma": 0.5}), json!({"gamma": 1.0}));
    differ(
        "multi_step",
        json!({"milestones": [0.5]}),
        json!({"milestones": [1.0]}),
    );
    differ("multi_step", json!({"gamma": 0.5}), json!({"gamma": 1.0}));
    differ("polynomial", json!({"power": 2.0}), json!({"power": 1.0}));
    differ("polynomial", json!({"final_fraction": 0.1}), json!({}));
    differ(
        "one_cycle",
        json!({"pct_start": 0.5}),
        json!({"pct_start": 0.3}),
    );
    differ("one_cycle", json!({"div": 5.0}), json!({"div": 25.0}));
    differ(
        "one_cycle",
        json!({"final_div": 10.0}),
        json!({"final_div": 1e4}),
    );
    let momenta = |cycles: bool| {
        let spec = json!({"kind": "one_cycle", "cycle_momentum": cycles});
        let schedule: Schedule = serde_json::from_value(spec).expect("a spec of ours");
        momentum(&schedule, 5, 40)
    };
    assert!(momenta(true).is_some() && momenta(false).is_none());
}

#[test]
fn no_two_do_the_same() {
    let kinds = kinds("schedule");
    for (idx, one) in kinds.iter().enumerate() {
        for other in &kinds[idx + 1..] {
            let rates = |kind: &str| factors(&json!({"kind": kind}), 40);
            assert_ne!(rates(one), rates(other), "{one} and {other}");
        }
    }
}
