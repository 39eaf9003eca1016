//! The exact analysis of variance of trees over a space of independent bins (Hutter, Hoos and Leyton-Brown
//! 2014, section 3): a leaf adds its value, times the share of the other features that it holds, to
//! the expected value at each of its bins.

use super::forest::Tree;
use cultivar_spec::wire::VarianceShare;

pub(super) struct Anova {
    /// By feature.
    pub mains: Vec<VarianceShare>,
    /// By pair of features, the interaction alone.
    pub pairs: Vec<((usize, usize), VarianceShare)>,
    /// Expected value and its deviation over the trees, `[feature][bin]`.
    pub curves: Vec<Vec<VarianceShare>>,
}

/// What one tree says: shares by feature and by pair, and marginals `[feature][bin]`.
struct OfTree {
    mains: Vec<f64>,
    pairs: Vec<f64>,
    marginals: Vec<Vec<f64>>,
}

pub(super) fn decompose(trees: &[Tree], n_bins: &[usize]) -> Anova {
    let pairs: Vec<(usize, usize)> = (0..n_bins.len())
        .flat_map(|b| (0..b).map(move |a| (a, b)))
        .collect();
    let of_trees: Vec<OfTree> = (trees.iter())
        .map(|tree| of_tree(tree, n_bins, &pairs))
        .collect();
    let share = |of: &dyn Fn(&OfTree) -> f64| over_trees(&of_trees, of);
    Anova {
        mains: (0..n_bins.len())
            .map(|feature| share(&|tree| tree.mains[feature]))
            .collect(),
        pairs: pairs
            .iter()
            .enumerate()
            .map(|(idx, &pair)| (pair, share(&|tree| tree.pairs[idx])))
            .collect(),
        curves: (0..n_bins.len())
            .map(|feature| {
                (0..n_bins[feature])
                    .map(|bin| share(&|tree| tree.marginals[feature][bin]))
                    .collect()
            })
            .collect(),
    }
}

fn over_trees(trees: &[OfTree], of: &dyn Fn(&OfTree) -> f64) -> VarianceShare {
    let n = trees.len() as f64;
    let mean = trees.iter().map(of).sum::<f64>() / n;
    let squares = trees.iter().map(|tree| (of(tree) - mean).powi(2));
    VarianceShare {
        mean,
        deviation: (squares.sum::<f64>() / (n - 1.0).max(1.0)).sqrt(),
    }
}

/// A leaf: its value, and of each feature the share of bins it holds and the runs of them.
struct Leaf {
    value: f64,
    shares: Vec<f64>,
    runs: Vec<Vec<(usize, usize)>>,
}

fn of_tree(tree: &Tree, n_bins: &[usize], pairs: &[(usize, usize)]) -> OfTree {
    let mut leaves: Vec<Leaf> = Vec::new();
    tree.leaves(n_bins, &mut |value, held| {
        let share = |held: &Vec<bool>| {
            held.iter().filter(|is_held| **is_held).count() as f64 / held.len() as f64
        };
        leaves.push(Leaf {
            value,
            shares: held.iter().map(share).collect(),
            runs: held.iter().map(|held| runs(held)).collect(),
        });
    });
    let volume = |leaf: &Leaf| leaf.shares.iter().product::<f64>();
    let mean: f64 = leaves.iter().map(|leaf| leaf.value * volume(leaf)).sum();
    let squares = leaves
        .iter()
        .map(|leaf| (leaf.value - mean).powi(2) * volume(leaf));
    // A tree that is one leaf explains nothing.
    let variance = squares.sum::<f64>().max(f64::MIN_POSITIVE);

    let marginals: Vec<Vec<f64>> = (0..n_bins.len())
        .map(|feature| {
            let mut steps = vec![0.0; n_bins[feature] + 1];
            for leaf in &leaves {
                let weight = leaf.value * volume(leaf) / leaf.shares[feature];
                for &(start, end) in &leaf.runs[feature] {
                    steps[start] += weight;
                    steps[end] -= weight;
                }
            }
            summed(&steps)
        })
        .collect();
    let spread = |values: &mut dyn Iterator<Item = f64>, n: usize| {
        values.map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64
    };
    let main_variances: Vec<f64> = marginals
        .iter()
        .map(|marginal| spread(&mut marginal.iter().copied(), marginal.len()))
        .collect();
    let pair_shares = pairs.iter().map(|&(a, b)| {
        let joint = joint(&leaves, (a, b), n_bins, &volume);
        let whole = spread(&mut joint.iter().copied(), joint.len());
        (whole - main_variances[a] - main_variances[b]).max(0.0) / variance
    });
    OfTree {
        pairs: pair_shares.collect(),
        mains: main_variances.iter().map(|v| v / variance).collect(),
        marginals,
    }
}

/// Expected value at each pair of bins, `[n_bins of a][n_bins of b]`: rectangles are added at their
/// corners and summed up once.
fn joint(
    leaves: &[Leaf],
    (a, b): (usize, usize),
    n_bins: &[usize],
    volume: &impl Fn(&Leaf) -> f64,
) -> Vec<f64> {
    let width = n_bins[b] + 1;
    let mut corners = vec![0.0; (n_bins[a] + 1) * width];
    for leaf in leaves {
        let weight = leaf.value * volume(leaf) / (leaf.shares[a] * leaf.shares[b]);
        for &(top, bottom) in &leaf.runs[a] {
            for &(left, right) in &leaf.runs[b] {
                corners[top * width + left] += weight;
                corners[top * width + right] -= weight;
                corners[bottom * width + left] -= weight;
                corners[bottom * width + right] += weight;
            }
        }
    }
    let mut joint = Vec::with_capacity(n_bins[a] * n_bins[b]);
    let mut column_sums = vec![0.0; width];
    for row in corners.chunks_exact(width).take(n_bins[a]) {
        for (sum, corner) in column_sums.iter_mut().zip(row) {
            *sum += corner;
        }
        joint.extend(summed(&column_sums));
    }
    joint
}

/// Running sums of all but the last.
fn summed(steps: &[f64]) -> Vec<f64> {
    let running = steps[..steps.len() - 1].iter().scan(0.0, |sum, step| {
        *sum += step;
        Some(*sum)
    });
    running.collect()
}

/// Runs of true, as half-open ranges.
fn runs(held: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (bin, _) in held.iter().enumerate().filter(|(_, is_held)| **is_held) {
        match runs.last_mut() {
            Some((_, end)) if *end == bin => *end = bin + 1,
            _ => runs.push((bin, bin + 1)),
        }
    }
    runs
}
