//! A checked sweep with all that has been told of it.

use std::collections::{BTreeMap, HashSet};

use cultivar_spec::space::Node;
use cultivar_spec::sweep::Sampler;
use cultivar_spec::{SweepSpec, Violations};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::grid::Grid;
use super::past::{Origin, Past, PastState};
use super::{MAX_CONFIGS, auto, checks, cma_es, evolution, gp, random, sobol, tpe};
use crate::space::points::{Point, Space};
use crate::space::region::contains;
use crate::space::size;

/// Random draws that may miss, being known or forbidden, before a finite space is walked instead.
const MAX_MISSES: usize = 1_000;

/// A sweep being searched: its checked space, and the past as points of it.
///
/// It holds nothing that is not a function of the sweep and of what it was told, so one kept between
/// questions and one built anew give the same answers; keeping it saves reading the past again.
#[derive(Clone)]
pub struct Study {
    pub(super) space: Space,
    pub(super) node: Node,
    pub(super) forbid: Vec<Node>,
    /// `auto` is kept only where the model is to be picked by the past.
    pub(super) sampler: Sampler,
    pub(super) budget: Option<u32>,
    pub(super) warm_start: Vec<Point>,
    /// By source (own results first) and number, whatever the order they were told in.
    entries: BTreeMap<(Option<u32>, u32), Entry>,
    seen: HashSet<Key>,
}

/// Coordinates as bits, so that points can be looked up.
type Key = Vec<Option<u64>>;

/// One told configuration.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub point: Point,
    pub state: PastState,
    /// 1 for an own result.
    pub weight: f64,
}

impl Study {
    /// Checks a sweep's space, sampler and budget.
    ///
    /// # Errors
    /// Everything wrong with them, with JSON pointers into the sweep.
    pub fn new(sweep: &SweepSpec) -> Result<Self, Violations> {
        checks::study(sweep)
    }

    /// The space as coordinates.
    pub fn space(&self) -> &Space {
        &self.space
    }

    pub(super) fn empty(
        node: Node,
        forbid: Vec<Node>,
        sampler: Sampler,
        budget: Option<u32>,
    ) -> Self {
        Self {
            space: Space::new(&node),
            node,
            forbid,
            sampler,
            budget,
            warm_start: Vec::new(),
            entries: BTreeMap::new(),
            seen: HashSet::new(),
        }
    }

    /// Takes in a past configuration, in place of what was told of the same number before. Returns
    /// whether it lies inside the space; what does not is left out of account.
    pub fn tell(&mut self, past: &Past) -> bool {
        let Ok(point) = self.space.encode(&past.overlay) else {
            return false;
        };
        let (source, weight) = match past.origin {
            Origin::Own => {
                self.seen.insert(key(&point));
                (None, 1.0)
            }
            Origin::Foreign { weight, .. } if weight.is_nan() || weight <= 0.0 => return false,
            Origin::Foreign { source, weight } => (Some(source), weight.min(1.0)),
        };
        let entry = Entry {
            point,
            state: past.state.clone(),
            weight,
        };
        self.entries.insert((source, past.number), entry);
        true
    }

    /// The configuration with this number, an overlay of the space that was not proposed before; `None`
    /// where the budget or the space is exhausted. A function of the sweep, the number and what was told.
    pub fn ask(&self, number: u32) -> Option<Value> {
        let point = self.propose(number)?;
        Some(self.space.decode(&point))
    }

    /// The number of the own configuration to go on with; see [`super::recommend`].
    pub fn recommend(&self) -> Option<u32> {
        gp::recommend(self)
    }

    pub(super) fn propose(&self, number: u32) -> Option<Point> {
        if self.budget.is_some_and(|budget| number >= budget) {
            return None;
        }
        if let Some(point) = self.warm_start.iter().find(|point| self.is_new(point)) {
            return Some(point.clone());
        }
        let mut rng = self.rng(number);
        let proposed = match &self.sampler {
            Sampler::Auto { seed } => auto::propose(self, *seed, number, &mut rng),
            Sampler::Grid {} => return self.grid().find(|point| self.is_new(point)),
            Sampler::Random { .. } => None,
            Sampler::Sobol { seed } => sobol::propose(self, *seed, number),
            Sampler::Tpe {
                seed,
                n_startup,
                n_candidates,
                cost_aware,
            } => match self.n_finished() < *n_startup as usize {
                true => sobol::propose(self, *seed, number),
                false => {
                    let settings = tpe::Settings {
                        n_candidates: *n_candidates as usize,
                        cost_aware: *cost_aware,
                    };
                    tpe::propose(self, &settings, &mut rng)
                }
            },
            Sampler::Gp {
                seed,
                n_startup,
                cost_aware,
            } => match self.n_finished() < *n_startup as usize {
                true => sobol::propose(self, *seed, number),
                false => gp::propose(self, *cost_aware, &mut rng),
            },
            Sampler::CmaEs {
                population, sigma, ..
            } => cma_es::propose(self, *population, *sigma, &mut rng),
            Sampler::Evolution {
                seed,
                population,
                tournament,
            } => {
                let sizes = (*population as usize, *tournament as usize);
                evolution::propose(self, sizes, *seed, number, &mut rng)
            }
        };
        proposed
            .filter(|point| self.is_new(point))
            .or_else(|| self.fresh(&mut rng))
    }

    /// Every draw for one number, independent of those for the others.
    pub(super) fn rng(&self, number: u32) -> ChaCha8Rng {
        let seed = match &self.sampler {
            Sampler::Grid {} => 0,
            Sampler::Auto { seed }
            | Sampler::Random { seed }
            | Sampler::Sobol { seed }
            | Sampler::Tpe { seed, .. }
            | Sampler::Gp { seed, .. }
            | Sampler::CmaEs { seed, .. }
            | Sampler::Evolution { seed, .. } => *seed,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number.into());
        rng
    }

    /// Own configurations in the order of their numbers.
    pub(super) fn own(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let own = self.entries.range(..=(None, u32::MAX));
        own.map(|((_, number), entry)| (*number, entry))
    }

    /// Every configuration, with its source (`None`: own) and number.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Option<u32>, u32, &Entry)> {
        self.entries
            .iter()
            .map(|((source, number), entry)| (*source, *number, entry))
    }

    /// Own and foreign configurations that have ended, scored or failed.
    pub(super) fn n_finished(&self) -> usize {
        let finished = |entry: &&Entry| !entry.state.is_pending();
        self.entries.values().filter(finished).count()
    }

    /// Whether a point may be proposed: neither proposed before nor forbidden.
    pub(super) fn is_new(&self, point: &Point) -> bool {
        !self.seen.contains(&self.key_of(point)) && self.is_allowed(point)
    }

    pub(super) fn is_allowed(&self, point: &Point) -> bool {
        if self.forbid.is_empty() {
            return true;
        }
        let overlay = self.space.decode(point);
        !self.forbid.iter().any(|region| contains(region, &overlay))
    }

    /// Counts a point as proposed. Whether it had not been before.
    pub(super) fn remember(&mut self, point: &Point) -> bool {
        self.seen.insert(self.key_of(point))
    }

    /// The key of what a point comes to: alternatives may overlap, and a narrow range has few numbers.
    fn key_of(&self, point: &Point) -> Key {
        let told = self.space.encode(&self.space.decode(point));
        key(told.as_ref().unwrap_or(point))
    }

    /// A random point that may be proposed; `None` where a finite space has none left.
    pub(super) fn fresh(&self, rng: &mut ChaCha8Rng) -> Option<Point> {
        let drawn = (0..MAX_MISSES).find_map(|_| {
            let point = random::draw(&self.space, rng);
            self.is_new(&point).then_some(point)
        });
        drawn.or_else(|| match size(&self.node) {
            Some(n_points) if n_points <= MAX_CONFIGS => {
                self.grid().find(|point| self.is_new(point))
            }
            _ => None,
        })
    }

    /// Every allowed point of a finite space, known ones included.
    pub(super) fn grid(&self) -> impl Iterator<Item = Point> {
        Grid::new(&self.node)
            .filter_map(|overlay| self.space.encode(&overlay).ok())
            .filter(|point| self.is_allowed(point))
    }
}

fn key(point: &Point) -> Key {
    let bits = |x: &Option<f64>| x.map(|x| (x + 0.0).to_bits());
    point.iter().map(bits).collect()
}
