//! Which parameters matter by a sample of a table's trials, and how long it takes to say so.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use cultivar_search::importance;
use cultivar_search::sampler::{Origin, Past, PastState, Study};
use cultivar_spec::SweepSpec;
use serde_json::{Value, json};

use crate::latency;
use crate::table::Table;

/// Trials of the long past.
const N_LONG: u32 = 10_000;

/// Writes the sample and what it says, for `bench/search/optuna_importance.py` to say it too.
pub fn measure(table: &Table, n_results: u32, seed: u64, out: &Path) -> Result<()> {
    let sweep: SweepSpec = serde_json::from_value(json!({
        "name": table.name, "space": table.space,
        "sampler": {"kind": "random", "seed": seed}, "budget": {"configs": n_results},
    }))?;
    let mut study = Study::new(&sweep)?;
    let mut past = Vec::new();
    for number in 0..n_results {
        let overlay = study.ask(number).context("the budget is not used up")?;
        let value = table.draw(table.cell(&overlay)?, seed, number);
        let entry = Past {
            number,
            overlay,
            state: PastState::Scored {
                values: vec![value],
                n_seeds: 1,
                cost_s: 0.0,
            },
            origin: Origin::Own,
        };
        study.tell(&entry);
        past.push(entry);
    }
    let report = importance::explain(&sweep, &past, 0, seed)?.context("enough results")?;

    let (long_sweep, long_past) = latency::long_past(N_LONG)?;
    let mut fastest_ms = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        importance::explain(&long_sweep, &long_past, 0, seed)?.context("enough results")?;
        fastest_ms = fastest_ms.min(1e3 * started.elapsed().as_secs_f64());
    }
    eprintln!("importance of ten parameters by {N_LONG} trials: {fastest_ms:.0} ms");

    let results: Vec<Value> = past
        .iter()
        .map(|past| match &past.state {
            PastState::Scored { values, .. } => {
                json!({"overlay": past.overlay, "value": values[0]})
            }
            _ => Value::Null,
        })
        .collect();
    let written = json!({
        "table": table.name, "results": results, "ours": report, "ms_at_10000": fastest_ms,
    });
    serde_json::to_writer(File::create(out)?, &written)?;
    Ok(())
}
