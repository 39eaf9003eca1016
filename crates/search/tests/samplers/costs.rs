//! `cost_aware`: what a configuration promises, divided by the seconds it is expected to take.

use cultivar_search::sampler::{Past, PastState};
use serde_json::{Value, json};

use crate::lab::{even, next, results, share, unit};

/// Results of a function with two equal peaks, at 0.2 and 0.8, that cost so many seconds at `x`.
fn twin_peaks(cost_s: impl Fn(f64) -> f64) -> Vec<Past> {
    let xs = even(20).into_iter().flat_map(|[x, _]| [x, 1.0 - x]);
    let values = xs.map(|x| {
        let off = (x - 0.2).abs().min((x - 0.8).abs());
        (json!({"x": x}), vec![-off * off])
    });
    let mut past = results(values);
    for entry in &mut past {
        let seconds = cost_s(x(&entry.overlay));
        if let PastState::Scored { cost_s, .. } = &mut entry.state {
            *cost_s = seconds;
        }
    }
    past
}

fn x(overlay: &Value) -> f64 {
    overlay["x"].as_f64().unwrap()
}

fn search(kind: &str, cost_aware: bool) -> Value {
    json!({"sampler": {"kind": kind, "cost_aware": cost_aware}, "space": {"x": unit()}})
}

/// Each peak is the dear one in turn, so whichever is preferred without regard to costs, the mean over both turns is
/// half.
#[test]
fn of_two_equal_peaks_the_cheap_one_is_proposed_where_costs_count() {
    let left_dear = twin_peaks(|x| if x < 0.5 { 100.0 } else { 10.0 });
    let right_dear = twin_peaks(|x| if x < 0.5 { 10.0 } else { 100.0 });
    for kind in ["tpe", "gp"] {
        let blind = |past: &[Past]| next(&search(kind, false), past, 30);
        assert_eq!(blind(&left_dear), blind(&right_dear), "{kind}");
        let left = |past: &[Past]| share(&next(&search(kind, true), past, 30), |o| x(o) < 0.5);
        let (left_when_dear, left_when_cheap) = (left(&left_dear), left(&right_dear));
        assert!(
            left_when_dear <= 0.1 && left_when_cheap >= 0.9,
            "{kind}: {left_when_dear} and {left_when_cheap}"
        );
    }
}

/// Costs must not outweigh everything: what is cheap and bad is left alone.
#[test]
fn cheap_proposals_still_lie_on_a_peak() {
    let past = twin_peaks(|x| if x < 0.5 { 10.0 } else { 100.0 });
    for kind in ["tpe", "gp"] {
        let found = next(&search(kind, true), &past, 30);
        let near = share(&found, |overlay| (x(overlay) - 0.2).abs() < 0.1);
        assert!(near >= 0.8, "{kind}: {near}");
    }
}

#[test]
fn costs_that_are_not_known_change_nothing() {
    let past = twin_peaks(|_| 0.0);
    for kind in ["tpe", "gp"] {
        let found = |cost_aware: bool| next(&search(kind, cost_aware), &past, 30);
        assert_eq!(found(true), found(false), "{kind}");
    }
}
