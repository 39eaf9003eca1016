//! Several objectives: every proposal weighs them anew, so that a search looks for the best compromises.

use cultivar_search::pareto::hypervolume;
use cultivar_search::sampler::{Past, Study, recommend};
use serde_json::json;

use crate::lab::{
    Xy, at, even, foreign, mean, next_points, overlay, peak, result, results, square, sweep,
};

/// Best at opposite sides of the square; both want y in the middle.
const TOPS: [Xy; 2] = [[0.1, 0.5], [0.9, 0.5]];

/// The objective, and one that conflicts with it.
fn values(point: Xy) -> Vec<f64> {
    let [left, right] = TOPS;
    vec![peak(right)(point), peak(left)(point)]
}

/// Results at even points with the first `n` objectives.
fn past(n: usize) -> Vec<Past> {
    let points = even(40).into_iter();
    results(points.map(|point| (overlay(point), values(point)[..n].to_vec())))
}

/// Mean of the second objective over proposals.
fn second(kind: &str, past: &[Past], n_seeds: u64) -> f64 {
    let found = next_points(&square(json!({"kind": kind})), past, n_seeds);
    mean(found.into_iter().map(|point| values(point)[1]))
}

#[test]
fn a_second_objective_that_conflicts_moves_proposals_towards_it() {
    let cases = [
        ("tpe", 40),
        ("gp", 30),
        ("auto", 20),
        ("evolution", 80),
        ("cma_es", 80),
    ];
    for (kind, n_seeds) in cases {
        let (told, untold) = (
            second(kind, &past(2), n_seeds),
            second(kind, &past(1), n_seeds),
        );
        assert!(told > untold + 0.12, "{kind}: {told} against {untold}");
    }
}

/// Some proposals lie near either top, and all where both objectives agree.
#[test]
fn proposals_reach_both_ends_of_the_front_and_stay_on_it() {
    for kind in ["tpe", "gp"] {
        let found = next_points(&square(json!({"kind": kind})), &past(2), 30);
        let off = mean(found.iter().map(|point| (point[1] - 0.5).abs()));
        assert!(off < 0.12, "{kind}: {off} off the front");
        let n_left = found.iter().filter(|point| point[0] < 0.4).count();
        let n_right = found.iter().filter(|point| point[0] > 0.6).count();
        assert!(n_left > 0 && n_right > 0, "{kind}: {n_left} and {n_right}");
    }
}

/// Both objectives of every trial of a sweep that is told the first `n_told`.
fn run(seed: u64, n_told: usize) -> Vec<Vec<f64>> {
    let mut study = Study::new(&sweep(&square(json!({"kind": "tpe"})), seed)).unwrap();
    let mut rows = Vec::new();
    for number in 0..50 {
        let overlay = study.ask(number).unwrap();
        let row = values(at(&overlay));
        assert!(study.tell(&result(number, overlay, row[..n_told].to_vec())));
        rows.push(row);
    }
    rows
}

#[test]
fn a_search_for_compromises_covers_more_of_the_front() {
    let covered =
        |n_told: usize| mean((0..10).map(|seed| hypervolume(&run(seed, n_told), &[-1.0, -1.0])));
    let (both, one) = (covered(2), covered(1));
    assert!(both > one + 0.015, "{both} against {one}");
}

#[test]
fn late_trials_keep_the_second_objective_high_where_it_is_told() {
    let late = |n_told: usize| {
        let rows = (0..10).flat_map(|seed| run(seed, n_told).split_off(30));
        mean(rows.map(|row| row[1]))
    };
    let (both, one) = (late(2), late(1));
    assert!(both > one + 0.15, "{both} against {one}");
}

#[test]
fn the_recommended_configuration_balances_the_objectives() {
    let spec = sweep(&square(json!({"kind": "tpe"})), 0);
    let x = |n_told: usize| {
        let points = (0..=30_u32).map(|k| [f64::from(k) / 30.0, 0.5]);
        let past = results(points.map(|point| (overlay(point), values(point)[..n_told].to_vec())));
        let idx = recommend(&spec, &past).unwrap().unwrap();
        at(&past[idx].overlay)[0]
    };
    assert!((x(1) - 0.9).abs() < 0.15, "{}", x(1));
    assert!((x(2) - 0.5).abs() < 0.15, "{}", x(2));
}

/// What other sweeps achieved has all the objectives as well.
#[test]
fn results_of_other_sweeps_are_weighed_by_all_objectives_from_the_first_proposal() {
    for kind in ["tpe", "gp"] {
        let elsewhere = |n: usize| foreign(past(n), 0, 0.5);
        let (told, untold) = (
            second(kind, &elsewhere(2), 30),
            second(kind, &elsewhere(1), 30),
        );
        assert!(told > untold + 0.12, "{kind}: {told} against {untold}");
    }
}
