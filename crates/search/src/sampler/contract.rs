//! What every sampler must do, whatever its algorithm.

use cultivar_spec::SweepSpec;
use cultivar_spec::space::Node;
use serde_json::{Value, json};

use super::{Origin, Past, PastState, Study, ask, recommend};
use crate::space::points::Space;
use crate::space::region::contains;

/// A sampler and whether alternatives and conditions are within its reach.
fn samplers() -> Vec<(Value, bool)> {
    let small = json!({"kind": "evolution", "population": 6, "tournament": 3});
    let eager_gp = json!({"kind": "gp", "n_startup": 4, "cost_aware": true});
    let eager_tpe = json!({"kind": "tpe", "n_startup": 4, "cost_aware": true});
    vec![
        (json!({"kind": "auto"}), true),
        (json!({"kind": "random"}), true),
        (json!({"kind": "sobol"}), true),
        (eager_tpe, true),
        (eager_gp, true),
        (small, true),
        (json!({"kind": "cma_es"}), false),
    ]
}

fn mixed() -> Value {
    json!({
        "optimizer": {"choice": [
            {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}, "momentum": {"choice": [0.0, 0.5, 0.9]}},
            {"kind": "adamw", "lr": {"log_uniform": [1e-4, 1e-2]}},
        ]},
        "epochs": {"int": [1, 30]},
        "drop": {"quantized": [0.0, 0.5, 0.1]},
        "fixed": true,
    })
}

fn numeric() -> Value {
    json!({"a": {"uniform": [-1.0, 1.0]}, "b": {"log_uniform": [1e-3, 1.0]}, "c": {"int": [0, 40]}})
}

fn sweep(sampler: &Value, space: Value, configs: u32) -> SweepSpec {
    let raw =
        json!({"name": "t", "space": space, "sampler": sampler, "budget": {"configs": configs}});
    serde_json::from_value(raw).unwrap()
}

/// Each sampler with a space it can search.
fn cases(configs: u32) -> Vec<SweepSpec> {
    let all = samplers().into_iter();
    all.map(|(sampler, takes_mixed)| {
        let space = if takes_mixed { mixed() } else { numeric() };
        sweep(&sampler, space, configs)
    })
    .collect()
}

fn scored(number: u32, overlay: &Value, value: f64) -> Past {
    Past {
        number,
        overlay: overlay.clone(),
        state: PastState::Scored {
            values: vec![value],
            n_seeds: 1,
            cost_s: 1.0 + f64::from(number),
        },
        origin: Origin::Own,
    }
}

fn pending(number: u32, overlay: &Value) -> Past {
    Past {
        state: PastState::Pending {},
        ..scored(number, overlay, 0.0)
    }
}

/// A smooth function of the overlay with a good region, and a little noise.
fn value(overlay: &Value, number: u32) -> f64 {
    let x = |pointer: &str| overlay.pointer(pointer).and_then(Value::as_f64);
    let lr = x("/optimizer/lr").or(x("/b")).unwrap_or(1.0).ln();
    let epochs = x("/epochs").or(x("/c")).unwrap_or(0.0);
    let noise = f64::from(number * 7919 % 101) / 1_000.0;
    -(lr + 4.0).powi(2) - 0.01 * (epochs - 20.0).powi(2) + noise
}

/// Runs a sweep one configuration after another; stops where the sampler does.
fn run(spec: &SweepSpec, value: impl Fn(&Value, u32) -> f64) -> Vec<Past> {
    let mut study = Study::new(spec).unwrap();
    let mut past = Vec::new();
    let mut number = 0;
    while let Some(overlay) = study.ask(number) {
        let entry = scored(number, &overlay, value(&overlay, number));
        assert!(study.tell(&entry), "{overlay} lies in the space");
        past.push(entry);
        number += 1;
    }
    past
}

#[test]
fn proposals_lie_in_the_space_and_end_with_the_budget() {
    for spec in cases(25) {
        let space = Space::new(&Node::parse(&spec.space).unwrap());
        let past = run(&spec, value);
        assert_eq!(past.len(), 25, "{:?}", spec.sampler);
        for entry in &past {
            let point = space.encode(&entry.overlay);
            assert!(
                point.is_ok(),
                "{:?} proposed {}",
                spec.sampler,
                entry.overlay
            );
        }
    }
}

#[test]
fn forbidden_combinations_are_never_proposed() {
    for mut spec in cases(30) {
        spec.forbid = vec![
            json!({"epochs": {"int": [1, 15]}}),
            json!({"optimizer": {"kind": "sgd", "momentum": 0.9}}),
        ];
        if spec.space.get("epochs").is_none() {
            spec.forbid = vec![
                json!({"c": {"int": [0, 15]}}),
                json!({"a": {"uniform": [0.0, 1.0]}}),
            ];
        }
        let regions: Vec<Node> = spec
            .forbid
            .iter()
            .map(|raw| Node::parse(raw).unwrap())
            .collect();
        for entry in run(&spec, value) {
            let is_forbidden = regions
                .iter()
                .any(|region| contains(region, &entry.overlay));
            assert!(
                !is_forbidden,
                "{:?} proposed {}",
                spec.sampler, entry.overlay
            );
        }
    }
}

#[test]
fn a_proposal_is_replayed_from_what_it_had_seen() {
    for spec in cases(25) {
        let past = run(&spec, value);
        for number in [0, 3, 12, 24] {
            let mut seen = past[..number].to_vec();
            let again = |seen: &[Past]| ask(&spec, seen, number as u32).unwrap().unwrap();
            assert_eq!(again(&seen), past[number].overlay, "{:?}", spec.sampler);
            // Late and re-ordered reports tell the same story.
            seen.reverse();
            let text = serde_json::to_string(&seen).unwrap();
            let seen: Vec<Past> = serde_json::from_str(&text).unwrap();
            assert_eq!(again(&seen), past[number].overlay, "{:?}", spec.sampler);
        }
    }
}

#[test]
fn values_that_are_no_numbers_count_as_failures() {
    for spec in cases(25) {
        let broken = |overlay: &Value, number: u32| match number % 4 {
            0 => f64::NAN,
            1 => f64::INFINITY,
            _ => value(overlay, number),
        };
        let past = run(&spec, broken);
        assert_eq!(past.len(), 25, "{:?}", spec.sampler);
        let as_failures: Vec<Past> = past
            .iter()
            .cloned()
            .map(|mut entry| {
                if matches!(&entry.state, PastState::Scored { values, .. } if !values[0].is_finite()) {
                    entry.state = PastState::Failed {};
                }
                entry
            })
            .collect();
        let next = |past: &[Past]| ask(&spec, &past[..24], 24).unwrap();
        assert_eq!(next(&past), next(&as_failures), "{:?}", spec.sampler);
        let recommended = recommend(&spec, &past).unwrap().unwrap();
        assert!(recommended % 4 > 1, "{:?}", spec.sampler);
    }
}

#[test]
fn nothing_but_failures_ends_no_sweep() {
    for spec in cases(20) {
        let past = run(&spec, |_, _| f64::NAN);
        assert_eq!(past.len(), 20, "{:?}", spec.sampler);
        assert_eq!(recommend(&spec, &past).unwrap(), None);
    }
}

#[test]
fn what_is_running_is_not_proposed_again() {
    for spec in cases(40) {
        let past = run(&spec, value);
        let mut seen: Vec<Past> = past[..20].to_vec();
        let mut proposed: Vec<Value> = Vec::new();
        for number in 20..36 {
            let overlay = ask(&spec, &seen, number).unwrap().unwrap();
            assert!(
                !proposed.contains(&overlay),
                "{:?}: {overlay}",
                spec.sampler
            );
            seen.push(pending(number, &overlay));
            proposed.push(overlay);
        }
    }
}

#[test]
fn a_warm_start_is_tried_first_and_once() {
    for mut spec in cases(12) {
        spec.warm_start = match spec.space.get("epochs") {
            Some(_) => vec![
                json!({"optimizer": {"kind": "adamw", "lr": 0.001}, "epochs": 7, "drop": 0.1}),
                json!({"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.5}, "epochs": 9, "drop": 0.0}),
            ],
            None => vec![
                json!({"a": 0.5, "b": 0.1, "c": 7}),
                json!({"a": 0.0, "b": 0.1, "c": 9}),
            ],
        };
        let past = run(&spec, value);
        let space = Space::new(&Node::parse(&spec.space).unwrap());
        let points: Vec<_> = past
            .iter()
            .map(|p| space.encode(&p.overlay).unwrap())
            .collect();
        for (idx, warm) in spec.warm_start.iter().enumerate() {
            assert_eq!(
                points[idx],
                space.encode(warm).unwrap(),
                "{:?}",
                spec.sampler
            );
        }
        assert_eq!(points.len(), 12);
        assert!(!points[2..].contains(&points[0]), "{:?}", spec.sampler);
    }
}

#[test]
fn a_finite_space_is_tried_without_repeats_and_then_ends() {
    let choices =
        json!({"a": {"choice": ["x", "y", {"d": {"int": [1, 3]}}]}, "b": {"int": [1, 4]}});
    let numbers = json!({"a": {"int": [1, 5]}, "b": {"int": [1, 4]}});
    for (sampler, takes_mixed) in samplers() {
        let space = if takes_mixed {
            choices.clone()
        } else {
            numbers.clone()
        };
        let mut spec = sweep(&sampler, space, 1_000);
        spec.forbid = vec![json!({"b": 2})];
        let past = run(&spec, |overlay, _| overlay["b"].as_f64().unwrap());
        let mut texts: Vec<String> = past.iter().map(|p| p.overlay.to_string()).collect();
        texts.sort();
        texts.dedup();
        assert_eq!((texts.len(), past.len()), (15, 15), "{:?}", spec.sampler);
    }
}

#[test]
fn results_of_other_sweeps_are_used_and_may_be_tried_again() {
    for spec in cases(40) {
        let elsewhere = run(&spec, value);
        let foreign = |weight: f64| {
            let move_out = |mut entry: Past| {
                entry.origin = Origin::Foreign { source: 3, weight };
                // Another metric, on another scale.
                if let PastState::Scored { values, .. } = &mut entry.state {
                    values[0] = 1e6 + 1e3 * values[0];
                }
                entry
            };
            elsewhere.iter().cloned().map(move_out).collect::<Vec<_>>()
        };
        assert_eq!(recommend(&spec, &foreign(1.0)).unwrap(), None);
        assert!(
            ask(&spec, &foreign(0.5), 0).unwrap().is_some(),
            "{:?}",
            spec.sampler
        );
        let unusable = foreign(0.0);
        assert_eq!(
            ask(&spec, &unusable, 0),
            ask(&spec, &[], 0),
            "{:?}",
            spec.sampler
        );
    }
}

#[test]
fn several_objectives_are_searched_at_once() {
    for spec in cases(25) {
        let mut past = run(&spec, value);
        for entry in &mut past {
            if let PastState::Scored { values, .. } = &mut entry.state {
                values.push(-f64::from(entry.number % 5));
            }
        }
        assert!(
            ask(&spec, &past[..24], 24).unwrap().is_some(),
            "{:?}",
            spec.sampler
        );
        assert!(recommend(&spec, &past).unwrap().is_some());
    }
}

/// Models must do better than chance where there is something to learn.
#[test]
fn models_beat_random_search_on_a_smooth_function() {
    let best = |sampler: Value, space: Value| {
        let found = (0..5).map(|seed| {
            let mut sampler = sampler.clone();
            sampler["seed"] = seed.into();
            let past = run(&sweep(&sampler, space.clone(), 60), |overlay, _| {
                value(overlay, 0)
            });
            let values = past.iter().map(|p| p.state.values().unwrap()[0]);
            values.fold(f64::NEG_INFINITY, f64::max)
        });
        found.sum::<f64>() / 5.0
    };
    for (sampler, takes_mixed) in samplers() {
        if ["random", "sobol"].contains(&sampler["kind"].as_str().unwrap()) {
            continue;
        }
        let space = if takes_mixed { mixed() } else { numeric() };
        let chance = best(json!({"kind": "random"}), space.clone());
        let found = best(sampler.clone(), space);
        assert!(found > chance, "{sampler}: {found} against {chance}");
    }
}

#[test]
fn the_lucky_draw_is_not_recommended() {
    let spec = sweep(
        &json!({"kind": "auto"}),
        json!({"x": {"uniform": [0.0, 1.0]}}),
        100,
    );
    let truth = |x: f64| -4.0 * (x - 0.7).powi(2);
    let mut past: Vec<Past> = (0..40)
        .map(|number| {
            let x = f64::from(number) / 39.0;
            let noise = 0.1 * (f64::from(number * 7919 % 101) / 50.5 - 1.0);
            scored(number, &json!({"x": x}), truth(x) + noise)
        })
        .collect();
    // One result far from the optimum was lucky beyond all others.
    past[4] = scored(4, &past[4].overlay.clone(), 0.5);
    let idx = recommend(&spec, &past).unwrap().unwrap();
    let x = past[idx].overlay["x"].as_f64().unwrap();
    assert!((x - 0.7).abs() < 0.15, "{x}");
}
