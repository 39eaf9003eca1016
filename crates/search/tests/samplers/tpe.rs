//! The tree-structured Parzen estimator: what is pending, parameters that interact, alternatives.

use std::f64::consts::TAU;

use cultivar_search::sampler::Past;
use serde_json::{Value, json};

use crate::lab::{
    Xy, apart, even, mean, mirrored, next, next_points, overlay, peak, pending, results, share,
    square, told, unit,
};

fn tpe() -> Value {
    json!({"kind": "tpe"})
}

#[test]
fn pending_configurations_push_proposals_away() {
    let value = peak([0.3, 0.6]);
    let mut past = told(&even(40), &value);
    let best = even(40)
        .into_iter()
        .max_by(|a, b| value(*a).total_cmp(&value(*b)))
        .unwrap();
    let off = |past: &[Past]| {
        let found = next_points(&square(tpe()), past, 40);
        mean(found.into_iter().map(|point| apart(point, best)))
    };
    let alone = off(&past);
    past.extend((40..48).map(|number| {
        let (sin, cos) = (f64::from(number) * TAU / 8.0).sin_cos();
        pending(
            number,
            overlay([best[0] + 0.03 * cos, best[1] + 0.03 * sin]),
        )
    }));
    let beside = off(&past);
    assert!(beside > 1.6 * alone, "{beside} against {alone}");
}

/// Good where both numbers are high or both are low: either alone says nothing.
fn together([x, y]: Xy) -> f64 {
    (x - 0.5) * (y - 0.5)
}

/// Proposals must agree in both numbers, and far more often than numbers drawn apart would.
fn check_agreement(points: &[Xy]) {
    let high = |idx: usize| share(points, |point| point[idx] > 0.5);
    let apart = high(0) * high(1) + (1.0 - high(0)) * (1.0 - high(1));
    let agree = share(points, |point| (point[0] > 0.5) == (point[1] > 0.5));
    assert!(
        agree >= 0.9 && agree >= apart + 0.25,
        "{agree} against {apart}"
    );
}

#[test]
fn parameters_that_interact_are_proposed_together() {
    let past = told(&mirrored(20), together);
    check_agreement(&next_points(&square(tpe()), &past, 60));
}

#[test]
fn parameters_of_one_alternative_are_proposed_together() {
    let search = json!({"sampler": tpe(), "space": {"m": {"choice": [
        {"kind": "left", "x": unit(), "y": unit()}, {"kind": "right"},
    ]}}});
    let left = mirrored(20).into_iter().map(|point| {
        let overlay = json!({"m": {"kind": "left", "x": point[0], "y": point[1]}});
        (overlay, vec![together(point)])
    });
    let right = (0..10).map(|_| (json!({"m": {"kind": "right"}}), vec![-1.0]));
    let past = results(left.chain(right));
    let found = next(&search, &past, 60);
    let points: Vec<Xy> = found
        .iter()
        .filter(|overlay| overlay["m"]["kind"] == "left")
        .map(|overlay| ["x", "y"].map(|key| overlay["m"][key].as_f64().unwrap()))
        .collect();
    assert!(points.len() >= 50, "{}", points.len());
    check_agreement(&points);
}

/// Two alternatives with a number each of its own name.
fn branches() -> Value {
    json!({"sampler": tpe(), "space": {"m": {"choice": [
        {"kind": "left", "x": unit()}, {"kind": "right", "y": unit()},
    ]}}})
}

fn left(x: f64) -> Value {
    json!({"m": {"kind": "left", "x": x}})
}

fn right(y: f64) -> Value {
    json!({"m": {"kind": "right", "y": y}})
}

/// Where in their branch the proposals of one alternative lie.
fn numbers(found: &[Value], key: &str) -> Vec<f64> {
    let numbers = found.iter().map(|overlay| &overlay["m"][key]);
    numbers.filter_map(Value::as_f64).collect()
}

fn off(numbers: &[f64], from: f64) -> f64 {
    mean(numbers.iter().map(|x| (x - from).abs()))
}

/// What an alternative lacks must not count for or against it: the branches are images of each other, but their good
/// numbers lie at opposite ends.
#[test]
fn branches_that_are_equally_good_are_proposed_equally_often() {
    let past = results(even(40).into_iter().flat_map(|[x, _]| {
        let value = vec![-(x - 0.8).abs()];
        [(left(x), value.clone()), (right(1.0 - x), value)]
    }));
    let found = next(&branches(), &past, 60);
    let (x, y) = (numbers(&found, "x"), numbers(&found, "y"));
    assert_eq!(x.len() + y.len(), 60);
    assert!((15..=45).contains(&x.len()), "{} of 60", x.len());
    assert!(off(&x, 0.8) < 0.1 && off(&y, 0.2) < 0.1, "{x:?} {y:?}");
}

/// Most good results are those of the right branch; of the left one those near 0.8 are good. Forbidding one branch
/// shows what is thought of the other.
#[test]
fn a_branch_learns_from_its_own_results_alone() {
    let of_left = even(91)
        .into_iter()
        .map(|[x, _]| (left(x), vec![-(x - 0.8).abs()]));
    let of_right = even(9)
        .into_iter()
        .map(|[y, _]| (right(0.4 + 0.2 * y), vec![1.0]));
    let past = results(of_left.chain(of_right));
    let without = |kind: &str| {
        let mut search = branches();
        search["forbid"] = json!([{"m": {"kind": kind}}]);
        next(&search, &past, 30)
    };
    let x = numbers(&without("right"), "x");
    assert!(x.len() == 30 && off(&x, 0.8) < 0.12, "{x:?}");
    let y = numbers(&without("left"), "y");
    assert!(y.len() == 30 && off(&y, 0.5) < 0.12, "{y:?}");
}
