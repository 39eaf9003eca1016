//! Which parameters matter: from the results of a sweep to shares of the variance, interactions, and the
//! expected value along each parameter.
//!
//! A random forest learns the objective. Its variance over the *space* (every parameter by its own
//! distribution, independently) is then split exactly, leaf by leaf, into what each parameter and each
//! pair explains (functional analysis of variance: Hutter, Hoos and Leyton-Brown 2014, "An efficient
//! approach for assessing hyperparameter importance"; reference: Optuna's `FanovaImportanceEvaluator`).
//! Beside it, how much worse the forest predicts results that a tree has not seen once a parameter's values
//! are shuffled (permutation importance: Breiman 2001).
//!
//! We differ from the reference in binning features, and in conditional parameters: a tree splits on one only
//! where all of its results have it, below the choice that makes it exist, and what it explains
//! is averaged over all alternatives. Optuna leaves conditional parameters out.

mod anova;
mod forest;

use cultivar_spec::wire::{
    CurvePoint, ImportanceReport, Interaction, ParamImportance, VarianceShare,
};
use cultivar_spec::{SweepSpec, Violations};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use self::forest::{Binned, INACTIVE, MAX_BINS, Tree};
use crate::sampler::{Origin, Past, PastState, Study};
use crate::space::points::{Domain, Param, Point, Space};

/// Scored results below which nothing is said.
pub const MIN_RESULTS: usize = 10;

/// What explains objective number `objective` of a sweep's own results; `None` where fewer than
/// [`MIN_RESULTS`] are scored or nothing varies. `seed` decides the forest's draws.
///
/// # Errors
/// As for [`crate::sampler::check`].
pub fn explain(
    sweep: &SweepSpec,
    past: &[Past],
    objective: usize,
    seed: u64,
) -> Result<Option<ImportanceReport>, Violations> {
    let study = Study::new(sweep)?;
    let space = study.space();
    let scored = past.iter().filter(|past| past.origin == Origin::Own);
    let results: Vec<(Point, f64)> = scored
        .filter_map(|past| match &past.state {
            PastState::Scored { values, .. } => {
                let value = values.get(objective).filter(|value| value.is_finite())?;
                Some((space.encode(&past.overlay).ok()?, *value))
            }
            _ => None,
        })
        .collect();
    Ok(of(space, &results, seed))
}

/// As [`explain`], from points of a space.
pub fn of(space: &Space, results: &[(Point, f64)], seed: u64) -> Option<ImportanceReport> {
    let params = space.params();
    let first = results.first()?.1;
    let is_constant = results.iter().all(|(_, value)| *value == first);
    if results.len() < MIN_RESULTS || params.is_empty() || is_constant {
        return None;
    }
    let data = binned(params, results);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let trees = forest::grow(&data, &mut rng);
    let anova = anova::decompose(&trees, &data.n_bins);
    let permutation = permutation(&trees, &data, &mut rng);

    let importance = |(idx, param): (usize, &Param)| ParamImportance {
        pointer: param.pointer.clone(),
        share: anova.mains[idx],
        permutation: permutation[idx],
        curve: curve(param.domain, &anova.curves[idx]),
    };
    let mut ranked: Vec<ParamImportance> = params.iter().enumerate().map(importance).collect();
    ranked.sort_by(|a, b| b.share.mean.total_cmp(&a.share.mean));
    let mut interactions: Vec<Interaction> = anova
        .pairs
        .iter()
        .map(|&((a, b), share)| Interaction {
            pointers: (params[a].pointer.clone(), params[b].pointer.clone()),
            share,
        })
        .collect();
    interactions.sort_by(|a, b| b.share.mean.total_cmp(&a.share.mean));
    Some(ImportanceReport {
        n_results: results.len(),
        params: ranked,
        interactions,
    })
}

fn curve(domain: Domain, marginal: &[VarianceShare]) -> Vec<CurvePoint> {
    let at = |bin: usize| match domain {
        Domain::Categories { .. } => bin as f64,
        _ => (bin as f64 + 0.5) / marginal.len() as f64,
    };
    let point = |(bin, share): (usize, &VarianceShare)| CurvePoint {
        at: at(bin),
        mean: share.mean,
        deviation: share.deviation,
    };
    marginal.iter().enumerate().map(point).collect()
}

/// Bins are of equal probability under the space's own distribution, so each counts alike.
fn binned(params: &[Param], results: &[(Point, f64)]) -> Binned {
    let n_bins: Vec<usize> = params
        .iter()
        .map(|param| {
            param
                .domain
                .n()
                .map_or(MAX_BINS, |n| (n as usize).min(MAX_BINS))
        })
        .collect();
    let row = |(point, _): &(Point, f64)| -> Vec<u8> {
        let bin = |(idx, x): (usize, &Option<f64>)| {
            x.map_or(INACTIVE, |x| {
                let u = params[idx].domain.to_unit(x);
                ((u * n_bins[idx] as f64) as usize).min(n_bins[idx] - 1) as u8
            })
        };
        point.iter().enumerate().map(bin).collect()
    };
    Binned {
        rows: results.iter().map(row).collect(),
        values: results.iter().map(|(_, value)| *value).collect(),
        is_category: params
            .iter()
            .map(|param| matches!(param.domain, Domain::Categories { .. }))
            .collect(),
        n_bins,
    }
}

/// Results of each tree that the permutation looks at, at most.
const MAX_UNSEEN: usize = 1_000;

fn permutation(trees: &[Tree], data: &Binned, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let n_features = data.n_bins.len();
    let mean = data.values.iter().sum::<f64>() / data.values.len() as f64;
    let squares = data.values.iter().map(|value| (value - mean).powi(2));
    let variance = squares.sum::<f64>() / data.values.len() as f64;
    let mut increases = vec![0.0; n_features];
    let mut n_looked_at = 0.0;
    for tree in trees {
        let mut unseen = tree.unseen.clone();
        unseen.shuffle(rng);
        unseen.truncate(MAX_UNSEEN);
        n_looked_at += unseen.len() as f64;
        let error =
            |row: usize, bin: &dyn Fn(usize) -> u8| (tree.predict(bin) - data.values[row]).powi(2);
        let whole: f64 = unseen
            .iter()
            .map(|&row| error(row, &|feature| data.rows[row][feature]))
            .sum();
        for (shuffled, increase) in increases.iter_mut().enumerate() {
            let mut other = unseen.clone();
            other.shuffle(rng);
            let broken: f64 = unseen
                .iter()
                .zip(&other)
                .map(|(&row, &other)| {
                    let bin = |feature: usize| match feature == shuffled {
                        true => data.rows[other][feature],
                        false => data.rows[row][feature],
                    };
                    error(row, &bin)
                })
                .sum();
            *increase += broken - whole;
        }
    }
    let scale = (n_looked_at * variance).max(f64::MIN_POSITIVE);
    increases.iter().map(|increase| increase / scale).collect()
}

#[cfg(test)]
mod tests;
