//! Forecasts of made-up curves.

use super::*;
use crate::scheduler::contract::{N_EPOCHS, built, sweep, value};
use crate::scheduler::features::UNKNOWN;
use crate::scheduler::simulation::{Simulation, Trouble};
use crate::scheduler::{Action, Decision, Event, step};
use cultivar_spec::trial::Direction;
use serde_json::json;

const RUNGS: [u32; 3] = [2, 6, 18];

fn asha() -> Value {
    json!({"kind": "asha", "min_epochs": 2, "eta": 3.0})
}

fn forecaster() -> Forecaster {
    Forecaster::new(&sweep(&asha()), N_EPOCHS).unwrap()
}

/// A trial at share `u` of the space: the more, the worse it begins and the better it ends.
fn misleading(u: f64, epoch: u32) -> f64 {
    let (first, last) = (0.5 - 0.4 * u, 0.4 + 0.5 * u);
    first + (last - first) * f64::from(epoch) / f64::from(N_EPOCHS)
}

fn place(u: f64) -> Value {
    json!({"optimizer": {"lr": 0.001 * 1000_f64.powf(u)}})
}

/// Trials with their configurations and values; each goes on past what it has reported, but for the last rung.
fn told(direction: Direction, trials: &[(Value, Vec<(u32, f64)>)]) -> History {
    let mut history = History::new(direction);
    for (trial, (point, values)) in (0..).zip(trials) {
        let point = point.clone();
        history.apply(&Event::Joined { trial, point });
        for &(epoch, value) in values {
            history.apply(&Event::Report {
                trial,
                epoch,
                value,
            });
            let action = Action::Promote {};
            let decision = Decision {
                trial,
                epoch,
                action,
            };
            if values.iter().any(|(later, _)| *later > epoch) {
                history.apply(&Event::Decided { decision });
            }
        }
    }
    history
}

/// A trial of [`misleading`] up to an epoch.
fn trial(u: f64, reached: u32) -> (Value, Vec<(u32, f64)>) {
    let levels = RUNGS.into_iter().chain([N_EPOCHS]);
    let levels = levels.take_while(|level| *level <= reached);
    let values = levels.map(|epoch| (epoch, misleading(u, epoch)));
    (place(u), values.collect())
}

/// Ten that went to their ends, most of them no good.
fn finished() -> Vec<(Value, Vec<(u32, f64)>)> {
    let shares = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.8, 0.9];
    shares.map(|u| trial(u, N_EPOCHS)).into()
}

#[test]
fn the_one_that_ends_best_is_promoted_though_it_begins_worst() {
    let mut trials = finished();
    trials.extend([trial(0.02, 2), trial(0.85, 2)]);
    let mut history = told(Direction::Maximize, &trials);
    let scheduler = built(&asha());
    let decisions = step(&*scheduler, &mut history);
    let promoted = decisions
        .iter()
        .filter(|decision| decision.action == Action::Promote {});
    let promoted: Vec<u32> = promoted.map(|decision| decision.trial).collect();
    assert_eq!(promoted, [11], "the other leads at its rung");
}

#[test]
fn ends_are_told_in_the_sign_of_the_objective() {
    let mut trials = finished();
    trials.extend([trial(0.3, 2), trial(0.3, 6), (place(0.3), vec![(1, 0.4)])]);
    let of = |direction, trials: &[_]| built(&asha()).forecasts(&told(direction, trials));
    let up = of(Direction::Maximize, &trials);
    for number in [10, 11] {
        let end = up[number].unwrap();
        let truth = misleading(0.3, N_EPOCHS);
        assert!((end - truth).abs() < 0.05, "{end} for {truth}");
    }
    assert_eq!(up[9], None, "it has come to its end");
    assert_eq!(up[12], None, "it has come to no rung yet");
    for (_, values) in &mut trials {
        values.iter_mut().for_each(|(_, value)| *value = -*value);
    }
    let negated: Vec<_> = up.iter().map(|end| end.map(|end| -end)).collect();
    assert_eq!(of(Direction::Minimize, &trials), negated);
}

#[test]
fn what_is_not_a_number_teaches_nothing() {
    let mut trials = finished();
    trials.push(trial(0.5, 2));
    let clean = forecaster().of(&told(Direction::Maximize, &trials));
    for (epoch, broken) in [(2, f64::NAN), (6, f64::INFINITY), (2, f64::NEG_INFINITY)] {
        let mut diverged = trial(0.7, N_EPOCHS);
        for (at, value) in &mut diverged.1 {
            *value = if *at == epoch { broken } else { *value };
        }
        trials.insert(3, diverged);
    }
    let mut found = forecaster()
        .of(&told(Direction::Maximize, &trials))
        .ahead
        .clone();
    let diverged: Vec<f64> = found.drain(3..6).collect();
    assert_eq!(diverged, [f64::NEG_INFINITY; 3]);
    assert_eq!(found, clean.ahead);
    // Beyond what can be subtracted.
    let huge = |n: u32| {
        let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        let values = vec![(2, sign * f64::MAX), (6, -sign * f64::MAX)];
        (place(f64::from(n) / 20.0), values)
    };
    trials.extend((0..20).map(huge));
    trials.extend((0..20).map(|n| (huge(n).0, vec![(2, f64::MAX / f64::from(n + 1))])));
    let found = forecaster().of(&told(Direction::Maximize, &trials));
    assert!(found.ahead[6..].iter().all(|value| value.is_finite()));
}

#[test]
fn before_six_have_come_to_their_ends_all_are_told_of_one_rung() {
    let mut trials = finished();
    trials.truncate(5);
    trials.extend([trial(0.3, 18), trial(0.1, 2)]);
    let told_of = |trials: &[_]| built(&asha()).forecasts(&told(Direction::Maximize, trials));
    let found = told_of(&trials);
    for (number, u) in [(0, 0.0), (4, 0.2), (5, 0.3)] {
        assert_eq!(found[number], Some(misleading(u, 18)));
    }
    let forecast = found[6].unwrap();
    assert!((forecast - misleading(0.1, 18)).abs() < 0.02, "{forecast}");
    assert_ne!(forecast, misleading(0.1, 2));
    trials.push(trial(0.1, N_EPOCHS));
    assert_eq!(told_of(&trials)[..5], [None; 5]);
}

#[test]
fn until_six_have_gone_on_values_count() {
    let mut trials: Vec<_> = (0..5).map(|n| trial(f64::from(n) / 9.0, 6)).collect();
    trials.extend((0..9).map(|n| trial(f64::from(n) / 9.0, 2)));
    let values = |trials: &[(Value, Vec<(u32, f64)>)]| {
        let history = told(Direction::Maximize, trials);
        let found = forecaster().of(&history);
        let at_first = (0..trials.len() as u32).map(|trial| found.at(trial, 0));
        let ranked: Vec<f64> = at_first.collect();
        let curves = history.curves().iter();
        let reported: Vec<f64> = curves.filter_map(|curve| curve.at(2)).collect();
        (ranked, reported)
    };
    let (ranked, reported) = values(&trials);
    assert_eq!(ranked, reported);
    trials.push(trial(0.9, 6));
    let (ranked, reported) = values(&trials);
    assert_ne!(ranked, reported);
}

#[test]
fn values_alone_teach_where_trials_are_no_points_of_the_space() {
    let mut trials: Vec<_> = (0..12).map(|n| trial(f64::from(n) / 15.0, 6)).collect();
    trials.extend([trial(0.1, 2), trial(0.7, 2)]);
    for (point, _) in &mut trials {
        *point = Value::Null;
    }
    let found = forecaster().of(&told(Direction::Maximize, &trials));
    let gain = |trial: usize, u: f64| found.ahead[trial] - misleading(u, 2);
    assert_eq!(found.trials[0].features, [UNKNOWN]);
    assert!(gain(13, 0.7) > gain(12, 0.1) + 0.04);
}

#[test]
fn what_is_kept_changes_no_forecast() {
    let scheduler = built(&asha());
    for seed in 0..3 {
        let run = Simulation::new(&*scheduler, 40, Trouble::much(), seed).run(value);
        let kept = forecaster();
        let mut history = History::new(Direction::Maximize);
        let mut n_steps = 0;
        for (news, decisions) in &run.log {
            for event in news {
                history.apply(event);
            }
            let (found, fresh) = (kept.of(&history), forecaster().of(&history));
            assert_eq!(found.ahead, fresh.ahead);
            n_steps = n_steps.max(found.steps.len());
            for decision in decisions.clone() {
                history.apply(&Event::Decided { decision });
            }
        }
        assert!(n_steps > 0, "or nothing was learned");
    }
}

#[test]
fn forests_grow_by_a_tenth() {
    let sizes: Vec<_> = [5, 6, 9, 10, 12, 13, 25, 500].map(n_grown_from).into();
    let expected = [
        None,
        Some(6),
        Some(9),
        Some(10),
        Some(11),
        Some(13),
        Some(24),
    ];
    assert_eq!(sizes[..7], expected);
    assert!(sizes[7].is_some_and(|n| n > 450));
}
