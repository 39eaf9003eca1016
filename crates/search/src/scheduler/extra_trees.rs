//! Extremely randomised trees for regression (Geurts, Ernst and Wehenkel 2006, "Extremely randomized trees", Machine
//! Learning 63): a node tries some features, each at one threshold drawn at random between its extremes, and splits at
//! the one that lowers the squared error most. Every tree grows from all rows, so that a handful is enough to begin with.
//!
//! Where we differ: a node tries six in ten of the features that vary in it, and leaves hold two rows at least; the
//! paper's defaults for regression are all of them, and nodes of five are split.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) const N_TREES: usize = 20;
const MIN_LEAF: usize = 2;
/// Of all features, those that a node tries.
const SHARE_TRIED: f64 = 0.6;

/// What a forest learns from: finite numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    /// `[n_rows][n_features]`
    pub features: Vec<Vec<f64>>,
    /// `[n_rows]`
    pub targets: Vec<f64>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.targets.len()
    }
}

pub(super) struct Forest(Vec<Tree>);

/// Inner nodes and leaves, the root first.
struct Tree(Vec<Node>);

enum Node {
    Leaf(f64),
    Split {
        feature: usize,
        /// Below it goes left.
        threshold: f64,
        children: [usize; 2],
    },
}

impl Forest {
    /// Grows the trees. The same rows and seed give the same forest.
    pub fn grow(rows: &Rows, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n_features = rows.features.first().map_or(0, Vec::len);
        let grow = |_| {
            let mut grower = Grower {
                rows,
                n_tried: ((SHARE_TRIED * n_features as f64).round() as usize).max(1),
                order: (0..n_features).collect(),
                tree: Tree(Vec::new()),
                rng: &mut rng,
            };
            grower.split(&mut (0..rows.len()).collect::<Vec<_>>());
            grower.tree
        };
        Self((0..N_TREES).map(grow).collect())
    }

    /// What tree number `tree` of [`N_TREES`] says of `features`.
    pub fn vote(&self, tree: usize, features: &[f64]) -> f64 {
        self.0[tree].at(features)
    }
}

impl Tree {
    fn at(&self, features: &[f64]) -> f64 {
        let mut idx = 0;
        loop {
            match &self.0[idx] {
                Node::Leaf(value) => return *value,
                Node::Split {
                    feature,
                    threshold,
                    children,
                } => idx = children[usize::from(features[*feature] >= *threshold)],
            }
        }
    }
}

struct Grower<'a> {
    rows: &'a Rows,
    n_tried: usize,
    /// Features, shuffled again at every node.
    order: Vec<usize>,
    tree: Tree,
    rng: &'a mut ChaCha8Rng,
}

impl Grower<'_> {
    /// Grows the subtree of the rows `held` and returns its node.
    fn split(&mut self, held: &mut [usize]) -> usize {
        let idx = self.tree.0.len();
        let sum: f64 = held.iter().map(|&row| self.rows.targets[row]).sum();
        let mean = sum / held.len().max(1) as f64;
        self.tree.0.push(Node::Leaf(mean));
        if held.len() < 2 * MIN_LEAF {
            return idx;
        }
        let Some((feature, threshold)) = self.best_split(held, mean) else {
            return idx;
        };
        let goes_right = |row: &usize| self.rows.features[*row][feature] >= threshold;
        held.sort_by_key(goes_right);
        let middle = held.partition_point(|row| !goes_right(row));
        let (left, right) = held.split_at_mut(middle);
        let children = [self.split(left), self.split(right)];
        self.tree.0[idx] = Node::Split {
            feature,
            threshold,
            children,
        };
        idx
    }

    fn best_split(&mut self, held: &[usize], mean: f64) -> Option<(usize, f64)> {
        let (features, targets) = (&self.rows.features, &self.rows.targets);
        let squares: f64 = held.iter().map(|&row| (targets[row] - mean).powi(2)).sum();
        let mut best = None;
        let mut most = 1e-12 * squares;
        let mut n_tried = 0;
        for place in 0..self.order.len() {
            if n_tried == self.n_tried {
                break;
            }
            let drawn = self.rng.random_range(place..self.order.len());
            self.order.swap(place, drawn);
            let feature = self.order[place];
            let values = held.iter().map(|&row| features[row][feature]);
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            });
            if low >= high {
                continue;
            }
            n_tried += 1;
            // In (low, high]: neither side is empty.
            let threshold = high - self.rng.random::<f64>() * (high - low);
            let (mut n_left, mut left, mut right) = (0.0, 0.0, 0.0);
            for &row in held {
                let off = targets[row] - mean;
                if features[row][feature] < threshold {
                    n_left += 1.0;
                    left += off;
                } else {
                    right += off;
                }
            }
            let n_right = held.len() as f64 - n_left;
            if n_left < MIN_LEAF as f64 || n_right < MIN_LEAF as f64 {
                continue;
            }
            let explained = left * left / n_left + right * right / n_right;
            if explained > most {
                most = explained;
                best = Some((feature, threshold));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step in the first feature, noise in the second, nothing in the third.
    fn steps(n: usize) -> Rows {
        let noise = |row: usize| (row * 7919 % 101) as f64 / 101.0;
        let row = |row: usize| vec![row as f64 / n as f64, noise(row), 0.5];
        Rows {
            features: (0..n).map(row).collect(),
            targets: (0..n).map(|row| f64::from(2 * row > n)).collect(),
        }
    }

    fn mean(forest: &Forest, features: &[f64]) -> f64 {
        let votes = (0..N_TREES).map(|tree| forest.vote(tree, features));
        votes.sum::<f64>() / N_TREES as f64
    }

    #[test]
    fn a_step_is_learned_from_the_feature_that_holds_it() {
        let forest = Forest::grow(&steps(60), 1);
        for noise in [0.1, 0.9] {
            assert!(mean(&forest, &[0.1, noise, 0.5]) < 0.1);
            assert!(mean(&forest, &[0.9, noise, 0.5]) > 0.9);
        }
    }

    #[test]
    fn the_seed_decides_all_draws() {
        let votes = |seed| -> Vec<f64> {
            let forest = Forest::grow(&steps(40), seed);
            let vote = |tree| forest.vote(tree, &[0.52, 0.3, 0.5]);
            (0..N_TREES).map(vote).collect()
        };
        assert_eq!(votes(1), votes(1));
        assert_ne!(votes(1), votes(2));
    }

    #[test]
    fn few_or_equal_rows_are_one_leaf() {
        let equal = Rows {
            features: vec![vec![0.5]; 9],
            targets: (0..9).map(f64::from).collect(),
        };
        assert_eq!(mean(&Forest::grow(&equal, 0), &[0.1]), 4.0);
        let few = mean(&Forest::grow(&steps(3), 0), &[0.1, 0.1, 0.5]);
        assert!((few - 1.0 / 3.0).abs() < 1e-9);
    }
}
