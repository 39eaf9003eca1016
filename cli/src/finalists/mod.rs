//! `cultivar finalists`: a race between the best of a sweep, then the winner beside a baseline on test.

mod baseline;
mod plan;
mod report;
mod test_split;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use cultivar_client::TrialFilter;
use cultivar_spec::trial::Objective;
use cultivar_spec::wire::RaceReport;
use cultivar_spec::{SweepId, TrialSpec};

use crate::session::Session;
use crate::study::plan::unpinned;
use crate::study::runner::Runner;
use crate::watch::Tally;
use baseline::Baseline;
use plan::{MAX_RUNS, Racer, Racers};
use report::Report;
use test_split::Opening;

/// Which of a sweep's best configurations is the best, and whether it beats a baseline
///
/// The best few race: each gets one fresh seed after another until one is shown to be better than all others, or the runs
/// are used up. The winner and the baseline are then trained on training and validation images together, with fresh seeds
/// again, and compared on the test split, whose openings are counted and shown. Where the default recipe names several
/// learning rates, each is run once on validation, and the best goes on. Runs that exist are used, never trained twice:
/// called again, it goes on.
#[derive(Args, Debug)]
pub struct Finalists {
    /// The sweep
    sweep: SweepId,
    /// Configurations that race
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    top: u32,
    /// Of the winner: 0.95 lets one in twenty be wrong
    #[arg(long, default_value_t = 0.95, value_parser = share)]
    confidence: f64,
    /// Runs of the race, all racers together [default: ten a racer]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RUNS)))]
    runs: Option<u32>,
    /// The baseline, a trial spec [default: recipes/default.yaml's fine-tuning, for a head alone the defaults, on the
    /// finalist's backbone, resolution and epochs]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Fresh seeds of the finalist and of the baseline
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    seeds: u32,
    /// Leave the test split closed: only race
    #[arg(long)]
    no_test: bool,
    /// Train nothing: report on what there is
    #[arg(long)]
    no_run: bool,
}

/// # Errors
/// A sweep without a result or of somebody else's code, a baseline that is refused, or a server that does not answer.
pub async fn run(args: Finalists, session: &Session) -> anyhow::Result<ExitCode> {
    let sweep = session.client.sweep(args.sweep).await?;
    let name = &sweep.sweep.name;
    let (racers, last_seed) = racers(&args, session).await?;
    let Some(base) = racers.first().map(|racer| racer.spec.clone()) else {
        bail!("{name} has no completed trial yet");
    };
    if base.is_external() {
        bail!("{name} is trained by somebody else's code, which alone can run it again");
    }
    if !sweep.sweep.finished && !session.json {
        eprintln!("{name} has not ended: its best may still change");
    }
    let used = sweep.spec.seeds.iter().copied().chain([last_seed]);
    let racers = Racers {
        first_seed: used.max().map_or(0, |seed| seed + 1),
        confidence: args.confidence,
        max_runs: args.runs.unwrap_or(10 * racers.len() as u32),
        racers,
    };
    let runner = Runner::new(session, "finalists", &base).await?;
    let mut tally = Tally::default();
    let race = race(&args, session, &racers, &runner, &mut tally).await?;
    let mut on_test = None;
    if let Some(finalist) = racers.finalist(&race).filter(|_| !args.no_test) {
        let opening = Opening {
            session,
            runner: &runner,
            finalist,
            baseline: match &args.against {
                Some(path) => Baseline::read(path, finalist)?,
                None => Baseline::shipped(finalist)?,
            },
            selection_seed: racers.selection_seed(),
            seeds: racers.test_seeds(args.seeds),
        };
        if !args.no_run {
            opening.train(&mut tally).await?;
        }
        on_test = opening.compare().await?;
    }
    let report = Report {
        sweep: name.clone(),
        metric: base.objective.metric.name().into(),
        confidence: args.confidence,
        race,
        on_test,
    };
    session.print(&report, report::render)?;
    Ok(if tally.failed > 0 {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// The best of the sweep with their labels, as specs to run again, and the largest seed that any of its trials had: its space
/// may have given more than the sweep lists.
async fn racers(args: &Finalists, session: &Session) -> anyhow::Result<(Vec<Racer>, u64)> {
    let client = &session.client;
    let filter = TrialFilter {
        sweep: Some(args.sweep),
        ..TrialFilter::default()
    };
    let trials = client.all_trials(&filter).await?;
    let objective = match trials.first() {
        Some(trial) => client.trial(trial.id).await?.spec.objective,
        None => Objective::default(),
    };
    let mut found = Vec::new();
    for id in plan::leaders(&trials, &objective, args.top as usize) {
        let detail = client.trial(id).await?;
        // What the spec says of its pixels is what it means, wherever it was resolved.
        let input = detail.spec.input.clone();
        found.push((detail.trial.label, unpinned(detail.spec, &input)));
    }
    let last_seed = trials.iter().map(|trial| trial.seed).max();
    Ok((Racer::named(found), last_seed.unwrap_or_default()))
}

/// Trains round after round until the server says that the race is over; or only asks how it stands.
async fn race(
    args: &Finalists,
    session: &Session,
    racers: &Racers,
    runner: &Runner<'_>,
    tally: &mut Tally,
) -> anyhow::Result<RaceReport> {
    let mut n_ended = None;
    loop {
        let asked = racers.asked(&runner.known().await?);
        let report = session.client.race(&asked).await?;
        let owed: Vec<TrialSpec> = racers.owed(&report);
        let Some(first) = owed.first().filter(|_| !args.no_run) else {
            return Ok(report);
        };
        let round = first.fit.seed - racers.first_seed + 1;
        if n_ended == Some(plan::n_ended(&report)) {
            bail!("round {round} of the race was cancelled");
        }
        n_ended = Some(plan::n_ended(&report));
        let stage = format!("race, round {round}");
        runner.train(&stage, |_| owed.clone(), tally).await?;
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.5..1.0).contains(&share) => Ok(share),
        _ => Err("want a number from 0.5 to below 1".into()),
    }
}
