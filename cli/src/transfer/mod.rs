//! `cultivar transfer`: trains what a transfer study still lacks, opens the test split for its finalists where that
//! was asked for, and prints what came out.

mod plan;
mod report;
mod study;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use cultivar_client::{Client, TrialFilter};
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::Input;
use cultivar_spec::wire::{NewEvaluation, TransferReport};
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec, TrialState};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::numbers::counted;
use crate::session::Session;
use crate::watch::{self, Tally};
use plan::Known;
use study::{Asked, Study, StudyFile};

/// Kept with every opening of the test split.
const REASON: &str = "transfer study";
/// Trials read at a time.
const READ_AHEAD: usize = 16;
/// How often trials and evaluations outside a sweep are asked about.
const POLL: Duration = Duration::from_secs(2);

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
        let detail = client.dataset(dataset).await?;
        let study = prepare(&args, client).await?;
        let runner = Runner {
            session,
            study: &study,
            version: detail.dataset.version,
            weights: weights_of(client, &study.full.base.backbone.name).await?,
        };
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
            runner.evaluate(&ours).await?;
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
                let spec = plan::unpinned(spec, &Input::default());
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

async fn weights_of(client: &Client, backbone: &str) -> anyhow::Result<Sha256Digest> {
    let entries = client.weights().await?;
    let entry = entries.iter().find(|entry| entry.backbone == backbone);
    match entry {
        Some(entry) => Ok(entry.sha256),
        None => bail!(
            "no pretrained weights of {backbone} are registered: cultivar weights add {backbone} FILE.safetensors"
        ),
    }
}

/// Our study before the others, which stay as they were ranked.
fn put_first(report: &mut TransferReport, ours: &[TrialId]) {
    let is_ours = |trials: &[TrialId]| trials.iter().any(|id| ours.contains(id));
    report.studies.sort_by_key(|study| {
        let mut arms = study.pretrained.iter().chain(&study.random);
        !arms.any(|arm| is_ours(&arm.trials))
    });
}

struct Runner<'a> {
    session: &'a Session,
    study: &'a Study,
    /// What the server pins today: runs on other data or weights are other runs.
    version: Sha256Digest,
    weights: Sha256Digest,
}

impl Runner<'_> {
    /// Every trial of the dataset that could belong to the study.
    async fn known(&self) -> anyhow::Result<Vec<Known>> {
        let client = &self.session.client;
        let filter = TrialFilter {
            dataset: Some(self.study.full.base.data.dataset.clone()),
            ..TrialFilter::default()
        };
        let trials = client.all_trials(&filter).await?;
        let details: Vec<_> = stream::iter(trials)
            .map(|trial| client.trial(trial.id))
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        let of_today = |spec: &TrialSpec| {
            spec.data.version == Some(self.version)
                && spec
                    .backbone
                    .weights_sha256
                    .is_none_or(|sha256| sha256 == self.weights)
        };
        let asked = &self.study.full.base.input;
        let known = details.into_iter().filter(|detail| of_today(&detail.spec));
        Ok(known
            .map(|detail| Known {
                id: detail.trial.id,
                state: detail.trial.state,
                val_top1: detail.trial.metrics.get("val_top1").copied(),
                spec: plan::unpinned(detail.spec, asked),
            })
            .collect())
    }

    /// Trains what is missing of a stage and waits for all of it, whoever submitted it.
    async fn train(
        &self,
        stage: &str,
        wanted: impl Fn(&[Known]) -> Vec<TrialSpec>,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let client = &self.session.client;
        let known = self.known().await?;
        let wanted = wanted(&known);
        let missing = plan::missing(wanted.clone(), &known);
        if !self.session.json {
            eprintln!(
                "{stage}: {}, {} there already",
                counted(wanted.len() as u64, "run"),
                wanted.len() - missing.len()
            );
        }
        let name = format!("transfer {}: {stage}", self.study.full.base.data.dataset);
        if !missing.is_empty() {
            let sweep = plan::sweep(&name, &self.study.full.base, &missing);
            let submitted = client.submit_sweep(&sweep).await?;
            let of_stage = watch::sweep(client, submitted.id, self.session.json).await?;
            tally.completed += of_stage.completed;
            tally.failed += of_stage.failed;
        }
        let others = wanted.iter().filter_map(|spec| plan::find(spec, &known));
        for other in others.filter(|known| !known.state.is_terminal()) {
            self.settled(other.id).await?;
        }
        Ok(())
    }

    /// Waits for a trial that is under way in somebody else's sweep.
    async fn settled(&self, id: TrialId) -> anyhow::Result<TrialState> {
        loop {
            let state = self.session.client.trial(id).await?.trial.state;
            if state.is_terminal() {
                return Ok(state);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Opens the test split for the trials that have not seen it, and waits for their predictions.
    async fn evaluate(&self, finalists: &[TrialId]) -> anyhow::Result<()> {
        let client = &self.session.client;
        let mut waiting: BTreeSet<TrialId> = BTreeSet::new();
        for &id in finalists {
            let detail = client.trial(id).await?;
            let is_open =
                |state: TrialState| !matches!(state, TrialState::Failed | TrialState::Cancelled);
            let mut on_test = detail.evaluations.iter().filter(|e| e.split == Split::Test);
            match on_test.find(|evaluation| is_open(evaluation.state)) {
                Some(evaluation) if evaluation.state == TrialState::Completed => continue,
                Some(_) => {}
                None => {
                    let new = NewEvaluation {
                        split: Split::Test,
                        reason: REASON.into(),
                    };
                    client.evaluate(id, &new).await?;
                }
            }
            waiting.insert(id);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if !self.session.json {
            eprintln!(
                "test split: opened for {}",
                counted(waiting.len() as u64, "finalist")
            );
        }
        while let Some(&id) = waiting.first() {
            let detail = client.trial(id).await?;
            let on_test = detail.evaluations.iter().find(|e| e.split == Split::Test);
            match on_test {
                Some(evaluation) if !evaluation.state.is_terminal() => {
                    tokio::time::sleep(POLL).await
                }
                Some(evaluation) => {
                    if let Some(error) = &evaluation.error {
                        eprintln!("{} was not evaluated on test: {error}", detail.trial.label);
                    }
                    waiting.remove(&id);
                }
                None => bail!("the evaluation of trial {id} on test is gone"),
            }
        }
        Ok(())
    }
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
