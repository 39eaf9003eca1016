//! Sweeps over recorded tables.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cultivar_search::sampler::{Origin, Past, PastState, Study};
use cultivar_spec::SweepSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::table::Table;

/// Trials after which the regret is read off.
const BUDGETS: [u32; 3] = [25, 50, 100];

/// What one run gave; the regrets by number of trials.
#[derive(Serialize, Deserialize)]
struct Line {
    table: String,
    sampler: String,
    seed: u64,
    ask_ms: f64,
    /// Of the cell that the sweep recommends.
    recommended: BTreeMap<String, f64>,
    /// Of the cell with the best single result, which is what Optuna returns.
    observed: BTreeMap<String, f64>,
}

/// Runs what `out` does not hold yet.
pub fn all(tables: &[Table], samplers: &[String], seeds: Range<u64>, out: &Path) -> Result<()> {
    if tables.is_empty() {
        bail!("no *.json.gz table there; set HPO_TABLES to the folder that holds them");
    }
    let mut done = HashSet::new();
    if out.exists() {
        for line in std::fs::read_to_string(out)?.lines() {
            let line: Line = serde_json::from_str(line).context("a line of an earlier run")?;
            done.insert((line.table, line.sampler, line.seed));
        }
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(out)?;
    for seed in seeds {
        for sampler in samplers {
            for table in tables {
                if !done.contains(&(table.name.clone(), sampler.clone(), seed)) {
                    writeln!(
                        file,
                        "{}",
                        serde_json::to_string(&run(table, sampler, seed)?)?
                    )?;
                }
            }
        }
        eprintln!("seed {seed} is done");
    }
    Ok(())
}

/// A trial that was asked for.
struct Asked {
    number: u32,
    overlay: Value,
    cell: usize,
}

fn run(table: &Table, sampler: &str, seed: u64) -> Result<Line> {
    let (kind, in_flight) = match sampler.split_once('@') {
        Some((kind, in_flight)) => (kind, in_flight.parse()?),
        None => (sampler, 1_usize),
    };
    let [.., n_trials] = BUDGETS;
    let sweep: SweepSpec = serde_json::from_value(json!({
        "name": table.name, "space": table.space,
        "sampler": {"kind": kind, "seed": seed}, "budget": {"configs": n_trials},
    }))?;
    let mut study = Study::new(&sweep)?;
    let mut line = Line {
        table: table.name.clone(),
        sampler: sampler.into(),
        seed,
        ask_ms: 0.0,
        recommended: BTreeMap::new(),
        observed: BTreeMap::new(),
    };
    let mut asking = Duration::ZERO;
    let mut cells = Vec::new();
    let mut waiting: VecDeque<Asked> = VecDeque::new();
    let mut best: (f64, usize) = (f64::NEG_INFINITY, 0);
    for n_finished in 1..=n_trials {
        // Workers take equally long, so results arrive in the order of the questions.
        while waiting.len() < in_flight && (cells.len() as u32) < n_trials {
            let number = cells.len() as u32;
            let started = Instant::now();
            let overlay = study.ask(number).context("the budget is not used up")?;
            asking += started.elapsed();
            let cell = table.cell(&overlay)?;
            cells.push(cell);
            study.tell(&past(number, &overlay, PastState::Pending {}));
            waiting.push_back(Asked {
                number,
                overlay,
                cell,
            });
        }
        let asked = waiting.pop_front().context("a trial is in flight")?;
        let value = table.draw(asked.cell, seed, asked.number);
        let state = PastState::Scored {
            values: vec![value],
            n_seeds: 1,
            cost_s: 0.0,
        };
        study.tell(&past(asked.number, &asked.overlay, state));
        if value > best.0 {
            best = (value, asked.cell);
        }
        if BUDGETS.contains(&n_finished) {
            let recommended = study.recommend().context("results are scored")?;
            let regret = table.regret(cells[recommended as usize]);
            line.recommended.insert(n_finished.to_string(), regret);
            line.observed
                .insert(n_finished.to_string(), table.regret(best.1));
        }
    }
    line.ask_ms = 1e3 * asking.as_secs_f64() / f64::from(n_trials);
    Ok(line)
}

fn past(number: u32, overlay: &Value, state: PastState) -> Past {
    Past {
        number,
        overlay: overlay.clone(),
        state,
        origin: Origin::Own,
    }
}
