//! `cultivar finalists`: a race between the best of a sweep, then the winner beside a baseline on test.

mod plan;
mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use cultivar_client::TrialFilter;
use cultivar_search::racing::{Rules, Standing};
use cultivar_spec::trial::Objective;
use cultivar_spec::wire::{Compare, CompareArm, CompareReport};
use cultivar_spec::{SweepId, TrialId, TrialSpec, TrialState, check};

use crate::session::Session;
use crate::study::plan::{Known, find};
use crate::study::runner::Runner;
use crate::watch::Tally;
use crate::yaml;
use plan::Race;
use report::{Outcome, Racer, Report};

/// Kept with every opening of the test split.
const REASON: &str = "finalists";
/// The arms of the comparison on test.
const BASELINE: &str = "baseline";
const FINALIST: &str = "finalist";

/// Which of a sweep's best configurations is the best, and whether it beats a baseline
///
/// The best few race: each gets one fresh seed after another until one is shown to be better than all others, or the runs
/// are used up. The winner and the baseline are then trained on training and validation images together, with fresh seeds
/// again, and compared on the test split, whose openings are counted and shown. Runs that exist are used, never trained
/// twice: called again, it goes on.
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: Option<u32>,
    /// The baseline, a trial spec [default: the default recipe, on the finalist's backbone and budget]
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

pub async fn run(args: Finalists, session: &Session) -> anyhow::Result<ExitCode> {
    let sweep = session.client.sweep(args.sweep).await?;
    let found = racers(&args, session).await?;
    let Some((_, first)) = found.first() else {
        bail!("{} has no completed trial yet", sweep.sweep.name);
    };
    if first.is_external() {
        bail!(
            "{} is trained by somebody else's code, which alone can run it again",
            sweep.sweep.name
        );
    }
    let base = first.clone();
    let used = sweep
        .spec
        .seeds
        .iter()
        .chain(found.iter().map(|(_, spec)| &spec.fit.seed));
    let race = Race {
        first_seed: used.max().map_or(0, |seed| seed + 1),
        rules: Rules {
            confidence: args.confidence,
            max_runs: args.runs.map_or(10 * found.len(), |runs| runs as usize),
        },
        racers: found.iter().map(|(_, spec)| spec.clone()).collect(),
    };
    let runner = Runner::new(session, "finalists", &base).await?;
    let mut tally = Tally::default();
    if !args.no_run {
        run_race(&race, &runner, &mut tally).await?;
    }
    let known = runner.known().await?;
    let standing = race.standing(&known);
    let labels: Vec<String> = found.into_iter().map(|(label, _)| label).collect();
    let mut report = report_race(
        &sweep.sweep.name,
        &race,
        &labels,
        &known,
        standing.as_ref(),
        &base.objective,
    );
    let best = match standing {
        Some(Standing::Separated { winner }) => Some(winner),
        Some(Standing::Undecided { leader, .. }) => Some(leader),
        Some(Standing::Running { .. }) | None => None,
    };
    if let Some(best) = best.filter(|_| !args.no_test) {
        let finalist = &race.racers[best];
        report.on_test = on_test(&args, session, &runner, &race, finalist, &mut tally).await?;
    }
    session.print(&report, report::render)?;
    Ok(if tally.failed > 0 {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// The best of the sweep with their labels, as specs to run again.
async fn racers(args: &Finalists, session: &Session) -> anyhow::Result<Vec<(String, TrialSpec)>> {
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
        found.push((
            detail.trial.label,
            crate::study::plan::unpinned(detail.spec, &input),
        ));
    }
    Ok(found)
}

/// Trains round after round until the race is over.
async fn run_race(race: &Race, runner: &Runner<'_>, tally: &mut Tally) -> anyhow::Result<()> {
    let mut known = runner.known().await?;
    loop {
        let owed = race.owed(&known);
        let Some(first) = owed.first() else {
            return Ok(());
        };
        let round = first.fit.seed - race.first_seed + 1;
        let before = race.scores(&known);
        let stage = format!("race, round {round}");
        runner
            .train(&stage, |known| race.owed(known), tally)
            .await?;
        known = runner.known().await?;
        // Bits, since a failed run's NaN equals nothing.
        let bits = |scores: Vec<Vec<f64>>| -> Vec<Vec<u64>> {
            let row = |scores: Vec<f64>| scores.into_iter().map(f64::to_bits).collect();
            scores.into_iter().map(row).collect()
        };
        if bits(before) == bits(race.scores(&known)) {
            bail!("round {round} of the race was cancelled");
        }
    }
}

fn report_race(
    name: &str,
    race: &Race,
    labels: &[String],
    known: &[Known],
    standing: Option<&Standing>,
    objective: &Objective,
) -> Report {
    let scores = race.scores(known);
    let label = |idx: &usize| labels[*idx].clone();
    let racers = labels.iter().zip(&scores).map(|(label, scores)| Racer {
        label: label.clone(),
        values: scores
            .iter()
            .map(|score| plan::signed(*score, objective))
            .collect(),
    });
    Report {
        sweep: name.to_owned(),
        metric: objective.metric.name().into(),
        confidence: race.rules.confidence,
        racers: racers.collect(),
        outcome: match standing {
            Some(Standing::Separated { winner }) => Outcome::Separated {
                winner: label(winner),
            },
            Some(Standing::Undecided { leader, rivals }) => Outcome::Undecided {
                leader: label(leader),
                rivals: rivals.iter().map(label).collect(),
            },
            Some(Standing::Running { next }) => Outcome::Running {
                owed: next.iter().map(label).collect(),
            },
            None => Outcome::AllFailed {},
        },
        on_test: None,
    }
}

/// Refits the finalist and the baseline, opens the test split for each run once, and compares; `None` while runs are missing.
async fn on_test(
    args: &Finalists,
    session: &Session,
    runner: &Runner<'_>,
    race: &Race,
    finalist: &TrialSpec,
    tally: &mut Tally,
) -> anyhow::Result<Option<CompareReport>> {
    let baseline = match &args.against {
        Some(path) => {
            let mut spec =
                check::trial(&yaml::read(path)?).with_context(|| path.display().to_string())?;
            spec.write_out_defaults();
            spec
        }
        None => plan::default_recipe(finalist),
    };
    if baseline.data.dataset != finalist.data.dataset {
        bail!(
            "the baseline is on {:?}, the sweep on {:?}",
            baseline.data.dataset,
            finalist.data.dataset
        );
    }
    let arms = BTreeMap::from([(BASELINE, &baseline), (FINALIST, finalist)]);
    let runs = |spec: &TrialSpec| -> Vec<TrialSpec> {
        let seeds = race.fresh_seeds(args.seeds.into());
        seeds.map(|seed| plan::refit(spec, seed)).collect()
    };
    if !args.no_run {
        let wanted: Vec<TrialSpec> = arms.values().flat_map(|spec| runs(spec)).collect();
        runner
            .train("refit on train and val", |_| wanted.clone(), tally)
            .await?;
    }
    let known = runner.known().await?;
    let completed = |spec: &TrialSpec| -> Vec<TrialId> {
        let runs = runs(spec);
        let found = runs.iter().filter_map(|run| find(run, &known));
        let done = found.filter(|known| known.state == TrialState::Completed);
        done.map(|known| known.id).collect()
    };
    let arms: Vec<CompareArm> = arms
        .iter()
        .map(|(name, spec)| CompareArm {
            name: (*name).to_owned(),
            trials: completed(spec),
        })
        .collect();
    if arms.iter().any(|arm| arm.trials.is_empty()) {
        return Ok(None);
    }
    if !args.no_run {
        let trials: Vec<TrialId> = arms.iter().flat_map(|arm| arm.trials.clone()).collect();
        runner.evaluate(&trials, REASON).await?;
    }
    let asked = Compare {
        dataset: finalist.data.dataset.clone(),
        metric: "test_top1".into(),
        arms,
    };
    Ok(Some(session.client.compare(&asked).await?))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.5..1.0).contains(&share) => Ok(share),
        _ => Err("want a number from 0.5 to below 1".into()),
    }
}
