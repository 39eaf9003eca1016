//! Races with a known winner: how often it wins, and how many seeds that takes beside fixed numbers.

use cultivar_search::racing::{Rules, Standing, standing};
use cultivar_search::stats::student;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

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
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rules = Rules {
        confidence: CONFIDENCE,
        max_runs: max_seeds * N_RACERS,
    };
    let mut outcome = Outcome::default();
    for _ in 0..n_races {
        let mut scores: Vec<Vec<f64>> = vec![Vec::new(); N_RACERS];
        let (top, is_separated) = loop {
            match standing(&scores, &rules) {
                Some(Standing::Running { next }) => {
                    for racer in next {
                        scores[racer].push(score(racer, gap, ratio, &mut rng));
                    }
                }
                Some(Standing::Separated { winner }) => break (winner, true),
                Some(Standing::Undecided { leader, .. }) => break (leader, false),
                None => break (0, false),
            }
        };
        let n_runs: usize = scores.iter().map(Vec::len).sum();
        tally(
            &mut outcome,
            top,
            is_separated,
            n_runs as f64 / n_races as f64,
        );
    }
    outcome
}

/// `n_seeds` each, one look: the best mean, and whether Student's test on the pooled variance, Bonferroni
/// over the others, tells it from each of them.
pub fn fixed(gap: f64, n_seeds: usize, n_races: usize, seed: u64) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let others = (N_RACERS - 1) as f64;
    let df = (N_RACERS * (n_seeds - 1)) as f64;
    // One-sided, as a race is lost to one side only.
    let t = student::two_sided(2.0 * (1.0 - CONFIDENCE) / others, df);
    let mut outcome = Outcome::default();
    for _ in 0..n_races {
        let (mut means, mut within) = (Vec::new(), 0.0);
        for racer in 0..N_RACERS {
            let scores: Vec<f64> = (0..n_seeds)
                .map(|_| score(racer, gap, 1.0, &mut rng))
                .collect();
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
        let n_runs = (N_RACERS * n_seeds) as f64 / n_races as f64;
        tally(&mut outcome, means[0].1, is_separated, n_runs);
    }
    outcome
}

fn tally(outcome: &mut Outcome, top: usize, is_separated: bool, n_runs: f64) {
    let is_right = top == N_RACERS - 1;
    outcome.right.count(is_right);
    outcome.separated.count(is_separated && is_right);
    outcome.wrong.count(is_separated && !is_right);
    outcome.n_runs += n_runs;
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
