//! Sweeps over recorded tables.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
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

/// Runs what `out` does not hold yet, the seeds in order, on every core, until the time is up.
pub fn all(
    tables: &[Table],
    samplers: &[String],
    seeds: Range<u64>,
    out: &Path,
    limit: Duration,
) -> Result<()> {
    if tables.is_empty() {
        bail!("no *.json.gz table there; set HPO_TABLES to the folder that holds them");
    }
    let started = Instant::now();
    let mut done = HashSet::new();
    if out.exists() {
        for line in std::fs::read_to_string(out)?.lines() {
            let line: Line = serde_json::from_str(line).context("a line of an earlier run")?;
            done.insert((line.table, line.sampler, line.seed));
        }
    }
    let mut left = Vec::new();
    for seed in seeds {
        for sampler in samplers {
            for table in tables {
                if !done.contains(&(table.name.clone(), sampler.clone(), seed)) {
                    left.push((table, sampler, seed));
                }
            }
        }
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = Mutex::new(OpenOptions::new().create(true).append(true).open(out)?);
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while started.elapsed() < limit
            && let Some((table, sampler, seed)) = left.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let line = serde_json::to_string(&run(table, sampler, *seed)?)? + "\n";
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(line.as_bytes())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let n_threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(|worker| worker.join());
        ended.try_for_each(|ended| ended.map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    let n_done = next.into_inner().min(left.len());
    eprintln!(
        "{n_done} of {} runs in {:.0} s",
        left.len(),
        started.elapsed().as_secs_f64()
    );
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
