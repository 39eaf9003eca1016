//! The three benefits of transfer, from matched arms: a better *start*, a steeper *slope*, a higher
//! *asymptote*, each with its interval, zero and negative ones included.
//!
//! The question is the one of He, Girshick and Dollár (2019, "Rethinking ImageNet pre-training"): is pretraining still ahead when random weights get their own learning
//! rate and a long schedule? So the arms of a study share everything but weights, learning rate,
//! epochs and seed; each arm's learning rate is its own best on validation; and a difference is only
//! called an asymptote where doubling the budget added less than a point to both.

mod arm;
mod family;
mod verdict;

use cultivar_spec::wire::{TransferReport, TransferStudy};
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec};
use rand::Rng;

use arm::Budget;
use family::Family;

/// A completed trial and what it got right.
#[derive(Clone, Debug)]
pub struct TransferTrial {
    pub id: TrialId,
    pub config_id: Sha256Digest,
    pub spec: TrialSpec,
    /// Correct images of each validation group. `None` for a fit on train and validation together.
    pub val: Option<Vec<u32>>,
    /// Correct images of each test group, where the test split was opened for it.
    pub test: Option<Vec<u32>>,
}

/// Images of each group of the held-out splits of the one dataset version all trials share.
#[derive(Clone, Copy, Debug)]
pub struct SplitSizes<'a> {
    pub val: &'a [u32],
    pub test: &'a [u32],
}

/// Every matched family's verdicts, and what is missing for better ones.
///
/// One trial per configuration and seed is expected. `rng` and `n_resamples` serve the interval of the
/// slope; all else has a closed form.
pub fn report(
    dataset: &str,
    trials: &[TransferTrial],
    sizes: SplitSizes,
    rng: &mut impl Rng,
    n_resamples: usize,
) -> TransferReport {
    let sorted = family::sort(trials);
    let mut notes = Vec::new();
    let mut studies = Vec::new();
    for full in &sorted.full {
        let study = study(full, &sorted.heads, sizes, rng, n_resamples);
        // One study needs no name; of several, each says which it is.
        let prefix = match sorted.full.len() {
            1 => String::new(),
            _ => format!("{}, {}: ", study.0.backbone, study.0.label),
        };
        notes.extend(study.1.into_iter().map(|note| format!("{prefix}{note}")));
        studies.push(study.0);
    }
    if studies.is_empty() {
        notes.push(
            "no study: it takes full fine-tuning runs with pretrained and with random weights that share \
             everything but learning rate, epochs and seed"
                .into(),
        );
    }
    for (n, missing) in [
        (sorted.n_without_random, "random"),
        (sorted.n_without_pretrained, "pretrained"),
    ] {
        if n > 0 {
            let runs = if n == 1 { "run has" } else { "runs have" };
            notes.push(format!(
                "{n} full fine-tuning {runs} no counterpart with {missing} weights and are not compared"
            ));
        }
    }
    TransferReport {
        dataset: dataset.to_owned(),
        studies,
        notes,
    }
}

fn study(
    full: &Family,
    heads: &[Family],
    sizes: SplitSizes,
    rng: &mut impl Rng,
    n_resamples: usize,
) -> (TransferStudy, Vec<String>) {
    let pretrained = arm::budgets(&full.pretrained, sizes);
    let random = arm::budgets(&full.random, sizes);
    let mut notes = Vec::new();
    let (asymptote, on) = verdict::asymptote(&pretrained, &random, sizes, &mut notes);
    let slope = verdict::slope(
        &pretrained,
        &random,
        sizes,
        on,
        rng,
        n_resamples,
        &mut notes,
    );
    let start = verdict::start(full, heads, sizes, on, &mut notes);
    for (name, arm) in [("pretrained", &pretrained), ("random", &random)] {
        arm::check_lrs(name, arm, &mut notes);
    }
    let few = |budgets: &[Budget]| budgets.iter().any(|budget| budget.trials.len() < 2);
    if few(&pretrained) || few(&random) {
        notes.push(
            "some arms have a single seed: intervals then hold the choice of images, not that of seeds".into(),
        );
    }
    let wire = |budgets: &[Budget]| budgets.iter().map(|budget| budget.wire(sizes)).collect();
    let study = TransferStudy {
        backbone: full.spec.backbone.name.clone(),
        label: full.label(),
        metric: on.metric().to_owned(),
        pretrained: wire(&pretrained),
        random: wire(&random),
        start,
        slope,
        asymptote,
    };
    (study, notes)
}

#[cfg(test)]
mod tests;
