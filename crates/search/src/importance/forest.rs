//! A random forest for regression (Breiman 2001) over binned features.
//!
//! Features are cut into at most [`MAX_BINS`] bins beforehand, so that a split is found in one pass over a
//! histogram, and a leaf is a box of bins, which is what the analysis of variance needs.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The bin of a conditional parameter where it is inactive.
pub(super) const INACTIVE: u8 = u8::MAX;
/// Bins of a feature at most.
pub(super) const MAX_BINS: usize = 48;
const N_TREES: usize = 32;
/// Rows that one tree is grown from at most.
const MAX_ROWS: usize = 3_000;
const MIN_LEAF: usize = 3;
const MAX_DEPTH: usize = 24;

/// What a forest learns from.
pub(super) struct Binned {
    /// Bin of each row and feature, `[n_rows][n_features]`.
    pub rows: Vec<Vec<u8>>,
    pub values: Vec<f64>,
    /// Bins of each feature.
    pub n_bins: Vec<usize>,
    /// Whether bins have no order; then a split takes one of them from the others.
    pub is_category: Vec<bool>,
}

/// A tree: inner nodes and leaves, the root first.
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Rows that the tree has not seen.
    pub unseen: Vec<usize>,
}

enum Node {
    Leaf(f64),
    Split {
        feature: usize,
        side: Side,
        children: [usize; 2],
    },
}

/// Which bins go left.
#[derive(Clone, Copy)]
enum Side {
    Below(u8),
    Only(u8),
}

impl Side {
    fn is_left(self, bin: u8) -> bool {
        match self {
            Self::Below(end) => bin < end,
            Self::Only(one) => bin == one,
        }
    }
}

pub(super) fn grow(data: &Binned, rng: &mut ChaCha8Rng) -> Vec<Tree> {
    let n = data.rows.len();
    (0..N_TREES)
        .map(|_| {
            let mut rows: Vec<usize> = (0..n.min(MAX_ROWS))
                .map(|_| rng.random_range(0..n))
                .collect();
            let mut is_seen = vec![false; n];
            rows.iter().for_each(|&row| is_seen[row] = true);
            let mut tree = Tree {
                nodes: Vec::new(),
                unseen: (0..n).filter(|&row| !is_seen[row]).collect(),
            };
            tree.split(data, &mut rows, 0, rng);
            tree
        })
        .collect()
}

impl Tree {
    /// Grows the subtree of `rows` and returns its node.
    fn split(
        &mut self,
        data: &Binned,
        rows: &mut [usize],
        depth: usize,
        rng: &mut ChaCha8Rng,
    ) -> usize {
        let idx = self.nodes.len();
        let mean = rows.iter().map(|&row| data.values[row]).sum::<f64>() / rows.len() as f64;
        self.nodes.push(Node::Leaf(mean));
        if rows.len() < 2 * MIN_LEAF || depth == MAX_DEPTH {
            return idx;
        }
        let Some((feature, side)) = best_split(data, rows, rng) else {
            return idx;
        };
        rows.sort_unstable_by_key(|&row| !side.is_left(data.rows[row][feature]));
        let middle = rows.partition_point(|&row| side.is_left(data.rows[row][feature]));
        let (left, right) = rows.split_at_mut(middle);
        let children = [
            self.split(data, left, depth + 1, rng),
            self.split(data, right, depth + 1, rng),
        ];
        self.nodes[idx] = Node::Split {
            feature,
            side,
            children,
        };
        idx
    }

    /// The value at bins that are looked up by feature.
    pub fn predict(&self, bin: impl Fn(usize) -> u8) -> f64 {
        let mut idx = 0;
        loop {
            match &self.nodes[idx] {
                Node::Leaf(value) => return *value,
                Node::Split {
                    feature,
                    side,
                    children,
                } => idx = children[usize::from(!side.is_left(bin(*feature)))],
            }
        }
    }

    /// Calls `visit` with each leaf's value and the bins it holds, `[n_features][n_bins]`.
    pub fn leaves(&self, n_bins: &[usize], visit: &mut impl FnMut(f64, &[Vec<bool>])) {
        let mut held: Vec<Vec<bool>> = n_bins.iter().map(|&n| vec![true; n]).collect();
        self.walk(0, &mut held, visit);
    }

    fn walk(&self, idx: usize, held: &mut [Vec<bool>], visit: &mut impl FnMut(f64, &[Vec<bool>])) {
        match &self.nodes[idx] {
            Node::Leaf(value) => visit(*value, held),
            Node::Split {
                feature,
                side,
                children,
            } => {
                let whole = held[*feature].clone();
                for (child, goes_left) in children.iter().zip([true, false]) {
                    for (bin, held) in held[*feature].iter_mut().enumerate() {
                        *held = whole[bin] && side.is_left(bin as u8) == goes_left;
                    }
                    self.walk(*child, held, visit);
                }
                held[*feature] = whole;
            }
        }
    }
}

/// The split that lowers the squared error most, among a random two thirds of the features.
fn best_split(data: &Binned, rows: &[usize], rng: &mut ChaCha8Rng) -> Option<(usize, Side)> {
    let n_features = data.n_bins.len();
    let n_tried = (2 * n_features).div_ceil(3);
    let mut best: Option<(f64, usize, Side)> = None;
    let total: f64 = rows.iter().map(|&row| data.values[row]).sum();
    let n = rows.len() as f64;
    let floor = total * total / n + 1e-12 * (1.0 + total * total / n);
    for feature in rand::seq::index::sample(rng, n_features, n_tried) {
        // Where it is inactive in some rows, a split on it would be one on the choice above it.
        if rows.iter().any(|&row| data.rows[row][feature] == INACTIVE) {
            continue;
        }
        let mut sums = [(0.0, 0.0); MAX_BINS];
        for &row in rows {
            let sum = &mut sums[usize::from(data.rows[row][feature])];
            sum.0 += 1.0;
            sum.1 += data.values[row];
        }
        let mut consider = |n_left: f64, left: f64, side: Side| {
            let n_right = n - n_left;
            if n_left < MIN_LEAF as f64 || n_right < MIN_LEAF as f64 {
                return;
            }
            let explained = left * left / n_left + (total - left).powi(2) / n_right;
            if explained > best.map_or(floor, |(top, ..)| top) {
                best = Some((explained, feature, side));
            }
        };
        let mut below = (0.0, 0.0);
        for (bin, sum) in sums[..data.n_bins[feature]].iter().enumerate() {
            if data.is_category[feature] {
                consider(sum.0, sum.1, Side::Only(bin as u8));
                continue;
            }
            below = (below.0 + sum.0, below.1 + sum.1);
            if sum.0 > 0.0 {
                consider(below.0, below.1, Side::Below(bin as u8 + 1));
            }
        }
    }
    best.map(|(_, feature, side)| (feature, side))
}
