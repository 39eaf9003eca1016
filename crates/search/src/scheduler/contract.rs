//! What every scheduler must do, whatever its algorithm: run against workers that obey late, and reports that come
//! late, twice, out of order or not at all.

use cultivar_spec::SweepSpec;
use cultivar_spec::trial::Direction;
use serde_json::{Value, json};

use super::simulation::{Simulation, Stage, Trouble, Worked};
use super::{Action, Decision, End, Event, History, Scheduler, Status, build, check, replay, step};

pub(super) const N_EPOCHS: u32 = 27;

/// A scheduler, the first epoch at which it may decide, and whether arrival times leave its decisions alone.
fn schedulers() -> Vec<(Value, u32, bool)> {
    vec![
        (json!({"kind": "none"}), N_EPOCHS, true),
        (
            json!({"kind": "median_stop", "min_epochs": 2, "min_trials": 3}),
            2,
            false,
        ),
        (
            json!({"kind": "successive_halving", "min_epochs": 2, "eta": 3.0}),
            2,
            true,
        ),
        (
            json!({"kind": "successive_halving", "eta": 2.0, "cohort": 8}),
            1,
            true,
        ),
        (
            json!({"kind": "asha", "min_epochs": 2, "eta": 3.0}),
            2,
            false,
        ),
        (json!({"kind": "hyperband"}), 2, false),
        (
            json!({"kind": "hyperband", "min_epochs": 3, "eta": 2.0}),
            3,
            false,
        ),
        (
            json!({"kind": "pbt", "interval": 6, "quantile": 0.25, "seed": 5}),
            6,
            // A copy begins where its source had got to when it gave way.
            false,
        ),
        (
            json!({"kind": "curve_stop", "min_epochs": 4, "confidence": 0.8}),
            4,
            false,
        ),
    ]
}

pub(super) fn sweep(scheduler: &Value) -> SweepSpec {
    let space = json!({"optimizer": {"lr": {"log_uniform": [0.001, 1.0]}}});
    let raw = json!({"name": "t", "space": space, "scheduler": scheduler});
    serde_json::from_value(raw).unwrap()
}

pub(super) fn built(scheduler: &Value) -> Box<dyn Scheduler> {
    build(&sweep(scheduler), N_EPOCHS).unwrap()
}

/// Curves that saturate at a height of their own and cross now and then; the first is the best throughout.
pub(super) fn value(quality: usize, epoch: u32) -> f64 {
    let x = f64::from(epoch);
    let mixed = (quality * 7919 % 101) as f64 / 101.0;
    let wobble = ((quality * 31 + epoch as usize * 17) % 23) as f64 / 2_000.0;
    let top = if quality == 0 {
        0.95
    } else {
        0.3 + 0.6 * mixed
    };
    let speed = if quality == 0 {
        1.0
    } else {
        0.2 + 0.6 * ((quality * 13 % 7) as f64 / 7.0)
    };
    top * (1.0 - (-speed * x).exp()) + if quality == 0 { 0.02 } else { wobble }
}

fn check_all(check: impl Fn(&Value, &dyn Scheduler, u32, bool)) {
    for (spec, first, is_order_free) in schedulers() {
        check(&spec, &*built(&spec), first, is_order_free);
    }
}

#[test]
fn every_trial_settles_and_the_best_is_never_stopped() {
    check_all(|spec, scheduler, _, _| {
        for seed in 0..20 {
            for trouble in [Trouble::none(), Trouble::much()] {
                for n_trials in [1, 2, 5, 23] {
                    let run = Simulation::new(scheduler, n_trials, trouble.clone(), seed);
                    let run = run.run(value);
                    let done = |trial: &Worked| matches!(trial.stage, Stage::Done(_));
                    assert!(run.trials.iter().all(done), "{spec} {n_trials}");
                    let best = run.trials[0].stage;
                    assert_eq!(best, Stage::Done(End::Completed), "{spec} {n_trials}");
                    assert_eq!(run.n_ended(End::Failed), 0);
                }
            }
        }
    });
}

#[test]
fn nothing_is_decided_before_its_time() {
    check_all(|spec, scheduler, first, _| {
        let run = Simulation::new(scheduler, 23, Trouble::much(), 1).run(value);
        for decision in run.decisions() {
            assert!(decision.epoch >= first, "{spec}: {decision:?}");
        }
    });
}

#[test]
fn decisions_are_replayed_from_what_had_been_seen() {
    check_all(|spec, scheduler, _, _| {
        let run = Simulation::new(scheduler, 23, Trouble::much(), 2).run(value);
        let again = |log: &[(Vec<Event>, Vec<Decision>)]| {
            replay(&*built(spec), History::new(Direction::Maximize), log)
        };
        assert_eq!(again(&run.log), Ok(()), "{spec}");
        let Some(at) = run
            .log
            .iter()
            .position(|(_, decisions)| !decisions.is_empty())
        else {
            return;
        };
        let mut forged = run.log.clone();
        forged[at].1.pop();
        assert_eq!(again(&forged), Err(at), "{spec}");
    });
}

#[test]
fn asking_twice_and_hearing_twice_changes_nothing() {
    check_all(|spec, scheduler, _, _| {
        let run = Simulation::new(scheduler, 23, Trouble::none(), 3).run(value);
        let mut history = History::new(Direction::Maximize);
        let mut reports: Vec<Event> = Vec::new();
        for (news, decisions) in &run.log {
            for event in news.iter().chain(&reports) {
                history.apply(event);
            }
            assert_eq!(step(scheduler, &mut history), *decisions, "{spec}");
            assert_eq!(step(scheduler, &mut history), [], "{spec}");
            let is_report = |event: &&Event| matches!(event, Event::Report { .. });
            reports.extend(news.iter().filter(is_report).cloned());
        }
    });
}

#[test]
fn synchronous_schedulers_decide_alike_whatever_arrives_first() {
    check_all(|spec, scheduler, _, is_order_free| {
        let orderly = Simulation::new(scheduler, 23, Trouble::none(), 0).run(value);
        let differing = (1..40).filter(|seed| {
            let run = Simulation::new(scheduler, 23, Trouble::much(), *seed).run(value);
            run.verdicts() != orderly.verdicts()
        });
        match is_order_free {
            true => assert_eq!(differing.count(), 0, "{spec}"),
            // Or the simulation would not shuffle anything.
            false => assert!(differing.count() > 0, "{spec}"),
        }
    });
}

#[test]
fn what_is_not_a_number_goes_no_further() {
    check_all(|spec, scheduler, _, _| {
        for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let run = Simulation::new(scheduler, 23, Trouble::much(), 4).run(|quality, epoch| {
                if quality % 4 == 3 {
                    broken
                } else {
                    value(quality, epoch)
                }
            });
            for decision in run.decisions() {
                let is_broken = |trial: u32| trial % 4 == 3;
                match &decision.action {
                    // In a population, those that are not the worst go on unless enough are better.
                    Action::Promote {} if spec["kind"] == "pbt" => {}
                    Action::Promote {} => assert!(!is_broken(decision.trial), "{spec}"),
                    Action::Clone { source, .. } => {
                        let source = &run.history.curves()[*source as usize];
                        let value = source.values.get(&decision.epoch);
                        assert!(value.is_none_or(|value| value.is_finite()), "{spec}");
                    }
                    Action::Stop {} | Action::Pause {} => {}
                }
            }
            assert_eq!(run.trials[0].stage, Stage::Done(End::Completed), "{spec}");
        }
        // Nothing but nonsense still ends.
        Simulation::new(scheduler, 9, Trouble::none(), 4).run(|_, _| f64::NAN);
    });
}

#[test]
fn lost_reports_and_failing_trials_end_no_sweep_early() {
    check_all(|spec, scheduler, _, _| {
        for seed in 0..20 {
            let lossy = Trouble {
                lost: 0.2,
                ..Trouble::much()
            };
            let run = Simulation::new(scheduler, 23, lossy, seed).run(value);
            let done = |trial: &Worked| matches!(trial.stage, Stage::Done(_));
            assert!(run.trials.iter().all(done), "{spec} {seed}");
            assert!(run.n_ended(End::Completed) > 0, "{spec} {seed}");
            let failing = Trouble {
                failure: 0.05,
                ..Trouble::much()
            };
            let run = Simulation::new(scheduler, 23, failing, seed).run(value);
            assert!(run.trials.iter().all(done), "{spec} {seed}");
        }
    });
}

#[test]
fn a_loss_is_judged_as_its_negative() {
    check_all(|spec, scheduler, _, _| {
        let run = Simulation::new(scheduler, 23, Trouble::much(), 5).run(value);
        let negated = |event: &Event| match event {
            Event::Report {
                trial,
                epoch,
                value,
            } => Event::Report {
                trial: *trial,
                epoch: *epoch,
                value: -value,
            },
            other => other.clone(),
        };
        let log: Vec<_> = run
            .log
            .iter()
            .map(|(news, decisions)| (news.iter().map(negated).collect(), decisions.clone()))
            .collect();
        let minimized = History::new(Direction::Minimize);
        assert_eq!(replay(scheduler, minimized, &log), Ok(()), "{spec}");
    });
}

#[test]
fn stopping_early_saves_most_epochs() {
    let full = 81 * N_EPOCHS;
    let share = |spec: Value| {
        let scheduler = built(&spec);
        let trouble = Trouble {
            n_workers: 4,
            ..Trouble::none()
        };
        let run = Simulation::new(&*scheduler, 81, trouble, 6).run(value);
        f64::from(run.n_epochs()) / f64::from(full)
    };
    // 81 + 27 * 2 + 9 * 6 + 3 * 18 epochs of 2187.
    assert_eq!(
        share(json!({"kind": "successive_halving", "min_epochs": 1, "eta": 3.0})),
        f64::from(81 + 54 + 54 + 54) / f64::from(full)
    );
    for (spec, most) in [
        (json!({"kind": "asha"}), 0.25),
        (json!({"kind": "hyperband"}), 0.5),
        (json!({"kind": "median_stop"}), 0.75),
        (json!({"kind": "curve_stop"}), 0.95),
    ] {
        let found = share(spec.clone());
        assert!(found < most, "{spec}: {found}");
    }
}

#[test]
fn the_population_follows_its_best() {
    let spec =
        json!({"kind": "pbt", "interval": 3, "quantile": 0.25, "factor": 1.25, "resample": 0.0});
    let scheduler = built(&spec);
    let prompt = Trouble {
        n_workers: 3,
        ..Trouble::none()
    };
    let run = Simulation::new(&*scheduler, 12, prompt, 7).run(value);
    assert_eq!(run.n_ended(End::Completed), 12);
    let n_clones = run
        .decisions()
        .filter(|decision| matches!(decision.action, Action::Clone { .. }));
    assert_eq!(
        n_clones.count(),
        3 * 8,
        "three at each of eight generations"
    );
    let of_the_best = run.trials.iter().filter(|trial| trial.quality == 0).count();
    assert!(of_the_best > 6, "{of_the_best} of 12 descend from the best");
    for (news, decisions) in &run.log {
        assert!(news.len() + decisions.len() > 0);
    }
    for curve in run.history.curves() {
        assert_eq!(curve.status, Status::Ended(End::Completed));
        let lr = curve.point["optimizer"]["lr"].as_f64().unwrap();
        assert!((0.001..=1.0).contains(&lr));
    }
}

#[test]
fn a_trial_that_has_done_its_last_epoch_is_not_stopped() {
    check_all(|spec, scheduler, _, _| {
        let mut history = History::new(Direction::Maximize);
        for trial in 0..8 {
            let point = json!({"optimizer": {"lr": 0.1}});
            history.apply(&Event::Joined { trial, point });
        }
        history.apply(&Event::Closed {});
        for epoch in 1..=N_EPOCHS {
            for trial in 0..8 {
                // The first is beyond what the others were on average, until their last epoch.
                let value = match trial {
                    0 => 0.41,
                    _ if epoch == N_EPOCHS => 0.9,
                    _ => 0.4,
                };
                history.apply(&Event::Report {
                    trial,
                    epoch,
                    value,
                });
            }
            let decided = step(scheduler, &mut history);
            let of_first = decided.iter().filter(|decision| decision.trial == 0);
            let mut actions = of_first.map(|decision| &decision.action);
            assert!(
                !actions.any(|action| *action == Action::Stop {}),
                "{spec} {epoch}"
            );
        }
    });
}

#[test]
fn a_retried_trial_joins_its_rung_late() {
    let spec = json!({"kind": "successive_halving", "min_epochs": 3, "eta": 2.0});
    let scheduler = built(&spec);
    let mut history = History::new(Direction::Maximize);
    let mut tell = |events: &[Event]| {
        for event in events {
            history.apply(event);
        }
        step(&*scheduler, &mut history)
    };
    let report = |trial, value| Event::Report {
        trial,
        epoch: 3,
        value,
    };
    let joined = |trial| Event::Joined {
        trial,
        point: json!({}),
    };
    tell(&[joined(0), joined(1), joined(2), joined(3), Event::Closed {}]);
    let end = End::Failed;
    let ended = |trial| Event::Ended { trial, end };
    let decided = tell(&[report(0, 0.5), report(1, 0.4), ended(2), ended(3)]);
    assert_eq!(decided.len(), 2, "{decided:?}");
    assert!(tell(&[Event::Opened { trial: 2 }, Event::Opened { trial: 3 }]).is_empty());
    let late = tell(&[report(2, 0.45), report(3, 0.3)]);
    let kinds: Vec<_> = late.iter().map(|d| (d.trial, &d.action)).collect();
    assert_eq!(kinds, [(2, &Action::Promote {}), (3, &Action::Stop {})]);
}

#[test]
fn what_cannot_be_scheduled_is_refused_where_it_stands() {
    let refused = |scheduler: Value, space: Value, n_epochs: u32| {
        let mut spec = sweep(&scheduler);
        spec.space = space;
        let found = check(&spec, n_epochs).err().map_or(Vec::new(), |v| v.0);
        let pointers = found.into_iter().map(|violation| violation.pointer);
        pointers.collect::<Vec<_>>()
    };
    let lr = json!({"optimizer": {"lr": {"uniform": [0.1, 0.2]}}});
    let epochs = json!({"fit": {"epochs": {"choice": [5, 10]}}});
    assert!(refused(json!({"kind": "none"}), epochs.clone(), 5).is_empty());
    assert!(refused(json!({"kind": "asha"}), lr.clone(), 2).is_empty());
    assert_eq!(
        refused(json!({"kind": "asha", "min_epochs": 5}), lr.clone(), 5),
        ["/scheduler/min_epochs"]
    );
    assert_eq!(
        refused(json!({"kind": "pbt", "interval": 9}), lr, 5),
        ["/scheduler/interval"]
    );
    assert_eq!(
        refused(json!({"kind": "median_stop"}), epochs, 5),
        ["/space/fit/epochs"]
    );
    assert_eq!(
        refused(
            json!({"kind": "pbt"}),
            json!({"fit": {"batch_size": {"int": [1, 8]}}}),
            5
        ),
        ["/space/fit"]
    );
}
