//! The finalist beside its baseline on the test split: both are trained anew, each run opens it once.

use std::ops::Range;

use cultivar_spec::wire::{Compare, CompareArm};
use cultivar_spec::{TrialId, TrialSpec, TrialState};

use super::baseline::Baseline;
use super::plan::refit;
use super::report::OnTest;
use crate::session::Session;
use crate::study::plan::{Known, find};
use crate::study::runner::Runner;
use crate::watch::Tally;

/// Kept with every opening of the test split.
const REASON: &str = "finalists";
/// The arms of the comparison.
const BASELINE: &str = "baseline";
const FINALIST: &str = "finalist";

/// Who is opened on test, and with which seeds.
pub struct Opening<'a> {
    pub session: &'a Session,
    pub runner: &'a Runner<'a>,
    pub finalist: &'a TrialSpec,
    pub baseline: Baseline,
    /// Chooses the baseline's learning rate.
    pub selection_seed: u64,
    pub seeds: Range<u64>,
}

impl Opening<'_> {
    /// Trains what is missing, and opens the test split for what has not seen it.
    ///
    /// # Errors
    /// The server refuses a run, or stays away.
    pub async fn train(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let selection = self.baseline.selection(self.selection_seed);
        if !selection.is_empty() {
            let stage = "learning rates of the baseline";
            self.runner
                .train(stage, |_| selection.clone(), tally)
                .await?;
        }
        let stage = "refit on training and validation images";
        self.runner
            .train(stage, |known| self.refits(known).concat(), tally)
            .await?;
        let known = self.runner.known().await?;
        let done = self.refits(&known).map(|specs| completed(&specs, &known));
        // Without both of them there is nothing to compare, and the split stays closed.
        if done.iter().all(|trials| !trials.is_empty()) {
            self.runner.evaluate(&done.concat(), REASON).await?;
        }
        Ok(())
    }

    /// What the runs that were opened say; none while an arm has no such run.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn compare(&self) -> anyhow::Result<Option<OnTest>> {
        let client = &self.session.client;
        let known = self.runner.known().await?;
        let Some(chosen) = self.baseline.chosen(self.selection_seed, &known) else {
            return Ok(None);
        };
        let mut arms = Vec::new();
        for (name, specs) in [BASELINE, FINALIST].into_iter().zip(self.refits(&known)) {
            let trials = self.runner.opened(&completed(&specs, &known)).await?;
            if trials.is_empty() {
                return Ok(None);
            }
            let name = name.to_owned();
            arms.push(CompareArm { name, trials });
        }
        let dataset = &self.finalist.data.dataset;
        let asked = Compare {
            dataset: dataset.clone(),
            metric: "test_top1".into(),
            arms,
            selected: false,
        };
        Ok(Some(OnTest {
            baseline: self.baseline.name.clone(),
            lrs: self.baseline.lrs.clone(),
            lr: chosen.optimizer.lr(),
            compared: client.compare(&asked).await?,
            n_test_accesses: client
                .leaderboard(dataset, None, None)
                .await?
                .n_test_accesses,
            trials: asked.arms,
        }))
    }

    /// The runs of the baseline and of the finalist; none of the baseline while its rate is not chosen.
    fn refits(&self, known: &[Known]) -> [Vec<TrialSpec>; 2] {
        let refits = |spec: &TrialSpec| -> Vec<TrialSpec> {
            self.seeds.clone().map(|seed| refit(spec, seed)).collect()
        };
        let chosen = self.baseline.chosen(self.selection_seed, known);
        [
            chosen.as_ref().map(refits).unwrap_or_default(),
            refits(self.finalist),
        ]
    }
}

fn completed(specs: &[TrialSpec], known: &[Known]) -> Vec<TrialId> {
    let runs = specs.iter().filter_map(|spec| find(spec, known));
    runs.filter(|run| run.state == TrialState::Completed)
        .map(|run| run.id)
        .collect()
}
