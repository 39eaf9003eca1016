//! Bayesian optimisation with a Gaussian process over mixed and conditional spaces, with noise.
//!
//! Each parameter is one feature: numbers as shares of their range, alternatives as equal or not. One that
//! is inactive lies in the middle of its range, so that a choice alone tells such configurations apart.
//! A configuration is the smooth function at its place, plus a deviation of its own that more seeds would
//! confirm, plus chance. The proposal maximises the expected improvement, chance left out, over the best
//! posterior mean among the tried (the plug-in rule for noise: Picheny, Wagner and Ginsbourger 2013, section
//! 3.2); in logarithms (Ament et al. 2023). Results of pending configurations are imagined, and the improvement is averaged
//! over how they may come out (Snoek, Larochelle and Adams 2012, section 3.2).

pub(crate) mod linalg;
mod posterior;
mod process;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use self::posterior::Posterior;
use self::process::{Data, Hyper, fit};
use super::evolution::mutate;
use super::normal::log_improvement;
use super::observed::{LogCost, Observed, observed, observed_evenly, targets};
use super::random;
use super::study::Study;
use crate::space::points::{Domain, Point, Space};

/// Results that hyperparameters are fitted to, and that the posterior is conditioned on, at most: the best
/// ones and an even selection of the others.
const MAX_FIT: usize = 96;
const MAX_CONDITION: usize = 200;
/// Own pending configurations that are looked at, the latest.
const MAX_PENDING: usize = 64;
/// Ways that the results of pending configurations are imagined to come out; even.
const N_FANTASIES: usize = 16;
/// Random points looked at, best points that neighbours are drawn of, neighbours of each, and rounds of
/// moving on from the most promising.
const N_RANDOM: usize = 300;
const N_CENTRES: usize = 5;
const N_NEIGHBOURS: usize = 20;
const N_ROUNDS: usize = 4;
/// Standard deviation of a neighbour's numbers in the first round, as a share of the range; halves by round.
const FIRST_STEP: f64 = 0.2;

/// The new point with the largest expected improvement (per second, if `cost_aware`); `None` where nothing
/// was observed or no point could be found.
pub(super) fn propose(study: &Study, cost_aware: bool, rng: &mut ChaCha8Rng) -> Option<Point> {
    let observed = observed(study, rng);
    let Learned {
        selected,
        data,
        hyper,
    } = learn(study, &observed)?;
    let space = &study.space;
    let mut posterior = Posterior::new(data, &hyper)?;
    let mut tried: Vec<(f64, &Point)> = selected
        .iter()
        .enumerate()
        .filter_map(|(row, &idx)| Some((posterior.fitted(row).next()?, observed[idx].point)))
        .collect();
    tried.sort_by(|a, b| b.0.total_cmp(&a.0));

    let pending: Vec<&Point> = study
        .own()
        .filter(|(_, entry)| entry.state.is_pending())
        .map(|(_, entry)| &entry.point)
        .collect();
    let pending = &pending[pending.len().saturating_sub(MAX_PENDING)..];
    if !pending.is_empty() {
        let rows = pending.iter().map(|point| features(space, point)).collect();
        posterior = posterior.imagine(rows, &fantasies(pending.len(), rng))?;
    }
    // Of each fantasy: what is imagined may be the best, and moves what the known results are taken for.
    let mut incumbents = vec![f64::NEG_INFINITY; posterior.n_fantasies()];
    for row in 0..posterior.n_rows() {
        for (incumbent, fitted) in incumbents.iter_mut().zip(posterior.fitted(row)) {
            *incumbent = incumbent.max(fitted);
        }
    }
    let log_cost = cost_aware.then(|| LogCost::new(study, &observed));
    let promise = |point: &Point| {
        let row = features(space, point);
        let (means, deviation) = posterior.means_and_deviation(&row);
        let improvement = means
            .zip(&incumbents)
            .map(|(mean, incumbent)| log_improvement((mean - incumbent) / deviation));
        let improvement = log_mean(improvement) + deviation.ln();
        improvement - log_cost.as_ref().map_or(0.0, |cost| cost.at(point))
    };
    let centres: Vec<&Point> = tried
        .iter()
        .take(N_CENTRES)
        .map(|(_, point)| *point)
        .collect();
    maximise(study, &centres, promise, rng)
}

/// Standard normal numbers for `n` results to come, by fantasy: pairs that mirror each other, so that they agree with
/// what is expected on average.
fn fantasies(n: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let mut fantasies = Vec::with_capacity(N_FANTASIES);
    for _ in 0..N_FANTASIES / 2 {
        let draw: Vec<f64> = (0..n).map(|_| StandardNormal.sample(rng)).collect();
        fantasies.push(draw.iter().map(|z| -z).collect());
        fantasies.push(draw);
    }
    fantasies
}

/// ln of the mean of what the logarithms are of.
fn log_mean(logs: impl Iterator<Item = f64>) -> f64 {
    // One at a time, about the largest so far.
    let (mut top, mut sum, mut n) = (f64::NEG_INFINITY, 0.0, 0.0);
    for log in logs {
        if log > top {
            sum *= f64::exp(top - log);
            top = log;
        }
        sum += f64::exp(log - top);
        n += 1.0;
    }
    top + f64::ln(sum / n)
}

/// Random search, then rounds of neighbours of the best known and of the most promising points.
fn maximise(
    study: &Study,
    centres: &[&Point],
    promise: impl Fn(&Point) -> f64,
    rng: &mut ChaCha8Rng,
) -> Option<Point> {
    let mut best: Vec<(f64, Point)> = Vec::new();
    let consider = |point: Point, best: &mut Vec<(f64, Point)>| {
        if study.is_new(&point) && !best.iter().any(|(_, known)| *known == point) {
            let promise = promise(&point);
            best.push((promise, point));
        }
    };
    let cut = |best: &mut Vec<(f64, Point)>| {
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(N_CENTRES);
    };
    for _ in 0..N_RANDOM {
        consider(random::draw(&study.space, rng), &mut best);
    }
    for centre in centres {
        for _ in 0..N_NEIGHBOURS {
            consider(mutate(&study.space, centre, FIRST_STEP, rng), &mut best);
        }
    }
    cut(&mut best);
    for round in 0..N_ROUNDS {
        let step = FIRST_STEP * 0.5_f64.powi(round as i32);
        let parents: Vec<Point> = best.iter().map(|(_, point)| point.clone()).collect();
        for parent in &parents {
            for _ in 0..N_NEIGHBOURS {
                consider(mutate(&study.space, parent, step, rng), &mut best);
            }
        }
        cut(&mut best);
    }
    best.into_iter().next().map(|(_, point)| point)
}

/// The number of the own scored configuration with the best posterior mean: the one to go on with. A lucky
/// single result does not win by itself, since its neighbours speak for or against it.
pub(super) fn recommend(study: &Study) -> Option<u32> {
    let observed = observed_evenly(study);
    let is_own = |o: &&Observed| o.source.is_none() && o.score.is_finite();
    let by_score =
        |a: &&Observed, b: &&Observed| a.score.total_cmp(&b.score).then(b.number.cmp(&a.number));
    let best_score = observed.iter().filter(is_own).max_by(by_score);
    let best_score = best_score.map(|o| o.number);
    let Some(learned) = learn(study, &observed) else {
        return best_score;
    };
    let Some(posterior) = Posterior::new(learned.data, &learned.hyper) else {
        return best_score;
    };
    let candidates = learned.selected.iter().enumerate();
    candidates
        .filter(|(_, idx)| is_own(&&observed[**idx]))
        .filter_map(|(row, &idx)| Some((posterior.fitted(row).next()?, observed[idx].number)))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, number)| number)
        .or(best_score)
}

/// What was learned.
struct Learned {
    /// Indices of the results that the process is conditioned on, in the order of `data`.
    selected: Vec<usize>,
    data: Data,
    hyper: Hyper,
}

/// `None` with fewer than two scored results.
fn learn(study: &Study, observed: &[Observed]) -> Option<Learned> {
    if observed.iter().filter(|o| o.score.is_finite()).count() < 2 {
        return None;
    }
    let values = targets(observed);
    let mut data = Data {
        is_category: study
            .space
            .params()
            .iter()
            .map(|param| matches!(param.domain, Domain::Categories { .. }))
            .collect(),
        ..Data::default()
    };
    for (o, value) in observed.iter().zip(&values) {
        data.push(features(&study.space, o.point), *value, o.noise);
    }
    let selected = selection(&data.values, MAX_CONDITION);
    let data = data.subset(&selected);
    let hyper = fit(&data.subset(&selection(&data.values, MAX_FIT)));
    Some(Learned {
        selected,
        data,
        hyper,
    })
}

/// Indices of the best third and of an even selection of the others, `limit` in all, in order.
fn selection(values: &[f64], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    if values.len() <= limit {
        return order;
    }
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let n_best = limit / 3;
    let (best, others) = order.split_at(n_best);
    let n_others = limit - n_best;
    let even = (0..n_others).map(|k| others[k * others.len() / n_others]);
    let mut selected: Vec<usize> = best.iter().copied().chain(even).collect();
    selected.sort_unstable();
    selected
}

fn features(space: &Space, point: &Point) -> Vec<f64> {
    let feature = |(idx, x): (usize, &Option<f64>)| match (space.params()[idx].domain, x) {
        (Domain::Categories { .. }, Some(x)) => *x,
        (Domain::Categories { .. }, None) => -1.0,
        (domain, Some(x)) => domain.to_unit(*x),
        (_, None) => 0.5,
    };
    point.iter().enumerate().map(feature).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_keeps_the_best_and_spreads_the_rest() {
        let values: Vec<f64> = (0..100).map(|i| ((i * 37) % 100) as f64).collect();
        let selected = selection(&values, 30);
        assert_eq!(selected.len(), 30);
        let of = |low: f64| selected.iter().filter(|&&idx| values[idx] >= low).count();
        assert_eq!(of(90.0), 10);
        assert!(
            (3..8).contains(&(selected.len() - of(25.0))),
            "{selected:?}"
        );
    }
}
