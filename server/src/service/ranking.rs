//! The leaderboard: completed trials folded into configurations, ranked, beside published results.

use std::collections::BTreeMap;

use cultivar_search::stats::{Correct, Groups, SeedSpread, interval, ranking};
use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::trial::TrainOn;
use cultivar_spec::wire::{DatasetView, Estimate, Leaderboard, LeaderboardRow, TransferReport};
use cultivar_spec::{Sha256Digest, TrialSpec};
use serde::Serialize;

use super::memo::Memo;
use super::ranking_notes;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store;
use crate::store::ranking::{CompletedTrial, Fingerprint};

/// Rankings and transfer reports computed before. Cheap to clone.
#[derive(Clone, Default)]
pub struct Rankings {
    tables: Memo<TableKey, Fingerprint, Table>,
    pub(super) transfers: Memo<Sha256Digest, Fingerprint, TransferReport>,
}

/// What a table depends on besides the trials.
#[derive(Clone, PartialEq, Eq, Hash)]
struct TableKey {
    version: Sha256Digest,
    /// For a ranking by test: how many of the best by validation are ranked.
    finalists: Option<usize>,
    by_test: bool,
}

struct Table {
    rows: Vec<LeaderboardRow>,
    /// Configurations that have seeds which a scheduler stopped.
    n_thinned: u64,
}

/// The split a table is ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankBy {
    Val,
    Test,
}

impl RankBy {
    /// The metric's name on the wire.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Val => "val_top1",
            Self::Test => "test_top1",
        }
    }

    /// Reads a metric's name.
    ///
    /// # Errors
    /// It is not one a leaderboard can be ranked by.
    pub fn parse(metric: &str) -> Result<Self, ApiError> {
        match metric {
            "val_top1" => Ok(Self::Val),
            "test_top1" => Ok(Self::Test),
            other => Err(ApiError::violation(
                "/metric",
                other,
                "val_top1 or test_top1",
            )),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Query {
    pub dataset: String,
    /// The newest, if left out.
    pub version: Option<Sha256Digest>,
    pub by: RankBy,
    /// Rows shown, at least 1. By test, the rows are this many best by validation, and all that were trained on validation
    /// images too and evaluated, so that which ones are shown is no choice by test.
    pub limit: usize,
}

/// The table of a dataset version.
///
/// # Errors
/// No such dataset; or a ranking by test of rows that were not all evaluated on test.
pub async fn leaderboard(state: &AppState, query: &Query) -> Result<Leaderboard, ApiError> {
    let dataset = find_dataset(state, &query.dataset, query.version).await?;
    let version = dataset.version;
    let fingerprint = store::ranking::fingerprint(&state.pool, &dataset.name, &version).await?;
    let by_test = query.by == RankBy::Test;
    let key = TableKey {
        version,
        finalists: by_test.then_some(query.limit),
        by_test,
    };
    let table = state
        .rankings
        .tables
        .get(key, fingerprint, compute(state, &dataset, query))
        .await?;
    let sota = store::sota::list(&state.pool, Some(&dataset.name)).await?;
    let n_test_accesses = store::ranking::n_test_accesses(&state.pool, &dataset.name).await?;
    let rows = &table.rows;
    let notes = ranking_notes::write(
        rows,
        query.by,
        table.n_thinned,
        &sota,
        &dataset,
        n_test_accesses,
    );
    Ok(Leaderboard {
        dataset: dataset.name,
        version: Some(version),
        metric: query.by.metric().into(),
        rows: match query.by {
            RankBy::Val => rows.iter().take(query.limit).cloned().collect(),
            // The limit is in them: to show the first of these would be choosing by test.
            RankBy::Test => rows.to_vec(),
        },
        sota,
        n_test_accesses,
        notes,
    })
}

/// The newest version of a dataset, or a given one.
///
/// # Errors
/// There is no such dataset or version.
pub(super) async fn find_dataset(
    state: &AppState,
    name: &str,
    version: Option<Sha256Digest>,
) -> Result<DatasetView, ApiError> {
    match version {
        None => store::dataset::newest(&state.pool, name)
            .await?
            .ok_or_else(|| ApiError::no_such("dataset", name)),
        Some(version) => store::dataset::version(&state.pool, name, &version)
            .await?
            .ok_or_else(|| ApiError::no_such("dataset", format!("{name} of version {version}"))),
    }
}

/// The groups of both held-out splits.
pub(super) struct HeldOut {
    pub val: Groups,
    pub test: Groups,
}

impl HeldOut {
    pub fn of(manifest: &Manifest) -> Self {
        let groups = |split| {
            let images = manifest.images.iter().filter(|image| image.split == split);
            Groups::new(images.map(|image| image.group()))
        };
        Self {
            val: groups(Split::Val),
            test: groups(Split::Test),
        }
    }

    /// Correct images by validation and by test group. A fit on train and validation together says
    /// nothing on validation.
    pub fn counts(&self, trial: &CompletedTrial) -> (Option<Vec<u32>>, Option<Vec<u32>>) {
        let count = |groups: &Groups, bits: &Option<Vec<u8>>| {
            let bits = bits.as_ref().filter(|_| groups.n_images() > 0)?;
            groups.count(bits)
        };
        let held_out = trial.spec.data.train_on == TrainOn::Train;
        (
            count(&self.val, &trial.val).filter(|_| held_out),
            count(&self.test, &trial.test),
        )
    }
}

async fn compute(
    state: &AppState,
    dataset: &DatasetView,
    query: &Query,
) -> Result<Table, ApiError> {
    let n_thinned = store::ranking::n_thinned(&state.pool, &dataset.name, &dataset.version).await?;
    let trials = store::ranking::completed(&state.pool, &dataset.name, &dataset.version).await?;
    let known = state.manifests.get(&dataset.version).await?;
    let (by, limit) = (query.by, query.limit);
    // Seconds of arithmetic at worst: not on a thread that serves requests.
    let rows =
        tokio::task::spawn_blocking(move || rows(trials, &HeldOut::of(&known.manifest), by, limit));
    let rows = rows.await.map_err(|e| ApiError::Internal(e.into()))??;
    Ok(Table { rows, n_thinned })
}

/// One configuration: its trials and what each got right.
struct Config {
    trials: Vec<CompletedTrial>,
    /// `[n_seeds][n_groups]`, if every seed has it.
    val: Option<Vec<Vec<u32>>>,
    test: Option<Vec<Vec<u32>>>,
}

impl Config {
    fn correct<'a>(&'a self, by: RankBy, held_out: &'a HeldOut) -> Option<Correct<'a>> {
        let (groups, seeds) = match by {
            RankBy::Val => (&held_out.val, &self.val),
            RankBy::Test => (&held_out.test, &self.test),
        };
        let seeds = seeds.as_ref()?.iter().map(Vec::as_slice).collect();
        Some(Correct::new(groups.sizes(), seeds))
    }
}

/// Folds seeds together. `trials` holds one trial a configuration and seed.
fn fold(trials: Vec<CompletedTrial>, held_out: &HeldOut) -> Vec<Config> {
    let mut configs: BTreeMap<Sha256Digest, Vec<CompletedTrial>> = BTreeMap::new();
    for trial in trials {
        configs.entry(trial.config_id).or_default().push(trial);
    }
    configs
        .into_values()
        .map(|trials| {
            let (val, test): (Vec<_>, Vec<_>) =
                trials.iter().map(|trial| held_out.counts(trial)).unzip();
            Config {
                val: val.into_iter().collect(),
                test: test.into_iter().collect(),
                trials,
            }
        })
        .collect()
}

/// All rows, best first; by test, the [`finalists`], best by test first.
fn rows(
    trials: Vec<CompletedTrial>,
    held_out: &HeldOut,
    by: RankBy,
    limit: usize,
) -> Result<Vec<LeaderboardRow>, ApiError> {
    let mut configs = fold(trials, held_out);
    let mut ranked = rank(&configs, RankBy::Val, held_out);
    if by == RankBy::Test {
        let shown = finalists(&configs, &ranked, limit);
        let n_missing = shown
            .iter()
            .filter(|&&idx| configs[idx].test.is_none())
            .count();
        if n_missing > 0 {
            return Err(ApiError::violation(
                "/metric",
                "test_top1",
                format!(
                    "val_top1: {n_missing} of the {} rows shown were not evaluated on test, and ranking the \
                     others alone would be choosing by test; evaluate them, or lower limit to the finalists",
                    shown.len()
                ),
            ));
        }
        let mut position = 0;
        configs.retain(|_| {
            position += 1;
            shown.contains(&(position - 1))
        });
        ranked = rank(&configs, RankBy::Test, held_out);
    }
    let spread = |by| {
        let rows: Vec<Correct> = (configs.iter())
            .filter_map(|config| config.correct(by, held_out))
            .collect();
        SeedSpread::of(&rows)
    };
    let (val_spread, test_spread) = (spread(RankBy::Val), spread(RankBy::Test));
    let several = ranked.iter().filter(|(_, ranked)| ranked.is_some()).count() > 1;
    let rows = ranked
        .into_iter()
        .enumerate()
        .map(|(place, (idx, ranked))| {
            let config = &configs[idx];
            let estimate = |by, spread: &SeedSpread| {
                let correct = config.correct(by, held_out);
                correct.map(|correct| interval::estimate_among(&correct, spread))
            };
            LeaderboardRow {
                rank: place as u64 + 1,
                trials: config.trials.iter().map(|trial| trial.id).collect(),
                val_top1: estimate(RankBy::Val, &val_spread),
                test_top1: estimate(RankBy::Test, &test_spread),
                vs_top: ranked.and_then(|ranked| ranked.vs_top),
                train_seconds: config.trials.iter().map(|trial| trial.seconds).sum(),
                selected: place == 0 && several,
                ..describe(&config.trials[0])
            }
        });
    Ok(rows.collect())
}

/// The configurations that are ranked by test, which must not have chosen them: all that were trained on validation images too and
/// evaluated, and the `limit` best by validation; beside others only where all of these were evaluated.
fn finalists(
    configs: &[Config],
    by_val: &[(usize, Option<ranking::Ranked>)],
    limit: usize,
) -> Vec<usize> {
    let is_refit = |idx: &usize| configs[*idx].trials[0].spec.data.train_on == TrainOn::TrainVal;
    let (mut refits, searched): (Vec<usize>, Vec<usize>) =
        by_val.iter().map(|(idx, _)| *idx).partition(is_refit);
    refits.retain(|&idx| configs[idx].test.is_some());
    let mut best: Vec<usize> = searched.into_iter().take(limit).collect();
    if !refits.is_empty() && best.iter().any(|&idx| configs[idx].test.is_none()) {
        best.clear();
    }
    best.extend(refits);
    best
}

/// Indices of `configs` in their order, those without that split last and unranked.
fn rank(
    configs: &[Config],
    by: RankBy,
    held_out: &HeldOut,
) -> Vec<(usize, Option<ranking::Ranked>)> {
    let (with, without): (Vec<usize>, Vec<usize>) =
        (0..configs.len()).partition(|&idx| configs[idx].correct(by, held_out).is_some());
    let scored: Vec<Correct> = with
        .iter()
        .filter_map(|&idx| configs[idx].correct(by, held_out))
        .collect();
    let ranked = ranking::rank(&scored);
    ranked
        .into_iter()
        .map(|row| (with[row.idx], Some(row)))
        .chain(without.into_iter().map(|idx| (idx, None)))
        .collect()
}

/// What a row says of its spec, before any score.
fn describe(trial: &CompletedTrial) -> LeaderboardRow {
    let spec: &TrialSpec = &trial.spec;
    LeaderboardRow {
        rank: 0,
        config_id: trial.config_id,
        label: trial.label.clone(),
        backbone: spec.backbone.name.clone(),
        weights: spec.backbone.weights.to_string(),
        adaptation: spec.adaptation.mode().into(),
        activation: word(spec.backbone.activation),
        optimizer: spec.optimizer.kind().into(),
        schedule: spec.schedule.kind().into(),
        mix: spec.augment().mix.kind().into(),
        lr: spec.optimizer.lr(),
        smoothing: spec.loss.smoothing(),
        epochs: spec.fit.epochs,
        resolution: spec.fit.resolution,
        trials: Vec::new(),
        val_top1: None::<Estimate>,
        test_top1: None,
        vs_top: None,
        train_seconds: 0.0,
        selected: false,
    }
}

/// A unit variant as it is written in a spec.
fn word(variant: impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
