//! How long one question takes with a long past, in a mixed space of ten parameters.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use cultivar_search::sampler::{Origin, Past, PastState, Study};
use cultivar_spec::SweepSpec;
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
        times_ms.sort_by(f64::total_cmp);
        let line = json!({"sampler": kind, "past": n_past, "ms": times_ms});
        writeln!(file, "{line}")?;
        eprintln!(
            "{kind} after {n_past}: median {:.2} ms",
            times_ms[times_ms.len() / 2]
        );
    }
    Ok(())
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
