//! Several objectives at once. Everywhere a row of values is one configuration, and **larger is better**
//! in each column; a row that is empty, of another length or not finite is worse than all others.

use std::cmp::Ordering;

/// Whether `a` is at least as good as `b` in every objective and better in one.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a >= b)
        && a.iter().zip(b).any(|(a, b)| a > b)
}

/// Pareto rank of every row: 0 for those that nothing dominates, 1 for those that only rank 0 dominates,
/// and so on (non-dominated sorting, Deb et al. 2002). `None` for rows without values. Takes n² comparisons at most.
pub fn ranks<R: AsRef<[f64]>>(rows: &[R]) -> Vec<Option<usize>> {
    let width = width(rows);
    let mut order: Vec<usize> = (0..rows.len())
        .filter(|&idx| is_usable(rows[idx].as_ref(), width))
        .collect();
    order.sort_by(|&a, &b| best_first(rows[a].as_ref(), rows[b].as_ref()));
    let mut ranks = vec![None; rows.len()];
    for (place, &idx) in order.iter().enumerate() {
        let row = rows[idx].as_ref();
        // Whoever dominates it stands before it.
        let above = order[..place]
            .iter()
            .filter(|&&other| dominates(rows[other].as_ref(), row));
        let lowest = above.filter_map(|&other| ranks[other]).max();
        ranks[idx] = Some(lowest.map_or(0, |rank: usize| rank + 1));
    }
    ranks
}

/// By the first objective, then by the next.
fn best_first(a: &[f64], b: &[f64]) -> Ordering {
    let pairs = a.iter().zip(b);
    pairs.fold(Ordering::Equal, |so_far, (a, b)| {
        so_far.then(b.partial_cmp(a).unwrap_or(Ordering::Equal))
    })
}

/// Volume that the rows dominate above `reference`, which is worse than what counts: exact. Each row adds what those
/// better in the last objective leave of its box, which is one dimension less (in the manner of WFG, While et al.
/// 2012). n log n for two objectives, n² log n for three; more take a while where thousands are on the front. Rows not
/// above the reference in every objective add nothing.
pub fn hypervolume<R: AsRef<[f64]>>(rows: &[R], reference: &[f64]) -> f64 {
    let boxes = rows
        .iter()
        .map(AsRef::as_ref)
        .filter(|row| is_usable(row, reference.len()))
        .map(|row| row.iter().zip(reference).map(|(v, floor)| v - floor))
        .map(Iterator::collect::<Vec<f64>>)
        .filter(|sides| sides.iter().all(|side| *side > 0.0));
    union(boxes.collect())
}

/// Volume of the union of boxes that share a corner, by their sides.
fn union(boxes: Vec<Vec<f64>>) -> f64 {
    let mut front = front(boxes);
    let last = match front.first().map(Vec::len) {
        None | Some(0) => return 0.0,
        Some(1) => return front[0][0],
        Some(n) => n - 1,
    };
    if last == 1 {
        // The best in one objective are the worst in the other.
        let mut width = 0.0;
        let steps = front.iter().rev().map(|sides| {
            let step = sides[0] - width;
            width = sides[0];
            step * sides[1]
        });
        return steps.sum();
    }
    front.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut volume = 0.0;
    for (idx, sides) in front.iter().enumerate() {
        let head = &sides[..last];
        let within = |other: &Vec<f64>| head.iter().zip(other).map(|(a, b)| a.min(*b)).collect();
        let taken = union(front[..idx].iter().map(within).collect());
        volume += sides[last] * (head.iter().product::<f64>() - taken);
    }
    volume
}

/// The rows that no other covers, each once, the best by the first objective first.
fn front(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    rows.sort_by(|a, b| best_first(a, b));
    let mut front: Vec<Vec<f64>> = Vec::new();
    for row in rows {
        let covers = |other: &Vec<f64>| other.iter().zip(&row).all(|(other, own)| other >= own);
        // With two objectives the last one covers all that the others do.
        let is_covered = match row.len() {
            0..=2 => front.last().is_some_and(covers),
            _ => front.iter().any(covers),
        };
        if !is_covered {
            front.push(row);
        }
    }
    front
}

/// One score a row, larger is better: the value itself where there is one objective, else the augmented
/// Chebyshev function of ParEGO (Knowles 2006, equation 2) over objectives scaled to [0, 1]. Maximising it
/// under random weights reaches every part of the front, concave ones included. `weights` need not sum to
/// 1. `None` for rows without values.
///
/// Knowles minimises the largest weighted cost; we maximise minus that, with cost = 1 - scaled value.
pub fn scalarise<R: AsRef<[f64]>>(rows: &[R], weights: &[f64]) -> Vec<Option<f64>> {
    /// Share of the weighted sum, which tells weakly dominated rows apart; as in the paper.
    const RHO: f64 = 0.05;
    let width = width(rows).min(weights.len());
    if width <= 1 {
        let value = |row: &R| row.as_ref().first().copied().filter(|v| v.is_finite());
        return rows.iter().map(value).collect();
    }
    let usable = |row: &&R| is_usable(row.as_ref(), width);
    let range = |column: usize| {
        let values = rows.iter().filter(usable).map(|row| row.as_ref()[column]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        })
    };
    let ranges: Vec<(f64, f64)> = (0..width).map(range).collect();
    let total: f64 = weights[..width].iter().sum();
    let score = |row: &R| {
        let row = row.as_ref();
        if !is_usable(row, width) {
            return None;
        }
        let costs = (0..width).map(|column| {
            let (low, high) = ranges[column];
            let scaled = if high > low {
                (row[column] - low) / (high - low)
            } else {
                1.0
            };
            weights[column] / total * (1.0 - scaled)
        });
        let (worst, sum) = costs.fold((0.0_f64, 0.0), |(worst, sum), cost| {
            (worst.max(cost), sum + cost)
        });
        Some(-(worst + RHO * sum))
    };
    rows.iter().map(score).collect()
}

fn width<R: AsRef<[f64]>>(rows: &[R]) -> usize {
    rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0)
}

fn is_usable(row: &[f64], width: usize) -> bool {
    width > 0 && row.len() == width && row.iter().all(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const NAN: f64 = f64::NAN;

    #[test]
    fn ranks_peel_fronts() {
        let rows = [
            vec![3.0, 1.0],
            vec![1.0, 3.0],
            vec![1.0, 1.0],
            vec![0.0, 2.0],
            vec![NAN, 9.0],
            vec![],
        ];
        let ranked = ranks(&rows);
        assert_eq!(ranked, [Some(0), Some(0), Some(1), Some(1), None, None]);
        assert_eq!(
            ranks(&[[1.0, 1.0], [1.0, 1.0]]),
            [Some(0), Some(0)],
            "equals do not dominate"
        );
    }

    #[test]
    fn hypervolume_is_the_area_of_the_staircase() {
        let rows = [[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [1.0, 1.0], [9.0, -1.0]];
        assert_eq!(hypervolume(&rows, &[0.0, 0.0]), 6.0);
        assert_eq!(
            hypervolume(&[[1.0, 2.0, 3.0], [2.0, 1.0, 1.0]], &[0.0; 3]),
            6.0 + 1.0
        );
        assert_eq!(hypervolume(&rows, &[9.0, 9.0]), 0.0);
    }

    #[test]
    fn hypervolume_is_the_share_of_points_that_something_covers() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random()).collect() };
        for n_objectives in 1..=4 {
            let rows: Vec<Vec<f64>> = (0..12).map(|_| draw(n_objectives)).collect();
            let is_covered = |point: &Vec<f64>| {
                rows.iter()
                    .any(|row| row.iter().zip(point).all(|(row, point)| row >= point))
            };
            const N_POINTS: usize = 20_000;
            let n_covered = (0..N_POINTS)
                .filter(|_| is_covered(&draw(n_objectives)))
                .count();
            let share = n_covered as f64 / N_POINTS as f64;
            let volume = hypervolume(&rows, &vec![0.0; n_objectives]);
            assert!((volume - share).abs() < 0.015, "{volume} and {share}");
        }
    }

    /// As many configurations as a large sweep has, all but a few on the front: a request waits for them.
    #[test]
    fn thousands_take_no_more_than_moments() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for (n_objectives, n_rows) in [(2, 10_000), (3, 2_000), (4, 1_000)] {
            let rows: Vec<Vec<f64>> = (0..n_rows)
                .map(|_| {
                    let row: Vec<f64> = (0..n_objectives).map(|_| rng.random()).collect();
                    let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                    row.into_iter().map(|v| v / length).collect()
                })
                .collect();
            let began = Instant::now();
            let n_front = ranks(&rows).iter().filter(|rank| **rank == Some(0)).count();
            assert!(n_front > n_rows / 2, "{n_front} of {n_rows}");
            assert!(hypervolume(&rows, &vec![0.0; n_objectives]) > 0.1);
            let took = began.elapsed();
            assert!(
                took < Duration::from_secs(30),
                "{n_objectives} objectives: {took:?}"
            );
        }
    }

    #[test]
    fn weights_choose_a_part_of_the_front() {
        // A concave front: no weighted sum would prefer its middle.
        let rows = [
            vec![1.0, 0.0],
            vec![0.4, 0.4],
            vec![0.0, 1.0],
            vec![NAN, 1.0],
        ];
        let best = |weights: &[f64]| {
            let scores = scalarise(&rows, weights);
            assert_eq!(scores[3], None);
            (0..3)
                .max_by(|&a, &b| scores[a].unwrap().total_cmp(&scores[b].unwrap()))
                .unwrap()
        };
        assert_eq!(best(&[0.95, 0.05]), 0);
        assert_eq!(best(&[0.5, 0.5]), 1);
        assert_eq!(best(&[0.05, 0.95]), 2);
        assert_eq!(scalarise(&[[2.0], [NAN]], &[1.0]), [Some(2.0), None]);
    }
}
