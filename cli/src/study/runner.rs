//! Carries a study out: a stage at a time, each planned from what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use cultivar_client::TrialFilter;
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::Weights;
use cultivar_spec::wire::NewEvaluation;
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec, TrialState};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::plan::{self, Known};
use crate::numbers::counted;
use crate::session::Session;
use crate::watch::{self, Tally};

/// Trials read at a time.
const READ_AHEAD: usize = 16;
/// How often trials and evaluations outside a sweep are asked about.
const POLL: Duration = Duration::from_secs(2);

pub struct Runner<'a> {
    session: &'a Session,
    /// What its sweeps are called.
    name: String,
    /// What all its runs are variations of.
    base: &'a TrialSpec,
    /// What the server pins today: runs on other data or weights are other runs.
    version: Sha256Digest,
    weights: BTreeMap<String, Sha256Digest>,
}

impl<'a> Runner<'a> {
    /// A study of a kind on the dataset of its base.
    ///
    /// # Errors
    /// There is no such dataset, or the server does not answer.
    pub async fn new(
        session: &'a Session,
        kind: &str,
        base: &'a TrialSpec,
    ) -> anyhow::Result<Self> {
        let client = &session.client;
        let dataset = &base.data.dataset;
        let registered = client.weights().await?.into_iter();
        Ok(Self {
            session,
            name: format!("{kind} {dataset}"),
            base,
            version: client.dataset(dataset).await?.dataset.version,
            weights: registered
                .map(|entry| (entry.backbone, entry.sha256))
                .collect(),
        })
    }

    /// # Errors
    /// No pretrained weights of the backbone are registered.
    pub fn needs_weights(&self, backbone: &str) -> anyhow::Result<()> {
        if !self.weights.contains_key(backbone) {
            bail!(
                "no pretrained weights of {backbone} are registered: cultivar weights add {backbone} (docs/backbones.md)"
            );
        }
        Ok(())
    }

    /// Every trial of the dataset that could belong to the study.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn known(&self) -> anyhow::Result<Vec<Known>> {
        let client = &self.session.client;
        let filter = TrialFilter {
            dataset: Some(self.base.data.dataset.clone()),
            ..TrialFilter::default()
        };
        let trials = client.all_trials(&filter).await?;
        let details: Vec<_> = stream::iter(trials)
            .map(|trial| client.trial(trial.id))
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        let of_today = |spec: &TrialSpec| {
            let registered = self.weights.get(&spec.backbone.name);
            let pinned = spec.backbone.weights_sha256;
            // What other weights are, the spec says itself.
            let is_registered = spec.backbone.weights != Weights::Pretrained
                || pinned.is_none_or(|sha256| registered == Some(&sha256));
            spec.data.version == Some(self.version) && is_registered
        };
        let known = details.into_iter().filter(|detail| of_today(&detail.spec));
        Ok(known
            .map(|detail| Known {
                id: detail.trial.id,
                state: detail.trial.state,
                val_top1: detail.trial.metrics.get("val_top1").copied(),
                seconds: detail.cost.as_ref().map(|cost| cost.seconds),
                spec: detail.spec,
            })
            .collect())
    }

    /// Trains what is missing of a stage and waits for all of it, whoever submitted it.
    ///
    /// # Errors
    /// The server refuses the sweep, or stays away.
    pub async fn train(
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
        if !missing.is_empty() {
            let sweep = plan::sweep(&format!("{}: {stage}", self.name), self.base, &missing);
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

    /// Those of the trials whose predictions on test are there.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn opened(&self, trials: &[TrialId]) -> anyhow::Result<Vec<TrialId>> {
        let mut opened = Vec::new();
        for &id in trials {
            let evaluations = self.session.client.trial(id).await?.evaluations;
            let mut done = evaluations
                .iter()
                .filter(|e| e.state == TrialState::Completed);
            if done.any(|evaluation| evaluation.split == Split::Test) {
                opened.push(id);
            }
        }
        Ok(opened)
    }

    /// Opens the test split for the trials that have not seen it, and waits for their predictions. The reason is kept
    /// with every opening.
    ///
    /// # Errors
    /// The server refuses, or stays away.
    pub async fn evaluate(&self, finalists: &[TrialId], reason: &str) -> anyhow::Result<()> {
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
                        reason: reason.into(),
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
