//! Breaks a running system in every way we know, by a seeded plan, and checks that nothing was lost, counted twice or
//! left unsettled: `make chaos SEED=7 FAULTS=100`.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `fault` | kinds of faults, the plan of a seed, the tally of what each met |
//! | `system` | servers, workers and Postgres as processes, and the hurting of them |
//! | `launch`, `clock` | their command lines, and the clocks they go by |
//! | `proxy`, `http` | the network between them: loses, delays and repeats |
//! | `history` | every call and its answer |
//! | `load` | trials to train meanwhile |
//! | `checker` | I1 to I6 over history, database and disk |
//! | `real` | another run: real trainers, killed at random steps |
//!
//! Trainers only pretend (`worker/examples/fake_trainer.rs`), so that a thousand trials take minutes; each comes to a
//! model that is a function of its seed, however often it was interrupted. The plan repeats with its seed; which
//! instruction of a process a fault meets does not. Servers and workers are started again with wall clocks that are hours or
//! days off, each by another time, and keep them through what follows, the settling included: every time that
//! counts is to be the database's, or a difference of one process' monotonic clock.

mod checker;
mod clock;
mod fault;
mod history;
mod http;
mod launch;
mod load;
mod proxy;
mod real;
mod system;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use checker::Stored;
use clap::Parser;
use system::{LEASE_S, System};

/// Two leases, the longest wait before a retry with its jitter, and a trial: I6.
const SETTLE: Duration = Duration::from_secs(2 * LEASE_S as u64 + 75 + 10);
/// How often quarantined workers are released, as an admin would.
const ROUNDS: Duration = Duration::from_secs(2);

#[derive(Parser)]
struct Args {
    /// Of the plan
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 100)]
    faults: usize,
    /// Trials to train meanwhile [default: ten a fault]
    #[arg(long)]
    trials: Option<usize>,
    /// Instead, kill the trainers of this many real trials once each and compare what they come to with
    /// undisturbed ones
    #[arg(long, value_name = "TRIALS")]
    real: Option<usize>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let folder = tempfile::Builder::new()
        .prefix("cultivar-chaos")
        .tempdir()?;
    let wrong = match args.real {
        Some(n_trials) => runtime.block_on(real::run(args.seed, n_trials, folder.path())),
        None => runtime.block_on(run(&args, folder.path())),
    };
    if matches!(&wrong, Ok(wrong) if wrong.is_empty()) {
        return Ok(ExitCode::SUCCESS);
    }
    let kept = folder.keep();
    println!("history and logs are kept in {}", kept.display());
    for line in wrong? {
        println!("WRONG: {line}");
    }
    Ok(ExitCode::FAILURE)
}

/// One run; returns everything that is not as it must be.
async fn run(args: &Args, dir: &Path) -> anyhow::Result<Vec<String>> {
    let n_trials = args.trials.unwrap_or(10 * args.faults);
    let started = Instant::now();
    let mut system = System::start(dir, n_trials).await?;
    let client = load::client(&system.submit_proxy.url(), &system.token)?;
    load::register(&client, dir).await?;
    system.start_workers();

    let done = Arc::new(AtomicUsize::new(0));
    let load = tokio::spawn(load::run(
        client.clone(),
        system.pool.clone(),
        args.seed,
        n_trials,
        done.clone(),
        args.faults,
    ));
    let releasing = tokio::spawn(release(client));
    // The first trials are under way before anything breaks.
    system.wait(Duration::from_secs(2)).await?;
    for fault in fault::plan(args.seed, args.faults) {
        system.wait(fault.after).await?;
        system.inject(&fault).await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    system.heal().await?;
    let n_seconds = started.elapsed().as_secs();
    while !load.is_finished() {
        system.wait(Duration::from_millis(100)).await?;
    }
    let submitted = load.await?.context("the load was given up")?;
    let settled = settle(&mut system).await?;
    releasing.abort();
    // Requests that were to be sent again later have been by then.
    system.wait(Duration::from_secs_f64(3.0 * LEASE_S)).await?;
    system.dismiss_workers().await;

    let stored = Stored::read(&system.pool).await?;
    let calls = system.history.calls();
    let mut wrong = checker::check(&stored, &submitted, &calls, &system.home);
    if !settled {
        wrong.insert(
            0,
            format!("I6: nothing settled for {SETTLE:?} after the last fault"),
        );
    }
    if system.n_deserters > 0 {
        wrong.push(format!(
            "{} workers ended by themselves",
            system.n_deserters
        ));
    }
    println!(
        "seed {}, {} faults in {n_seconds} s",
        args.seed, args.faults
    );
    print!("{}", system.tally.table());
    if let Some(reason) = &system.no_disk {
        println!("the servers' disk cannot be filled here: {reason}");
    }
    if let Err(reason) = &system.faketime {
        println!("no clock can be set wrong here: {reason}");
    }
    println!(
        "{}",
        summary(&stored, calls.iter().filter(|call| call.delivered).count())
    );
    println!("{} violations", wrong.len());
    Ok(wrong)
}

/// Waits until all is settled. False where for the length that I6 allows nothing more settles.
async fn settle(system: &mut System) -> anyhow::Result<bool> {
    let mut last = (i64::MAX, Instant::now());
    while last.1.elapsed() < SETTLE {
        let unsettled: Result<i64, _> = sqlx::query_scalar(
            "SELECT count(*) FROM trial WHERE state IN ('queued', 'running', 'paused')",
        )
        .fetch_one(&system.pool)
        .await;
        match unsettled {
            Ok(0) => return Ok(true),
            Ok(n) if n < last.0 => last = (n, Instant::now()),
            _ => {}
        }
        system.wait(Duration::from_millis(200)).await?;
    }
    Ok(false)
}

/// Workers whose disk was full may be put aside; somebody lets them go on.
async fn release(client: cultivar_client::Client) {
    loop {
        for worker in client.workers().await.unwrap_or_default() {
            if let Some(reason) = worker.quarantine_reason {
                println!("releasing {}: {reason}", worker.name);
                // The next round is the next try.
                client.release_worker(worker.id).await.unwrap_or_default();
            }
        }
        tokio::time::sleep(ROUNDS).await;
    }
}

fn summary(stored: &Stored, n_acknowledged: usize) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in &stored.trials {
        *states.entry(&trial.state).or_default() += 1;
    }
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for attempt in &stored.attempts {
        let outcome = attempt.outcome.as_deref().unwrap_or("open");
        *outcomes.entry(outcome).or_default() += 1;
    }
    let resumed = stored.attempts.iter();
    let n_resumed = resumed
        .filter(|attempt| attempt.resumed_from_step > 0)
        .count();
    format!(
        "{} trials: {}\n{} attempts, {n_resumed} of them resumed at a step > 0: {}\n{n_acknowledged} calls acknowledged, {} writes of superseded leases kept aside",
        stored.trials.len(),
        words(&states),
        stored.attempts.len(),
        words(&outcomes),
        stored.n_aside,
    )
}

fn words(counts: &BTreeMap<&str, usize>) -> String {
    let words: Vec<_> = counts
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    words.join(", ")
}
