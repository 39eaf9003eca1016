//! One arm at each of its budgets, at the learning rate that validation chose.

use std::collections::{BTreeMap, BTreeSet};

use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::TransferArm;

use super::{SplitSizes, TransferTrial};
use crate::stats::{Correct, interval};

/// The split a difference is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Val,
    Test,
}

impl On {
    /// The metric's name on the wire.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Val => "val_top1",
            Self::Test => "test_top1",
        }
    }
}

/// The runs of one arm at one budget.
pub(super) struct Budget<'a> {
    pub epochs: u32,
    pub lr: f64,
    /// Ascending.
    pub lrs_tried: Vec<f64>,
    /// One per seed, at `lr`.
    pub trials: Vec<&'a TransferTrial>,
}

impl<'a> Budget<'a> {
    /// What its seeds got right, or `None` if one of them lacks predictions on that split.
    pub fn correct(&self, on: On, sizes: SplitSizes<'a>) -> Option<Correct<'a>> {
        let (sizes, counts): (_, Option<Vec<&[u32]>>) = match on {
            On::Val => (
                sizes.val,
                self.trials.iter().map(|t| t.val.as_deref()).collect(),
            ),
            On::Test => (
                sizes.test,
                self.trials.iter().map(|t| t.test.as_deref()).collect(),
            ),
        };
        Some(Correct::new(sizes, counts?))
    }

    /// Mean validation accuracy.
    pub fn val_mean(&self, sizes: SplitSizes<'a>) -> f64 {
        mean_val(self.trials.iter().copied(), sizes)
    }

    pub fn wire(&self, sizes: SplitSizes<'a>) -> TransferArm {
        let val = self.correct(On::Val, sizes);
        TransferArm {
            config_id: self.trials[0].config_id,
            epochs: self.epochs,
            lr: self.lr,
            lrs_tried: self.lrs_tried.clone(),
            trials: self.trials.iter().map(|trial| trial.id).collect(),
            val_top1: interval::estimate(
                &val.expect("families hold trials with validation predictions"),
            ),
            test_top1: self
                .correct(On::Test, sizes)
                .as_ref()
                .map(interval::estimate),
        }
    }
}

/// The arm's budgets, shortest first.
pub(super) fn budgets<'a>(trials: &[&'a TransferTrial], sizes: SplitSizes<'a>) -> Vec<Budget<'a>> {
    let mut by_epochs: BTreeMap<u32, Vec<&TransferTrial>> = BTreeMap::new();
    for trial in trials {
        by_epochs
            .entry(trial.spec.fit.epochs)
            .or_default()
            .push(trial);
    }
    by_epochs
        .into_iter()
        .map(|(epochs, trials)| choose_lr(epochs, &trials, sizes))
        .collect()
}

/// The learning rate of highest mean validation accuracy, over the seeds that all of them have run,
/// so that none is judged by a luckier seed; over all seeds where they share none.
fn choose_lr<'a>(epochs: u32, trials: &[&'a TransferTrial], sizes: SplitSizes<'a>) -> Budget<'a> {
    // Positive floats sort like their bits. Equal rates in different configurations (another weights
    // file) stay apart, so that seeds of both never mix.
    let mut candidates: BTreeMap<(u64, Sha256Digest), Vec<&TransferTrial>> = BTreeMap::new();
    for trial in trials {
        let lr = trial.spec.optimizer.lr();
        candidates
            .entry((lr.to_bits(), trial.config_id))
            .or_default()
            .push(trial);
    }
    let shared = candidates
        .values()
        .map(|trials| {
            trials
                .iter()
                .map(|t| t.spec.fit.seed)
                .collect::<BTreeSet<u64>>()
        })
        .reduce(|a, b| &a & &b)
        .unwrap_or_default();
    let score = |trials: &[&TransferTrial]| {
        let counts =
            |trial: &&&TransferTrial| shared.is_empty() || shared.contains(&trial.spec.fit.seed);
        mean_val(trials.iter().filter(counts).copied(), sizes)
    };
    let lrs: BTreeSet<u64> = candidates.keys().map(|(lr, _)| *lr).collect();
    let mut chosen: Option<(f64, u64, Vec<&TransferTrial>)> = None;
    for ((lr, _), trials) in candidates {
        let score = score(&trials);
        // Of equals the smaller rate, which comes first, stays.
        if chosen.as_ref().is_none_or(|(best, ..)| score > *best) {
            chosen = Some((score, lr, trials));
        }
    }
    let (_, lr, mut trials) = chosen.expect("a budget has trials");
    trials.sort_by_key(|trial| trial.spec.fit.seed);
    Budget {
        epochs,
        lr: f64::from_bits(lr),
        lrs_tried: lrs.into_iter().map(f64::from_bits).collect(),
        trials,
    }
}

fn mean_val<'a>(trials: impl Iterator<Item = &'a TransferTrial>, sizes: SplitSizes) -> f64 {
    let n_images: f64 = sizes.val.iter().map(|&n| f64::from(n)).sum();
    let (mut sum, mut n) = (0.0, 0.0);
    for counts in trials.filter_map(|trial| trial.val.as_ref()) {
        sum += counts.iter().map(|&n| f64::from(n)).sum::<f64>() / n_images;
        n += 1.0;
    }
    sum / n
}

/// Notes what is doubtful about an arm's learning rates.
pub(super) fn check_lrs(name: &str, budgets: &[Budget], notes: &mut Vec<String>) {
    let list = |budgets: Vec<&Budget>| {
        let epochs: Vec<String> = budgets.iter().map(|b| b.epochs.to_string()).collect();
        epochs.join(", ")
    };
    let single: Vec<&Budget> = budgets.iter().filter(|b| b.lrs_tried.len() == 1).collect();
    if !single.is_empty() {
        let epochs = list(single);
        notes.push(format!(
            "{name} weights: only one learning rate was tried at {epochs} {}",
            if epochs == "1" { "epoch" } else { "epochs" }
        ));
    }
    let at_edge = |b: &&Budget| {
        b.lrs_tried.len() > 1
            && (b.lrs_tried.first() == Some(&b.lr) || b.lrs_tried.last() == Some(&b.lr))
    };
    let edge: Vec<&Budget> = budgets.iter().filter(at_edge).collect();
    if !edge.is_empty() {
        let epochs = list(edge);
        notes.push(format!(
            "{name} weights: the best learning rate at {epochs} epochs is the smallest or largest tried, so a better one may lie beyond"
        ));
    }
}
