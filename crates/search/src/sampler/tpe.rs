//! Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011), multivariate (Falkner, Klein
//! and Hutter 2018) and by groups: parameters that exist under the same alternative share a density, learned
//! from the configurations that have them, so conditional spaces need no padding.
//!
//! Results are split into good and bad; of some draws from the density of the good ones the one is proposed
//! whose density ratio good / bad is largest. Reference: Optuna's `TPESampler(multivariate=True,
//! group=True, constant_liar=True)`. We differ: pending configurations are bad ones with their full weight;
//! the good are 15% where Optuna takes 10%; a foreign sweep is split by itself, so that scales never mix;
//! at most [`MAX_KERNELS`] bad ones are looked at, drawn at random, which keeps a question at a millisecond or two
//! whatever the history.

use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::normal;
use super::observed::{LogCost, Observed, observed};
use super::study::Study;
use crate::space::points::{Domain, Param, Point};

/// Share of the results that are good, and how many at most.
const GOOD_SHARE: f64 = 0.15;
const MAX_GOOD: usize = 25;
/// Bad results that a density is made of at most.
const MAX_KERNELS: usize = 600;
/// A kernel's standard deviation for one result, as a share of the range; shrinks by Scott's rule.
const BANDWIDTH: f64 = 0.2;

pub(super) struct Settings {
    pub n_candidates: usize,
    pub cost_aware: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            n_candidates: 24,
            cost_aware: false,
        }
    }
}

/// The most promising of some draws; `None` where all of them are known or nothing was observed.
pub(super) fn propose(study: &Study, settings: &Settings, rng: &mut ChaCha8Rng) -> Option<Point> {
    let observed = observed(study, rng);
    if observed.is_empty() {
        return None;
    }
    let (good, mut bad) = split(&observed);
    let pending = study.own().filter(|(_, entry)| entry.state.is_pending());
    bad.extend(pending.map(|(_, entry)| (&entry.point, 1.0)));
    if bad.len() > MAX_KERNELS {
        let drawn = sample(rng, bad.len(), MAX_KERNELS);
        bad = drawn.into_iter().map(|idx| bad[idx]).collect();
    }
    let params = study.space.params();
    let groups: Vec<Group> = groups(params)
        .into_iter()
        .map(|members| Group {
            good: Density::new(params, &members, &good),
            bad: Density::new(params, &members, &bad),
        })
        .collect();
    let log_cost = settings.cost_aware.then(|| LogCost::new(study, &observed));

    let mut best: Option<(f64, Point)> = None;
    for _ in 0..settings.n_candidates {
        let mut point = vec![None; params.len()];
        let mut score = 0.0;
        for group in &groups {
            if study.space.is_active(group.good.members[0], &point) {
                group.good.draw_into(params, &mut point, rng);
                score += group.good.log_at(params, &point) - group.bad.log_at(params, &point);
            }
        }
        score -= log_cost.as_ref().map_or(0.0, |cost| cost.at(&point));
        let is_better = best.as_ref().is_none_or(|(top, _)| score > *top);
        if is_better && study.is_new(&point) {
            best = Some((score, point));
        }
    }
    best.map(|(_, point)| point)
}

/// A configuration that a density is made of, and what it counts for.
type Weighted<'a> = (&'a Point, f64);

/// The best of every source, and the rest.
fn split<'a>(observed: &[Observed<'a>]) -> (Vec<Weighted<'a>>, Vec<Weighted<'a>>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for source in observed.chunk_by(|a, b| a.source == b.source) {
        let n_scored = source.iter().filter(|o| o.score.is_finite()).count();
        let n_good = ((GOOD_SHARE * source.len() as f64).ceil() as usize)
            .min(MAX_GOOD)
            .min(n_scored);
        let mut order: Vec<&Observed> = source.iter().collect();
        if n_good > 0 {
            let by_score = |a: &&Observed, b: &&Observed| {
                b.score.total_cmp(&a.score).then(a.number.cmp(&b.number))
            };
            order.select_nth_unstable_by(n_good - 1, by_score);
        }
        let weighted = |o: &&Observed<'a>| (o.point, o.weight);
        good.extend(order[..n_good].iter().map(weighted));
        bad.extend(order[n_good..].iter().map(weighted));
    }
    (good, bad)
}

/// Parameters that exist together, those that others depend on first.
fn groups(params: &[Param]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (idx, param) in params.iter().enumerate() {
        let known = groups
            .iter()
            .position(|group| params[group[0]].parent == param.parent);
        match known {
            Some(group) => groups[group].push(idx),
            None => groups.push(vec![idx]),
        }
    }
    groups
}

struct Group {
    good: Density,
    bad: Density,
}

/// A mixture of one kernel a configuration and the uniform law, relative to the uniform law.
struct Density {
    members: Vec<usize>,
    kinds: Vec<Kind>,
    /// Unit coordinates or alternatives, `[member][kernel]`.
    centres: Vec<Vec<f64>>,
    weights: Vec<f64>,
    /// ln of each kernel's weight over its own normalisation.
    log_weights: Vec<f64>,
    total_weight: f64,
}

/// How one coordinate of a kernel falls off.
#[derive(Clone, Copy)]
enum Kind {
    /// A normal law cut off at 0 and 1.
    Number { sigma: f64 },
    /// Aitchison and Aitken's kernel: ln of the density at the centre and elsewhere.
    Category {
        log_same: f64,
        log_other: f64,
        n: usize,
        p_other: f64,
    },
}

/// Weight of the uniform law, in results.
const PRIOR_WEIGHT: f64 = 1.0;

impl Density {
    fn new(params: &[Param], members: &[usize], results: &[Weighted]) -> Self {
        let having: Vec<&Weighted> = results
            .iter()
            .filter(|(point, _)| point[members[0]].is_some())
            .collect();
        let n_kernels = having.len().max(1) as f64;
        let shrink = n_kernels.powf(-1.0 / (members.len() as f64 + 4.0));
        let kinds: Vec<Kind> = members
            .iter()
            .map(|&idx| kind(params[idx].domain, shrink, n_kernels))
            .collect();
        let unit = |idx: usize, x: f64| match params[idx].domain {
            Domain::Categories { .. } => x,
            domain => domain.to_unit(x),
        };
        let centres: Vec<Vec<f64>> = members
            .iter()
            .map(|&idx| {
                let coordinate = |(point, _): &&Weighted| unit(idx, point[idx].unwrap_or(0.0));
                having.iter().map(coordinate).collect()
            })
            .collect();
        let weights: Vec<f64> = having.iter().map(|(_, weight)| *weight).collect();
        let log_weights = (0..having.len())
            .map(|kernel| {
                let mut log_weight = weights[kernel].ln();
                for (kind, centres) in kinds.iter().zip(&centres) {
                    if let Kind::Number { sigma } = kind {
                        let centre = centres[kernel];
                        let inside =
                            normal::cdf((1.0 - centre) / sigma) - normal::cdf(-centre / sigma);
                        log_weight += normal::log_density(0.0) - (sigma * inside).ln();
                    }
                }
                log_weight
            })
            .collect();
        Self {
            members: members.to_vec(),
            kinds,
            centres,
            total_weight: weights.iter().sum::<f64>() + PRIOR_WEIGHT,
            weights,
            log_weights,
        }
    }

    /// Draws the group's coordinates.
    fn draw_into(&self, params: &[Param], point: &mut Point, rng: &mut ChaCha8Rng) {
        let mut left = rng.random::<f64>() * self.total_weight;
        let kernel = self.weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        for (member, &idx) in self.members.iter().enumerate() {
            let domain = params[idx].domain;
            point[idx] = Some(match kernel {
                None => domain.at_unit(rng.random()),
                Some(kernel) => {
                    let centre = self.centres[member][kernel];
                    match self.kinds[member] {
                        Kind::Number { sigma } => domain.at_unit(cut_normal(centre, sigma, rng)),
                        Kind::Category { n, p_other, .. } if rng.random_bool(p_other) => {
                            let other = rng.random_range(0..n - 1);
                            (other + usize::from(other >= centre as usize)) as f64
                        }
                        Kind::Category { .. } => centre,
                    }
                }
            });
        }
    }

    /// ln of the density at `point`, whose group is active.
    fn log_at(&self, params: &[Param], point: &Point) -> f64 {
        let mut logs = self.log_weights.clone();
        for ((&idx, kind), centres) in self.members.iter().zip(&self.kinds).zip(&self.centres) {
            let x = point[idx].unwrap_or(0.0);
            match *kind {
                Kind::Number { sigma } => {
                    let x = params[idx].domain.to_unit(x);
                    let half_precision = 0.5 / (sigma * sigma);
                    for (log, centre) in logs.iter_mut().zip(centres) {
                        *log -= (x - centre).powi(2) * half_precision;
                    }
                }
                Kind::Category {
                    log_same,
                    log_other,
                    ..
                } => {
                    for (log, centre) in logs.iter_mut().zip(centres) {
                        *log += if x == *centre { log_same } else { log_other };
                    }
                }
            }
        }
        let top = logs.iter().copied().fold(PRIOR_WEIGHT.ln(), f64::max);
        let sum: f64 = logs.iter().map(|log| (log - top).exp()).sum();
        top + (sum + (PRIOR_WEIGHT.ln() - top).exp()).ln() - self.total_weight.ln()
    }
}

fn kind(domain: Domain, shrink: f64, n_kernels: f64) -> Kind {
    match domain {
        Domain::Continuous => Kind::Number {
            sigma: BANDWIDTH * shrink,
        },
        // A kernel narrower than its level would never leave it.
        Domain::Levels { n } => Kind::Number {
            sigma: (BANDWIDTH * shrink).max(0.5 / n as f64),
        },
        Domain::Categories { n } => {
            let others = (n - 1) as f64;
            // One result leaves it to chance, many hardly.
            let p_other = others / n as f64 / (1.0 + 0.25 * n_kernels);
            Kind::Category {
                log_same: ((1.0 - p_other) * n as f64).ln(),
                log_other: (p_other / others * n as f64).ln(),
                n,
                p_other,
            }
        }
    }
}

/// A normal draw that lies in [0, 1], where its centre lies.
fn cut_normal(centre: f64, sigma: f64, rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let normal: f64 = StandardNormal.sample(rng);
        let x = centre + sigma * normal;
        if (0.0..=1.0).contains(&x) {
            return x;
        }
    }
}
