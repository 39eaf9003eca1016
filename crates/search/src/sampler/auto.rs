//! Picks the sampler by what there is to learn from: evenly spread points first, then a Gaussian process,
//! then, where that would be too slow or too coarse, the tree-structured Parzen estimator.

use rand_chacha::ChaCha8Rng;

use super::study::Study;
use super::{gp, sobol, tpe};
use crate::space::points::Point;

/// Results beyond which the Parzen estimator is asked.
const MAX_GP_RESULTS: usize = 1_000;
/// Parameters it tells apart at most.
const MAX_GP_PARAMS: usize = 40;

pub(super) fn propose(
    study: &Study,
    seed: u64,
    number: u32,
    rng: &mut ChaCha8Rng,
) -> Option<Point> {
    let n_finished = study.n_finished();
    if n_finished < n_startup(study) {
        return sobol::propose(study, seed, number);
    }
    if n_finished > MAX_GP_RESULTS || study.space.params().len() > MAX_GP_PARAMS {
        return tpe::propose(study, &tpe::Settings::default(), rng);
    }
    gp::propose(study, false, rng)
}

/// Results to wait for before a model is asked: one a parameter and a few, yet never more than a quarter of
/// the budget.
fn n_startup(study: &Study) -> usize {
    let wanted = study.space.params().len() + 3;
    let affordable = study.budget.map_or(wanted, |budget| budget as usize / 4);
    wanted.min(affordable).clamp(2, 20)
}
