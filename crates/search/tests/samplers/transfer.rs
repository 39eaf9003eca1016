//! What a search learns from other sweeps, on its dataset or another.

use cultivar_search::sampler::{Past, PastState, Study};
use serde_json::{Value, json};

use crate::lab::{
    Xy, apart, at, even, foreign, mean, next, next_points, overlay, peak, result, share, square,
    sweep, told,
};

/// What the results of another sweep count for on the same dataset, and on another.
const WEIGHTS: [f64; 2] = [0.5, 0.2];

const TOPS: [Xy; 2] = [[0.2, 0.7], [0.8, 0.3]];

fn search(kind: &str) -> Value {
    square(json!({"kind": kind}))
}

#[test]
fn results_of_another_sweep_lead_the_first_proposals() {
    let [top, _] = TOPS;
    for kind in ["tpe", "gp", "auto", "evolution", "cma_es"] {
        let off = |past: &[Past]| {
            let found = next_points(&search(kind), past, 30);
            mean(found.into_iter().map(|point| apart(point, top)))
        };
        let unled = off(&[]);
        for weight in WEIGHTS {
            let led = off(&foreign(told(&even(40), peak(top)), 0, weight));
            assert!(led < 0.7 * unled, "{kind}: {led} against {unled}");
        }
    }
}

/// Each top is the own one in turn, so that neither place is preferred for itself.
#[test]
fn own_results_outweigh_as_many_of_another_sweep() {
    let [a, b] = TOPS;
    for kind in ["tpe", "gp"] {
        let to_own = |own: Xy, other: Xy, weight: f64| {
            let mut past = told(&even(20), peak(own));
            past.extend(foreign(told(&even(20), peak(other)), 0, weight));
            let found = next_points(&search(kind), &past, 20);
            share(&found, |point| apart(*point, own) < apart(*point, other))
        };
        for weight in WEIGHTS {
            let shares = [to_own(a, b, weight), to_own(b, a, weight)];
            assert!(
                shares.iter().all(|share| *share >= 0.8),
                "{kind}, {weight}: {shares:?}"
            );
        }
        // Of equal weight they count alike.
        let alike = (to_own(a, b, 1.0) + to_own(b, a, 1.0)) / 2.0;
        assert!((0.25..=0.75).contains(&alike), "{kind}: {alike}");
    }
}

#[test]
fn cma_es_starts_at_the_best_elsewhere_and_in_the_middle_without() {
    let [top, _] = TOPS;
    let narrow = square(json!({"kind": "cma_es", "sigma": 0.01}));
    let elsewhere = foreign(told(&even(40), peak(top)), 0, 0.2);
    let best = even(40)
        .into_iter()
        .min_by(|a, b| apart(*a, top).total_cmp(&apart(*b, top)))
        .unwrap();
    for (past, start) in [(elsewhere, best), (Vec::new(), [0.5, 0.5])] {
        for point in next_points(&narrow, &past, 30) {
            assert!(apart(point, start) < 0.07, "{point:?}, not near {start:?}");
        }
    }
}

#[test]
fn cma_es_goes_on_from_its_start_by_own_results() {
    let [own, other] = TOPS;
    let late = (0..5).map(|seed| {
        let mut study = Study::new(&sweep(&search("cma_es"), seed)).unwrap();
        for entry in foreign(told(&even(30), peak(other)), 0, 0.2) {
            assert!(study.tell(&entry));
        }
        let mut off = Vec::new();
        for number in 0..72 {
            let proposed = study.ask(number).unwrap();
            let value = peak(own)(at(&proposed));
            off.push(apart(at(&proposed), own));
            study.tell(&result(number, proposed, vec![value]));
        }
        mean(off.split_off(60))
    });
    let late = mean(late);
    assert!(late < 0.25, "{late}");
}

#[test]
fn evolution_forgets_other_sweeps_once_its_own_results_are_a_population() {
    let [own, other] = TOPS;
    let mut past = told(&even(20), peak(own));
    let alone = next(&search("evolution"), &past, 30);
    past.extend(foreign(told(&even(40), peak(other)), 0, 0.5));
    assert_eq!(next(&search("evolution"), &past, 30), alone);
    // With fewer they still count.
    let few = [&past[..10], &past[20..]].concat();
    let without = next(&search("evolution"), &past[..10], 30);
    assert_ne!(next(&search("evolution"), &few, 30), without);
}

/// In steps of 2^-12, so that [`in_another_metric`] rounds nothing.
fn coarse(value: impl Fn(Xy) -> f64) -> impl Fn(Xy) -> f64 {
    move |point| (value(point) * 4096.0).round() / 4096.0
}

/// The same results in a metric of another level and scale.
fn in_another_metric(mut past: Vec<Past>) -> Vec<Past> {
    for entry in &mut past {
        if let PastState::Scored { values, .. } = &mut entry.state {
            values
                .iter_mut()
                .for_each(|value| *value = 1024.0 * *value + 4096.0);
        }
    }
    past
}

/// What is proposed after a few own results and those of two other sweeps, the second of them better at another place,
/// must not depend on the metric of the second.
fn check_metric(kind: &str) {
    let [own, other] = TOPS;
    let mut known = told(&even(12), coarse(peak(own)));
    known.extend(foreign(told(&even(20), coarse(peak(other))), 0, 0.5));
    let low = coarse(peak([0.3, 0.2]));
    let third = foreign(told(&even(25), |point| low(point) - 0.5), 1, 0.2);
    let found = |third: Vec<Past>| next(&search(kind), &[known.clone(), third].concat(), 20);
    assert_eq!(
        found(third.clone()),
        found(in_another_metric(third)),
        "{kind}"
    );
}

#[test]
fn models_compare_the_values_of_another_sweep_with_each_other_only() {
    for kind in ["tpe", "gp", "auto"] {
        check_metric(kind);
    }
}

#[test]
fn cma_es_compares_the_values_of_another_sweep_with_each_other_only() {
    check_metric("cma_es");
}

#[test]
fn evolution_compares_the_values_of_another_sweep_with_each_other_only() {
    check_metric("evolution");
}

#[test]
fn everything_tried_elsewhere_may_be_tried_here() {
    let space = json!({"a": {"int": [1, 4]}, "b": {"int": [1, 3]}});
    for kind in ["auto", "tpe", "gp", "evolution", "cma_es"] {
        let search = json!({"sampler": {"kind": kind}, "space": space});
        let mut study = Study::new(&sweep(&search, 0)).unwrap();
        let value = |overlay: &Value| overlay["a"].as_f64().unwrap();
        for number in 0..12 {
            let overlay = json!({"a": 1 + number % 4, "b": 1 + number / 4});
            let values = vec![value(&overlay)];
            for entry in foreign(vec![result(number, overlay, values)], 0, 0.5) {
                assert!(study.tell(&entry));
            }
        }
        let mut tried = Vec::new();
        while let Some(overlay) = study.ask(tried.len() as u32) {
            let values = vec![value(&overlay)];
            study.tell(&result(tried.len() as u32, overlay.clone(), values));
            tried.push(overlay.to_string());
        }
        tried.sort();
        tried.dedup();
        assert_eq!(tried.len(), 12, "{kind}");
    }
}

#[test]
fn what_lies_outside_the_space_is_left_out_of_account() {
    let [top, _] = TOPS;
    for kind in ["tpe", "gp", "auto", "evolution", "cma_es"] {
        let mut past = foreign(told(&even(20), peak(top)), 0, 0.5);
        let without = next(&search(kind), &past, 10);
        let outside = vec![result(20, overlay([1.5, 0.5]), vec![9.0])];
        past.extend(foreign(outside, 0, 0.5));
        assert_eq!(next(&search(kind), &past, 10), without, "{kind}");
    }
}
