//! Regularised evolution (Real, Aggarwal, Huang and Le 2019, algorithm 1): the best of a random few of the
//! youngest results is changed a little. The oldest die, whatever their score, so that a lucky result
//! cannot reign for ever, which is what makes it fit for noise.
//!
//! Where the original changes one architecture bit, we change each parameter with probability
//! 1 / (active parameters), at least one: a category to another one, a number by a normal step.

use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::observed::{observed, targets};
use super::sobol;
use super::study::Study;
use crate::space::points::{Domain, Param, Point, Space};

/// Standard deviation of a number's step, as a share of its range.
const STEP: f64 = 0.15;
/// Attempts at a child that is new.
const MAX_MISSES: usize = 100;

/// A child, or a point of the first generation while results are fewer than the population. `sizes` are
/// the population's and the tournament's.
pub(super) fn propose(
    study: &Study,
    sizes: (usize, usize),
    seed: u64,
    number: u32,
    rng: &mut ChaCha8Rng,
) -> Option<Point> {
    let (population, tournament) = sizes;
    let observed = observed(study, rng);
    if observed.len() < population {
        return sobol::propose(study, seed, number);
    }
    // Foreign results come after the own ones in a study, yet count as the older. Each is measured by its own sweep.
    let mut by_age: Vec<_> = observed.iter().zip(targets(&observed)).collect();
    by_age.sort_by_key(|(o, _)| (o.source.is_none(), o.number));
    let youngest = &by_age[by_age.len() - population..];
    for _ in 0..MAX_MISSES {
        let drawn = sample(rng, population, tournament.min(population));
        let parent = drawn
            .into_iter()
            .map(|idx| youngest[idx])
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let child = mutate(&study.space, parent.0.point, STEP, rng);
        if study.is_new(&child) {
            return Some(child);
        }
    }
    None
}

/// A neighbour of `parent`. `step` is the standard deviation of a number's change, as a share of its
/// range. What a changed choice makes active anew is drawn at random.
pub(super) fn mutate(space: &Space, parent: &Point, step: f64, rng: &mut ChaCha8Rng) -> Point {
    let active: Vec<usize> = (0..parent.len())
        .filter(|&idx| parent[idx].is_some())
        .collect();
    if active.is_empty() {
        return parent.clone();
    }
    let always = active[rng.random_range(0..active.len())];
    let rate = 1.0 / active.len() as f64;
    space.build(|idx, param, _| match parent[idx] {
        None => param.domain.at_unit(rng.random()),
        Some(x) if idx == always || rng.random_bool(rate) => moved(param, x, step, rng),
        Some(x) => x,
    })
}

fn moved(param: &Param, x: f64, step: f64, rng: &mut ChaCha8Rng) -> f64 {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    match param.domain {
        Domain::Continuous => reflect(x + step * normal(), 1.0),
        Domain::Levels { n } => {
            let last = (n - 1) as f64;
            let change = step * n as f64 * normal();
            let to = reflect((x + change).round(), last);
            // Too short a step, or one that the range's end threw back, goes to a neighbour.
            match to == x {
                true => reflect(x + change.signum(), last),
                false => to,
            }
        }
        Domain::Categories { n } => {
            let other = rng.random_range(0..n - 1);
            (other + usize::from(other >= x as usize)) as f64
        }
    }
}

/// Folds `x` back into [0, `high`].
fn reflect(x: f64, high: f64) -> f64 {
    if high <= 0.0 {
        return 0.0;
    }
    let folded = x.rem_euclid(2.0 * high);
    folded.min(2.0 * high - folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::space::Node;
    use rand::SeedableRng;
    use serde_json::json;

    #[test]
    fn a_child_differs_and_stays_inside() {
        let node = Node::parse(&json!({
            "a": {"uniform": [0.0, 1.0]}, "b": {"int": [0, 4]}, "c": {"choice": ["x", "y", {"d": {"int": [1, 2]}}]},
        }));
        let space = Space::new(&node.unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut parent = super::super::random::draw(&space, &mut rng);
        for _ in 0..1_000 {
            let child = mutate(&space, &parent, STEP, &mut rng);
            assert_ne!(child, parent);
            assert_eq!(space.encode(&space.decode(&child)).map(|p| p.len()), Ok(4));
            parent = child;
        }
    }

    #[test]
    fn reflection_folds_from_both_ends() {
        for (x, folded) in [(-0.25, 0.25), (1.25, 0.75), (0.5, 0.5), (2.25, 0.25)] {
            assert_eq!(reflect(x, 1.0), folded);
        }
    }
}
