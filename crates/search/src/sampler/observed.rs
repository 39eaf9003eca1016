//! The past as models see it: one score a configuration, larger is better.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::normal;
use super::past::PastState;
use super::study::{Entry, Study};
use crate::pareto;
use crate::space::points::Point;

/// A configuration that ended.
#[derive(Clone, Debug)]
pub(super) struct Observed<'a> {
    pub point: &'a Point,
    /// The foreign sweep it comes from; `None`: this one.
    pub source: Option<u32>,
    pub number: u32,
    /// Comparable within one source only; negative infinity for what failed.
    pub score: f64,
    /// Variance of one result's noise that is left in the score: less than 1 over several seeds, more where
    /// a foreign result counts for less.
    pub noise: f64,
    pub weight: f64,
    /// Seconds of one seed, where known.
    pub cost_s: Option<f64>,
}

/// Every configuration that ended, by source and number. Of several objectives `rng` draws the weights to
/// see them under; with one it is left alone.
pub(super) fn observed<'a>(study: &'a Study, rng: &mut ChaCha8Rng) -> Vec<Observed<'a>> {
    let n_objectives = n_objectives(study);
    let weights: Vec<f64> = match n_objectives {
        0 | 1 => vec![1.0],
        n => (0..n)
            .map(|_| -rng.random::<f64>().max(1e-12).ln())
            .collect(),
    };
    under(study, &weights)
}

/// As [`observed`], with the objectives weighed alike.
pub(super) fn observed_evenly(study: &Study) -> Vec<Observed<'_>> {
    under(study, &vec![1.0; n_objectives(study).max(1)])
}

fn n_objectives(study: &Study) -> usize {
    let lens = study
        .entries()
        .filter_map(|(_, _, entry)| entry.state.values());
    lens.map(<[f64]>::len).max().unwrap_or(0)
}

fn under<'a>(study: &'a Study, weights: &[f64]) -> Vec<Observed<'a>> {
    let mut all = Vec::new();
    let mut source_values: Vec<&[f64]> = Vec::new();
    let mut source_starts = 0;
    let mut entries = study.entries().peekable();
    while let Some((source, number, entry)) = entries.next() {
        if !entry.state.is_pending() {
            all.push(one(source, number, entry));
            source_values.push(entry.state.values().unwrap_or(&[]));
        }
        let is_last = entries.peek().is_none_or(|(next, ..)| *next != source);
        if is_last {
            let scores = pareto::scalarise(&source_values, weights);
            for (observed, score) in all[source_starts..].iter_mut().zip(scores) {
                observed.score = score.unwrap_or(f64::NEG_INFINITY);
            }
            source_starts = all.len();
            source_values.clear();
        }
    }
    all
}

fn one<'a>(source: Option<u32>, number: u32, entry: &'a Entry) -> Observed<'a> {
    let (n_seeds, cost_s) = match entry.state {
        PastState::Scored {
            n_seeds, cost_s, ..
        } if entry.state.values().is_some() => (n_seeds.max(1), Some(cost_s)),
        _ => (1, None),
    };
    Observed {
        point: &entry.point,
        source,
        number,
        score: f64::NEG_INFINITY,
        noise: 1.0 / (f64::from(n_seeds) * entry.weight),
        weight: entry.weight,
        cost_s: cost_s.filter(|cost_s| cost_s.is_finite() && *cost_s > 0.0),
    }
}

/// Scores on a scale that a Gaussian model can take: mean 0 and standard deviation 1 within each source.
///
/// What lies below the median is replaced by the normal quantile of its rank, scaled to the spread of the
/// better half (the half-rank warping of Song et al. 2024, "The Vizier Gaussian process bandit algorithm",
/// section 4.2): how bad a bad configuration is tells nothing of where the good ones are, but as a number
/// it would stretch the scale that tells those apart. What failed ranks last.
pub(super) fn targets(observed: &[Observed]) -> Vec<f64> {
    let mut targets = Vec::with_capacity(observed.len());
    for source in observed.chunk_by(|a, b| a.source == b.source) {
        let scores: Vec<f64> = source.iter().map(|o| o.score).collect();
        targets.extend(standardised(half_ranked(&scores)));
    }
    targets
}

fn half_ranked(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut scored = sorted.iter().copied().filter(|score| score.is_finite());
    let n_scored = scored.clone().count();
    let Some(median) = scored.nth(n_scored / 2) else {
        return vec![0.0; scores.len()];
    };
    let better = sorted.iter().filter(|score| **score >= median);
    let (n, sum) = better.fold((0.0, 0.0), |(n, sum), score| {
        (n + 1.0, sum + (score - median).powi(2))
    });
    // All that are above the median may equal it.
    let spread = if sum > 0.0 { f64::sqrt(sum / n) } else { 1.0 };
    let n_below = sorted.partition_point(|score| *score < median) as f64;
    let warp = |score: &f64| {
        if *score >= median {
            return score - median;
        }
        let (first, end) = (
            sorted.partition_point(|other| other < score),
            sorted.partition_point(|other| other <= score),
        );
        // The middle of equal ones' ranks, of those that would be below the median of a symmetric law.
        let rank = (first + end) as f64 / 2.0;
        spread * normal::quantile(0.5 * rank.max(0.5) / n_below.max(1.0))
    };
    scores.iter().map(warp).collect()
}

fn standardised(mut values: Vec<f64>) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    values.iter_mut().for_each(|v| *v = (*v - mean) / scale);
    values
}

/// Natural logarithm of the seconds a point is expected to take: a kernel regression on the latest
/// results (Nadaraya 1964, Watson 1964). 0 where no cost is known.
pub(super) struct LogCost<'a> {
    known: Vec<(&'a Point, f64)>,
    study: &'a Study,
}

/// Results that the regression looks at.
const MAX_COSTS: usize = 300;
/// Standard deviation of its kernel, as a share of each parameter's range.
const COST_BANDWIDTH: f64 = 0.15;

impl<'a> LogCost<'a> {
    pub fn new(study: &'a Study, observed: &[Observed<'a>]) -> Self {
        let known = observed.iter().rev().filter(|o| o.source.is_none());
        let known = known.filter_map(|o| Some((o.point, o.cost_s?.ln())));
        Self {
            known: known.take(MAX_COSTS).collect(),
            study,
        }
    }

    pub fn at(&self, point: &Point) -> f64 {
        let (mut total, mut sum) = (0.0, 0.0);
        for (known, log_cost) in &self.known {
            let mut squares = 0.0;
            for ((param, a), b) in self.study.space.params().iter().zip(point).zip(*known) {
                squares += match (a, b) {
                    (Some(a), Some(b)) => param.domain.distance(*a, *b).powi(2),
                    (None, None) => 0.0,
                    // Active in one only: the choice above it differs, which counts already.
                    _ => 0.0,
                };
            }
            // The floor makes far points count alike rather than not at all.
            let kernel = (-0.5 * squares / COST_BANDWIDTH.powi(2)).exp() + 1e-9;
            total += kernel;
            sum += kernel * log_cost;
        }
        if total > 0.0 { sum / total } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_scores_are_ranked_and_good_ones_kept() {
        let warped = half_ranked(&[0.9, 0.8, 0.85, -1e9, f64::NEG_INFINITY, 0.7]);
        assert_eq!(warped[0], 0.9 - 0.8, "{warped:?}");
        assert!(warped[5] > warped[3] && warped[3] > warped[4]);
        assert!(
            warped[4] > -1.0,
            "failure stays on the scale of the good half: {warped:?}"
        );
    }

    #[test]
    fn nothing_scored_is_no_information() {
        assert_eq!(half_ranked(&[f64::NEG_INFINITY; 3]), [0.0; 3]);
        assert_eq!(standardised(vec![2.0, 2.0]), [0.0, 0.0]);
    }
}
