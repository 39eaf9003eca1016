//! Races with a known winner: how often it wins, and how many seeds that takes beside fixed numbers.

use cultivar_search::racing::{Rules, Standing, standing};
use cultivar_search::stats::student;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::blocks::blocks;
use crate::coverage::Share;

/// Racers, of which the last is better than the others by one seed standard deviation: the hardest case
/// for a given gap.
const N_RACERS: usize = 5;
const CONFIDENCE: f64 = 0.9;

/// What a way of choosing gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// The true best came out on top.
    pub right: Share,
    /// Shown to be, against all others.
    pub separated: Share,
    /// Shown to be, and wrong.
    pub wrong: Share,
    /// Mean number of runs of all racers together.
    pub n_runs: f64,
}

impl Outcome {
    /// Of many races: their winners, whether they were shown to be the best, and their runs.
    fn of(races: Vec<Vec<(usize, bool, usize)>>) -> Self {
        let mut outcome = Self::default();
        let mut n_runs = 0;
        for (top, is_separated, runs) in races.into_iter().flatten() {
            let is_right = top == N_RACERS - 1;
            outcome.right.count(is_right);
            outcome.separated.count(is_separated && is_right);
            outcome.wrong.count(is_separated && !is_right);
            n_runs += runs;
        }
        outcome.n_runs = n_runs as f64 / outcome.right.of as f64;
        outcome
    }
}

/// Standard deviations of the racers' seeds: alike, or growing from one racer to the next up to `ratio`.
fn deviation(racer: usize, ratio: f64) -> f64 {
    1.0 + (ratio - 1.0) * racer as f64 / (N_RACERS - 1) as f64
}

fn score(racer: usize, gap: f64, ratio: f64, rng: &mut ChaCha8Rng) -> f64 {
    let normal: f64 = StandardNormal.sample(rng);
    let mean = if racer == N_RACERS - 1 { gap } else { 0.0 };
    mean + deviation(racer, ratio) * normal
}

/// Races with at most `max_seeds` runs a racer on average.
pub fn race(gap: f64, ratio: f64, max_seeds: usize, n_races: usize, seed: u64) -> Outcome {
    let rules = Rules {
        confidence: CONFIDENCE,
        max_runs: max_seeds * N_RACERS,
    };
    let one = |rng: &mut ChaCha8Rng| {
        let mut scores: Vec<Vec<f64>> = vec![Vec::new(); N_RACERS];
        let (top, is_separated) = loop {
            match standing(&scores, &rules) {
                Some(Standing::Running { next }) => {
                    for racer in next {
                        scores[racer].push(score(racer, gap, ratio, rng));
                    }
                }
                Some(Standing::Separated { winner }) => break (winner, true),
                Some(Standing::Undecided { leader, .. }) => break (leader, false),
                None => break (0, false),
            }
        };
        (top, is_separated, scores.iter().map(Vec::len).sum())
    };
    let races = blocks(n_races, seed, |n, rng| (0..n).map(|_| one(rng)).collect());
    Outcome::of(races)
}

/// `n_seeds` each, one look: the best mean, and whether Student's test on the pooled variance, Bonferroni
/// over the others, tells it from each of them.
pub fn fixed(gap: f64, n_seeds: usize, n_races: usize, seed: u64) -> Outcome {
    let others = (N_RACERS - 1) as f64;
    let df = (N_RACERS * (n_seeds - 1)) as f64;
    // One-sided, as a race is lost to one side only.
    let t = student::two_sided(2.0 * (1.0 - CONFIDENCE) / others, df);
    let one = |rng: &mut ChaCha8Rng| {
        let (mut means, mut within) = (Vec::new(), 0.0);
        for racer in 0..N_RACERS {
            let scores: Vec<f64> = (0..n_seeds).map(|_| score(racer, gap, 1.0, rng)).collect();
            let mean = scores.iter().sum::<f64>() / n_seeds as f64;
            within += scores
                .iter()
                .map(|score| (score - mean).powi(2))
                .sum::<f64>();
            means.push((mean, racer));
        }
        means.sort_by(|a, b| b.0.total_cmp(&a.0));
        let error = (within / df * 2.0 / n_seeds as f64).sqrt();
        let is_separated = means[0].0 - means[1].0 >= t * error;
        (means[0].1, is_separated, N_RACERS * n_seeds)
    };
    let races = blocks(n_races, seed, |n, rng| (0..n).map(|_| one(rng)).collect());
    Outcome::of(races)
}

/// The smallest fixed number of seeds of which `is_enough` holds.
pub fn smallest_fixed(
    n_races: usize,
    seed: u64,
    is_enough: impl Fn(&Outcome) -> bool,
) -> (usize, Outcome) {
    (2..)
        .map(|n_seeds| (n_seeds, fixed(1.0, n_seeds, n_races, seed)))
        .find(|(_, outcome)| is_enough(outcome))
        .unwrap_or_default()
}
