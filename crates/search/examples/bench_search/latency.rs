//! How long one question takes with a long past, in a mixed space of ten parameters: to a sampler, or to a scheduler.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use cultivar_search::sampler::{Origin, Past, PastState, Study};
use cultivar_search::scheduler::{Action, Event, History, build, step};
use cultivar_spec::SweepSpec;
use cultivar_spec::trial::Direction;
use serde_json::{Value, json};

/// Five continuous numbers (two logarithmic), two whole, one quantized and two choices: what
/// `bench/search/optuna_latency.py` asks Optuna too.
fn space() -> Value {
    json!({
        "x0": {"uniform": [0.0, 1.0]}, "x1": {"uniform": [-1.0, 1.0]}, "x2": {"uniform": [0.0, 10.0]},
        "x3": {"log_uniform": [1e-5, 1.0]}, "x4": {"log_uniform": [1e-3, 1e3]},
        "i0": {"int": [0, 100]}, "i1": {"int": [1, 8]}, "q0": {"quantized": [0.0, 1.0, 0.05]},
        "c0": {"choice": ["a", "b", "c", "d"]}, "c1": {"choice": ["x", "y", "z"]},
    })
}

/// (sampler, past trials) that are measured.
const CASES: [(&str, u32); 4] = [
    ("tpe", 1_000),
    ("tpe", 10_000),
    ("gp", 1_000),
    ("auto", 10_000),
];

/// Appends the milliseconds of each question, in order of size, one line a case.
pub fn measure(out: &Path, questions: u32) -> Result<()> {
    let mut file = File::create(out)?;
    for (kind, n_past) in CASES {
        let mut study = filled(kind, n_past)?;
        let mut times_ms = Vec::new();
        for number in n_past..n_past + questions {
            // A question may be asked again, so other programs on this machine need not count: the
            // fastest of three.
            let (mut fastest, mut answer) = (f64::INFINITY, None);
            for _ in 0..3 {
                let started = Instant::now();
                answer = study.ask(number);
                fastest = fastest.min(1e3 * started.elapsed().as_secs_f64());
            }
            times_ms.push(fastest);
            study.tell(&scored(
                number,
                answer.context("the budget is not used up")?,
            ));
        }
        write(&mut file, kind, n_past, times_ms)?;
    }
    let (kept, fresh) = decisions(1_000, questions)?;
    write(&mut file, "asha", 1_000, kept)?;
    write(&mut file, "asha, its first question", 1_000, fresh)
}

fn write(file: &mut File, what: &str, n_past: u32, mut times_ms: Vec<f64>) -> Result<()> {
    times_ms.sort_by(f64::total_cmp);
    let line = json!({"sampler": what, "past": n_past, "ms": times_ms});
    writeln!(file, "{line}")?;
    let at = |share: f64| times_ms[((times_ms.len() - 1) as f64 * share).round() as usize];
    let (median, p99) = (at(0.5), at(0.99));
    eprintln!("{what} after {n_past}: median {median:.2} ms, p99 {p99:.2} ms");
    Ok(())
}

/// Milliseconds of each of ASHA's last decisions in a sweep of `n_trials`, 27 epochs long at most; and of the same by a
/// scheduler that has answered nothing before.
fn decisions(n_trials: u32, questions: u32) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut sweep, past) = long_past(n_trials)?;
    sweep.scheduler = serde_json::from_value(json!({"kind": "asha"}))?;
    let scheduler = build(&sweep, 27)?;
    let mut history = History::new(Direction::Maximize);
    let (mut kept, mut fresh) = (Vec::new(), Vec::new());
    for new in &past {
        let (trial, point) = (new.number, new.overlay.clone());
        history.apply(&Event::Joined { trial, point });
        let mut running = vec![(trial, 0)];
        while let Some((trial, done)) = running.pop() {
            let PastState::Scored { values, .. } = &past[trial as usize].state else {
                continue;
            };
            let epoch = done + 1;
            let value = values[0] * (1.0 + 3.0 / f64::from(epoch));
            history.apply(&Event::Report {
                trial,
                epoch,
                value,
            });
            if trial + questions >= n_trials {
                let started = Instant::now();
                scheduler.decide(&history);
                kept.push(1e3 * started.elapsed().as_secs_f64());
                let other = build(&sweep, 27)?;
                let started = Instant::now();
                other.decide(&history);
                fresh.push(1e3 * started.elapsed().as_secs_f64());
            }
            let is_paused = |action: &Action| *action == Action::Pause {};
            let decided = step(&*scheduler, &mut history);
            let stays = !decided
                .iter()
                .any(|decision| decision.trial == trial && is_paused(&decision.action));
            if stays && epoch < 27 {
                running.push((trial, epoch));
            }
            let promoted = decided
                .iter()
                .filter(|decision| decision.trial != trial && !is_paused(&decision.action));
            running.extend(promoted.map(|decision| (decision.trial, decision.epoch)));
        }
    }
    Ok((kept, fresh))
}

/// A study with `n_past` random results.
fn filled(kind: &str, n_past: u32) -> Result<Study> {
    let mut study = Study::new(&sweep(kind)?)?;
    for past in long_past(n_past)?.1 {
        study.tell(&past);
    }
    Ok(study)
}

/// `n_past` random results, and a sweep that they are of.
pub fn long_past(n_past: u32) -> Result<(SweepSpec, Vec<Past>)> {
    let sweep = sweep("random")?;
    let random = Study::new(&sweep)?;
    let result = |number| -> Result<Past> {
        let overlay = random.ask(number).context("the budget is not used up")?;
        Ok(scored(number, overlay))
    };
    let past = (0..n_past).map(result).collect::<Result<_>>()?;
    Ok((sweep, past))
}

fn sweep(kind: &str) -> Result<SweepSpec> {
    Ok(serde_json::from_value(json!({
        "name": "latency", "space": space(), "sampler": {"kind": kind}, "budget": {"configs": 100_000},
    }))?)
}

fn scored(number: u32, overlay: Value) -> Past {
    let x = |key: &str| overlay[key].as_f64().unwrap_or(0.0);
    let value =
        -(x("x0") - 0.3).powi(2) - x("x1").powi(2) - 0.01 * x("x3").ln().abs() - 0.001 * x("i0");
    Past {
        number,
        overlay,
        state: PastState::Scored {
            values: vec![value],
            n_seeds: 1,
            cost_s: 1.0,
        },
        origin: Origin::Own,
    }
}
