//! `cultivar tune`: what to do with an unknown dataset. Ranks backbones by a probe on frozen features, fine-tunes the
//! best, and says which model to take.

mod plan;
pub mod recipe;
mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use cultivar_spec::wire::{Compare, CompareArm, ComparedArm, Comparison};

use crate::session::Session;
use crate::study::plan::Known;
use crate::study::runner::Runner;
use crate::watch::Tally;
use plan::{Finalist, Probed};
use recipe::{RecipeFile, Tuning};
use report::{Probe, Report, Row, Tuned};

/// Kept with every opening of the test split.
const REASON: &str = "tuning";
/// What says which backbone is the best.
const RANKED_BY: &str = "val_top1";

/// Rank backbones by a probe on frozen features, and fine-tune the best
///
/// The probes and the learning rates of both stages are chosen on validation. Backbones whose pretrained weights the
/// server does not have are named and left out. Runs that exist are used, never trained twice: called again, it goes on.
#[derive(Args, Debug)]
pub struct Tune {
    /// The dataset
    dataset: String,
    /// A recipe file: backbones, probe, finetune, top, seeds [default: recipes/default.yaml, which is built in]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Backbones to fine-tune [default: the recipe's, 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    top: Option<u8>,
    /// Open the test split for the finalists and the probe of the best one; the openings are counted and shown
    #[arg(long)]
    test: bool,
    /// Train nothing: report on what there is
    #[arg(long, conflicts_with = "test")]
    no_run: bool,
}

/// # Errors
/// A recipe that is refused, no weights of any of its backbones, nothing to report, or a server that does not answer.
pub async fn run(args: Tune, session: &Session) -> anyhow::Result<ExitCode> {
    let file = RecipeFile::read(args.recipe.as_deref())?;
    let mut tuning = recipe::resolve(&args.dataset, file, args.top.map(usize::from))?;
    let weights = session.client.weights().await?.into_iter();
    let registered: BTreeSet<String> = weights.map(|entry| entry.backbone).collect();
    let left_out = tuning.leave_out(|backbone| registered.contains(backbone));
    let Some(first) = tuning.candidates.first() else {
        bail!("no backbone to tune. {}", report::remedy(&left_out));
    };
    let base = first.tuned.clone();
    let runner = Runner::new(session, "tune", &base).await?;
    let mut tally = Tally::default();
    if !args.no_run {
        runner
            .train("probes", |_| plan::probes(&tuning), &mut tally)
            .await?;
        runner
            .train(
                "fine-tuning",
                |known| plan::rates(&tuning, known),
                &mut tally,
            )
            .await?;
        if tuning.seeds.len() > 1 {
            runner
                .train("seeds", |known| plan::seeds(&tuning, known), &mut tally)
                .await?;
        }
    }
    let known = runner.known().await?;
    let finalists = plan::finalists(&tuning, &known);
    if args.test {
        let arms = arms(&finalists);
        let trials = arms.iter().flat_map(|arm| arm.trials.iter().copied());
        runner.evaluate(&trials.collect::<Vec<_>>(), REASON).await?;
    }
    let compared = Compared::ask(session, &args, &finalists).await?;
    let report = report_of(&tuning, &known, finalists, compared, left_out)?;
    session.print(&report, report::render)?;
    Ok(if tally.failed > 0 {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// The fine-tuned backbones, best first, and the best one's probe: each is held against the first.
fn arms(finalists: &[Finalist<'_>]) -> Vec<CompareArm> {
    let tuned = finalists.iter().map(|finalist| CompareArm {
        name: finalist.probed.candidate.backbone.clone(),
        trials: finalist.trials.clone(),
    });
    let probe = finalists.first().map(|best| CompareArm {
        name: format!("probe of {}", best.probed.candidate.backbone),
        trials: best.probed.trials.clone(),
    });
    tuned.chain(probe).collect()
}

/// What the server computed of the arms, in their order; nothing where nothing is fine-tuned.
#[derive(Default)]
struct Compared {
    val: Vec<ComparedArm>,
    /// Where the test split was opened.
    test: Option<Vec<ComparedArm>>,
}

impl Compared {
    async fn ask(
        session: &Session,
        args: &Tune,
        finalists: &[Finalist<'_>],
    ) -> anyhow::Result<Self> {
        if finalists.is_empty() {
            return Ok(Self::default());
        }
        let ask = async |metric: &str| -> anyhow::Result<Vec<ComparedArm>> {
            let asked = Compare {
                dataset: args.dataset.clone(),
                metric: metric.into(),
                arms: arms(finalists),
                selected: metric == RANKED_BY,
            };
            Ok(session.client.compare(&asked).await?.arms)
        };
        Ok(Self {
            val: ask(RANKED_BY).await?,
            test: match args.test {
                true => Some(ask("test_top1").await?),
                false => None,
            },
        })
    }

    /// What differences are read on.
    fn vs_best(&self, idx: usize) -> Option<Comparison> {
        let arms = self.test.as_ref().unwrap_or(&self.val);
        arms.get(idx)?.vs_first
    }
}

/// Puts what was measured beside what each backbone was.
fn report_of(
    tuning: &Tuning,
    known: &[Known],
    finalists: Vec<Finalist<'_>>,
    compared: Compared,
    left_out: Vec<String>,
) -> anyhow::Result<Report> {
    let first = &tuning.candidates[0];
    let dataset = first.tuned.data.dataset.clone();
    let ranked = plan::ranked(tuning, known);
    if ranked.is_empty() {
        bail!("nothing to report yet: no probe on {dataset} has a result");
    }
    let row = |probed: &Probed<'_>, tuned: Option<Tuned>| Row {
        backbone: probed.candidate.backbone.clone(),
        probe: Probe {
            trial: probed.trial,
            trials: probed.trials.clone(),
            lr: probed.lr,
            val_top1: probed.val_top1,
        },
        tuned,
        seconds: plan::seconds(tuning, probed.candidate, known),
    };
    let mut rows = Vec::new();
    for (idx, (finalist, arm)) in finalists.iter().zip(&compared.val).enumerate() {
        let fit = &finalist.probed.candidate.tuned.fit;
        let tuned = Tuned {
            trials: finalist.trials.clone(),
            lr: finalist.lr,
            epochs: fit.epochs,
            resolution: fit.resolution,
            val_top1: arm.top1,
            test_top1: compared.test.as_ref().map(|arms| arms[idx].top1),
            vs_best: compared.vs_best(idx),
        };
        rows.push(row(&finalist.probed, Some(tuned)));
    }
    let has_row = |probed: &&Probed<'_>| {
        rows.iter()
            .any(|row| row.backbone == probed.candidate.backbone)
    };
    let others: Vec<Row> = ranked
        .iter()
        .filter(|probed| !has_row(probed))
        .map(|probed| row(probed, None))
        .collect();
    rows.extend(others);
    let names = tuning
        .candidates
        .iter()
        .map(|candidate| &candidate.backbone);
    let is_missing = |name: &&String| !rows.iter().any(|row| row.backbone == **name);
    Ok(Report {
        metric: match compared.test {
            Some(_) => "test_top1".into(),
            None => "val_top1".into(),
        },
        probe_resolution: first.probe.fit.resolution,
        // The last arm is the best one's probe.
        gain: compared.vs_best(finalists.len()).map(turned),
        missing: names.filter(is_missing).cloned().collect(),
        dataset,
        rows,
        left_out,
    })
}

/// The same difference from the other side.
fn turned(gap: Comparison) -> Comparison {
    Comparison {
        difference: -gap.difference,
        low: -gap.high,
        high: -gap.low,
        p_holm: gap.p_holm,
    }
}
