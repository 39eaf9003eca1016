//! `cultivar ablate`: trains what an ablation still lacks, opens the test split for its fresh seeds, and says which
//! methods help.

mod plan;
mod recipe;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use cultivar_spec::wire::{Compare, CompareArm};

use crate::session::Session;
use crate::study::runner::Runner;
use crate::watch::Tally;
use plan::Finalists;
use recipe::{Ablation, Asked, RecipeFile};
use report::{Report, Row};

/// Kept with every opening of the test split.
const REASON: &str = "ablation";

/// Which methods help: a baseline, each method alone, and all together
///
/// Every arm gets the same epochs, resolution and number of learning-rate trials. The rate is chosen on validation with
/// one seed; arms are then compared on fresh seeds, and on the test split, whose openings are counted and shown. Runs
/// that exist are used, never trained twice: called again, it goes on.
#[derive(Args, Debug)]
pub struct Ablate {
    /// The dataset
    dataset: String,
    /// A recipe file: base (a trial spec), methods, combination, lrs, selection_seed, seeds, each_removed
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Epochs of every run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Learning rates each arm tries
    #[arg(long = "lr", value_delimiter = ',', value_name = "LR,LR")]
    lrs: Vec<f64>,
    /// Fresh seeds, at least five
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    seeds: Vec<u64>,
    /// Compare the combination without each of its methods too
    #[arg(long)]
    each_removed: bool,
    /// Leave the test split closed, and compare on validation
    #[arg(long)]
    no_test: bool,
    /// Train nothing: report on what there is
    #[arg(long)]
    no_run: bool,
}

pub async fn run(args: Ablate, session: &Session) -> anyhow::Result<ExitCode> {
    let file = match &args.recipe {
        Some(path) => RecipeFile::read(path)?,
        None => RecipeFile::default(),
    };
    let asked = Asked {
        epochs: args.epochs,
        lrs: args.lrs.clone(),
        seeds: args.seeds.clone(),
        each_removed: args.each_removed,
    };
    let ablation = recipe::resolve(&args.dataset, file, &asked)?;
    let runner = Runner::new(session, "ablate", ablation.base()).await?;
    let mut tally = Tally::default();
    if !args.no_run {
        runner
            .train("learning rates", |_| plan::grid(&ablation), &mut tally)
            .await?;
        runner
            .train(
                "fresh seeds",
                |known| plan::fresh(&ablation, known),
                &mut tally,
            )
            .await?;
    }
    let known = runner.known().await?;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for arm in &ablation.arms {
        match plan::finalists(&ablation, arm, &known) {
            Some(finalists) => found.push(finalists),
            None => missing.push(arm.name.clone()),
        }
    }
    if !args.no_test && !args.no_run {
        let trials = found.iter().flat_map(|arm| arm.trials.iter().copied());
        runner.evaluate(&trials.collect::<Vec<_>>(), REASON).await?;
    }
    let metric = if args.no_test {
        "val_top1"
    } else {
        "test_top1"
    };
    let report = compare(session, metric, &ablation, found, missing).await?;
    session.print(&report, report::render)?;
    Ok(if tally.failed > 0 {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// Asks the server for the differences and puts them beside what each arm was.
async fn compare(
    session: &Session,
    metric: &str,
    ablation: &Ablation,
    found: Vec<Finalists>,
    missing: Vec<String>,
) -> anyhow::Result<Report> {
    if found.len() < 2 || found[0].name != recipe::BASELINE {
        bail!(
            "nothing to compare yet: {} without a completed run on a fresh seed",
            missing.join(", ")
        );
    }
    let base = ablation.base();
    let asked = Compare {
        dataset: base.data.dataset.clone(),
        metric: metric.into(),
        arms: found
            .iter()
            .map(|arm| CompareArm {
                name: arm.name.clone(),
                trials: arm.trials.clone(),
            })
            .collect(),
        selected: false,
    };
    let answer = session.client.compare(&asked).await?;
    let rows = found.into_iter().zip(answer.arms);
    Ok(Report {
        dataset: answer.dataset,
        metric: answer.metric,
        lrs: ablation.lrs.clone(),
        epochs: base.fit.epochs,
        resolution: base.fit.resolution,
        arms: rows
            .map(|(arm, compared)| Row {
                name: arm.name,
                lr: arm.lr,
                trials: arm.trials,
                top1: compared.top1,
                vs_baseline: compared.vs_first,
            })
            .collect(),
        missing,
    })
}
