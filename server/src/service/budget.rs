//! Budgets: what a sweep will take, from what trials like its own have taken; what it has taken so far.

use std::collections::BTreeMap;

use cultivar_search::budget::{Rate, Seconds};
use cultivar_search::scheduler;
use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{Interval, SweepBudget, SweepDetail, SweepEstimate};
use cultivar_spec::{Sha256Digest, SweepSpec, TrialSpec};

use crate::error::ApiError;
use crate::service::sweeps;
use crate::state::AppState;
use crate::store;
use crate::store::budget::Measured;

/// Trials that take as long for an image.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    version: Sha256Digest,
    backbone: String,
    mode: &'static str,
    resolution: u32,
}

impl Kind {
    fn of(spec: &TrialSpec) -> Option<Self> {
        Some(Self {
            version: spec.data.version?,
            backbone: spec.backbone.name.clone(),
            mode: spec.adaptation.mode(),
            resolution: spec.fit.resolution,
        })
    }

    /// How fast it is: by trials on the same images, else by those on any.
    fn rate(&self, measured: &[Measured]) -> Option<Rate> {
        let alike = |measured: &&Measured| {
            (&*measured.backbone, &*measured.mode, measured.resolution)
                == (&*self.backbone, self.mode, self.resolution)
        };
        let rates = |wanted: &dyn Fn(&Measured) -> bool| -> Vec<f64> {
            let found = measured.iter().filter(alike).filter(|m| wanted(m));
            found.map(|m| m.seconds_per_image).collect()
        };
        Rate::of(&rates(&|m| m.version == self.version)).or_else(|| Rate::of(&rates(&|_| true)))
    }
}

/// What a sweep would take; nothing is queued.
///
/// # Errors
/// As for submitting it.
pub async fn estimate(state: &AppState, spec: SweepSpec) -> Result<SweepEstimate, ApiError> {
    let plan = sweeps::plan(state, &spec).await?;
    let lease_s = state.config.lease_s;
    let n_workers = store::budget::n_workers(&state.pool, lease_s).await?;
    let mut backbones: Vec<String> = Vec::new();
    // Of each kind: trials, and images that they train on in all.
    let mut kinds: BTreeMap<Kind, (f64, f64)> = BTreeMap::new();
    let (mut n_drawn, mut n_epochs) = (0.0, 1);
    let mut unmeasured: Vec<String> = Vec::new();
    for (trial, n_seeds) in plan.specs() {
        let Some(kind) = Kind::of(trial) else {
            unmeasured.push("external trials, which take what their trainer takes".into());
            break;
        };
        let known = state.manifests.get(&kind.version).await?;
        let n_images = known.manifest.n_images(Split::Train) as f64 * trial.data.train_fraction;
        let images = n_images * f64::from(trial.fit.epochs);
        backbones.push(kind.backbone.clone());
        n_epochs = trial.fit.epochs;
        n_drawn += n_seeds as f64;
        let sum = kinds.entry(kind).or_default();
        sum.0 += n_seeds as f64;
        sum.1 += n_seeds as f64 * images;
    }
    backbones.sort();
    backbones.dedup();
    let measured = store::budget::measured(&state.pool, &backbones).await?;
    // Of a search only the first configurations are known: the others will be like them.
    let scale = plan.n_trials as f64 / f64::max(n_drawn, 1.0);
    let mut total = Seconds::default();
    let mut n_measured = 0;
    for (kind, (n, images)) in &kinds {
        match kind.rate(&measured) {
            Some(rate) => {
                n_measured += rate.n as u64;
                total = total.and(rate.total(n * scale, images / n));
            }
            None => unmeasured.push(format!(
                "{} {} at {} px",
                kind.backbone, kind.mode, kind.resolution
            )),
        }
    }
    let is_known = unmeasured.is_empty();
    let (least, most) = scheduler::share(&spec, n_epochs, plan.n_trials);
    let training = total.share(least, most);
    let at_once = match spec.queueing.parallel {
        Some(parallel) => n_workers.min(parallel.into()),
        None => n_workers,
    };
    let finish = training.elapsed(plan.n_trials as f64, at_once as f64);
    Ok(SweepEstimate {
        n_trials: plan.n_trials,
        n_workers,
        training_s: is_known.then(|| interval(training)),
        finish_s: (is_known && at_once > 0).then(|| interval(finish)),
        n_measured,
        unmeasured,
    })
}

/// What a sweep has taken so far, and what is left of it by its own trials: under a scheduler by the epochs that it may still
/// have trained.
///
/// # Errors
/// The database is out of reach.
pub async fn so_far(state: &AppState, detail: &SweepDetail) -> Result<SweepBudget, ApiError> {
    let sweep = &detail.sweep;
    let spent = store::budget::spent(&state.pool, sweep.id).await?;
    let n_settled: u64 = ["completed", "pruned", "failed", "cancelled"]
        .iter()
        .filter_map(|state| sweep.counts.get(*state))
        .sum();
    let n_left = sweep.n_planned.saturating_sub(n_settled);
    let left = match detail.spec.scheduler.is_none() {
        true => Rate::of(&spent.by_trial).map(|rate| rate.total(n_left as f64, 1.0)),
        false => Rate::of(&spent.by_epoch).map(|rate| {
            let (least, most) = scheduler::share(&detail.spec, spent.n_epochs, sweep.n_planned);
            let all = sweep.n_planned as f64 * f64::from(spent.n_epochs);
            let [least, most] = [least, most].map(|share| {
                let n_epochs = (all * share - spent.n_trained as f64).max(0.0);
                rate.total(n_left as f64, n_epochs / f64::max(n_left as f64, 1.0))
            });
            Seconds {
                expected: (least.expected + most.expected) / 2.0,
                low: least.low,
                high: most.high,
            }
        }),
    };
    let finish = left.filter(|_| spent.n_running > 0);
    Ok(SweepBudget {
        spent_s: spent.spent_s,
        left_s: left.map(interval),
        finish_s: finish
            .map(|left| left.elapsed(n_left as f64, spent.n_running as f64))
            .map(interval),
    })
}

fn interval(seconds: Seconds) -> Interval {
    Interval {
        expected: seconds.expected,
        low: seconds.low,
        high: seconds.high,
    }
}
