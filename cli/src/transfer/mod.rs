//! `cultivar transfer`: trains what a transfer study still lacks, opens the test split for its finalists where that
//! was asked for, and prints what came out.

mod plan;
mod report;
mod study;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use cultivar_client::Client;
use cultivar_spec::TrialId;
use cultivar_spec::trial::Input;
use cultivar_spec::wire::TransferReport;

use crate::session::Session;
use crate::study::plan::unpinned;
use crate::study::runner::Runner;
use crate::watch::Tally;
use study::{Asked, Study, StudyFile};

/// Kept with every opening of the test split.
const REASON: &str = "transfer study";

/// What pretrained weights are worth: start, slope and asymptote
///
/// Pretrained weights against random ones in matched arms, each arm with a learning rate of its own.
///
/// Trains what is missing: both arms over a grid of learning rates at the longest budget, then, at the rate
/// that validation chose for each arm, the other seeds and the shorter budgets; and linear heads on both
/// frozen backbones. Runs that exist are used, never trained twice.
#[derive(Args, Debug)]
pub struct Transfer {
    /// The dataset
    dataset: String,
    /// A study file: base (a trial spec), lrs, epochs, seeds, heads
    /// [default: goes on from the largest study there is]
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Budgets in epochs, such as 1,2,4
    #[arg(long, value_delimiter = ',', value_name = "N,N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Vec<u32>,
    /// Learning rates each arm tries
    #[arg(long = "lr", value_delimiter = ',', value_name = "LR,LR")]
    lrs: Vec<f64>,
    /// Seeds; learning rates are chosen with the first
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    seeds: Vec<u64>,
    /// Train the shorter budgets from random weights too: needed to call the difference an asymptote
    #[arg(long)]
    all_budgets: bool,
    /// Open the test split for the finalists; the openings are counted and shown
    #[arg(long)]
    test: bool,
    /// Train nothing: report on what there is
    #[arg(long, conflicts_with = "test")]
    no_run: bool,
}

pub async fn run(args: Transfer, session: &Session) -> anyhow::Result<ExitCode> {
    let client = &session.client;
    let dataset = args.dataset.as_str();
    let mut ours = Vec::new();
    let mut tally = Tally::default();
    if !args.no_run {
        let study = prepare(&args, client).await?;
        let runner = Runner::new(session, "transfer", &study.full.base).await?;
        runner.needs_weights(&study.full.base.backbone.name)?;
        runner
            .train("learning rates", |_| plan::grid(&study), &mut tally)
            .await?;
        runner
            .train(
                "seeds and budgets",
                |known| plan::rest(&study, known),
                &mut tally,
            )
            .await?;
        let known = runner.known().await?;
        ours = plan::finalists(&study, &known);
        if args.test {
            runner.evaluate(&ours, REASON).await?;
        }
    }
    let mut report = client.transfer(dataset).await?;
    put_first(&mut report, &ours);
    session.print(&report, report::render)?;
    Ok(if tally.failed > 0 {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// The study that was asked for, or the largest there is gone on with.
async fn prepare(args: &Transfer, client: &Client) -> anyhow::Result<Study> {
    let file = match &args.base {
        Some(path) => StudyFile::read(path)?,
        None => match client.transfer(&args.dataset).await?.studies.first() {
            Some(found) => {
                let arms = || found.pretrained.iter().chain(&found.random);
                let trial = arms().flat_map(|arm| &arm.trials).next();
                let trial = trial.context("a study holds trials")?;
                let spec = client.trial(*trial).await?.spec;
                let spec = unpinned(spec, &Input::default());
                let lrs = arms()
                    .flat_map(|arm| arm.lrs_tried.iter().copied())
                    .collect();
                StudyFile::of_runs(&spec, lrs, arms().map(|arm| arm.epochs).collect())
            }
            None => StudyFile::default(),
        },
    };
    let asked = Asked {
        epochs: args.epochs.clone(),
        lrs: args.lrs.clone(),
        seeds: args.seeds.clone(),
        all_budgets: args.all_budgets,
    };
    study::resolve(&args.dataset, file, asked)
}

/// Our study before the others, which stay as they were ranked.
fn put_first(report: &mut TransferReport, ours: &[TrialId]) {
    let is_ours = |trials: &[TrialId]| trials.iter().any(|id| ours.contains(id));
    report.studies.sort_by_key(|study| {
        let mut arms = study.pretrained.iter().chain(&study.random);
        !arms.any(|arm| is_ours(&arm.trials))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_study_comes_first_and_the_others_keep_their_order() {
        let (a, b, c) = (TrialId::new(), TrialId::new(), TrialId::new());
        let mut report = report::example();
        let study = report.studies[0].clone();
        report.studies = [a, b, c]
            .map(|id| {
                let mut study = study.clone();
                study.random.clear();
                study.pretrained.truncate(1);
                study.pretrained[0].trials = vec![id];
                study
            })
            .into();
        put_first(&mut report, &[b]);
        let order: Vec<TrialId> = report
            .studies
            .iter()
            .map(|s| s.pretrained[0].trials[0])
            .collect();
        assert_eq!(order, [b, a, c]);
    }
}
