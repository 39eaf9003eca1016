//! Several objectives at once. Everywhere a row of values is one configuration, and **larger is better**
//! in each column; a row that is empty, of another length or not finite is worse than all others.

/// Whether `a` is at least as good as `b` in every objective and better in one.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a >= b)
        && a.iter().zip(b).any(|(a, b)| a > b)
}

/// Pareto rank of every row: 0 for those that nothing dominates, 1 for those that only rank 0 dominates,
/// and so on (the fast non-dominated sorting of Deb et al. 2002). `None` for rows without values.
pub fn ranks<R: AsRef<[f64]>>(rows: &[R]) -> Vec<Option<usize>> {
    let width = width(rows);
    let usable: Vec<usize> = (0..rows.len())
        .filter(|&idx| is_usable(rows[idx].as_ref(), width))
        .collect();
    let mut ranks = vec![None; rows.len()];
    let mut n_above: Vec<usize> = vec![0; rows.len()];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for &a in &usable {
        for &b in &usable {
            if dominates(rows[a].as_ref(), rows[b].as_ref()) {
                n_above[b] += 1;
                below[a].push(b);
            }
        }
    }
    let mut front: Vec<usize> = usable
        .into_iter()
        .filter(|&idx| n_above[idx] == 0)
        .collect();
    let mut rank = 0;
    while !front.is_empty() {
        let mut next = Vec::new();
        for &a in &front {
            ranks[a] = Some(rank);
            for &b in &below[a] {
                n_above[b] -= 1;
                if n_above[b] == 0 {
                    next.push(b);
                }
            }
        }
        front = next;
        rank += 1;
    }
    ranks
}

/// Volume that the rows dominate above `reference`, which is worse than what counts: exact, by slicing
/// along the last objective (HSO, While et al. 2006). Exponential in the number of objectives, so meant
/// for a few. Rows not above the reference in every objective add nothing.
pub fn hypervolume<R: AsRef<[f64]>>(rows: &[R], reference: &[f64]) -> f64 {
    let above = |row: &[f64]| {
        is_usable(row, reference.len()) && row.iter().zip(reference).all(|(v, floor)| v > floor)
    };
    let rows: Vec<&[f64]> = rows
        .iter()
        .map(AsRef::as_ref)
        .filter(|row| above(row))
        .collect();
    sliced(rows, reference)
}

fn sliced(mut rows: Vec<&[f64]>, reference: &[f64]) -> f64 {
    let Some((floor, rest)) = reference.split_last() else {
        return 0.0;
    };
    let last = rest.len();
    if last == 0 {
        let best = rows.iter().map(|row| row[0]).fold(*floor, f64::max);
        return best - floor;
    }
    rows.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut volume = 0.0;
    for idx in 0..rows.len() {
        // Between this row's value and the next one's, all rows so far are present.
        let depth = rows[idx][last] - rows.get(idx + 1).map_or(*floor, |next| next[last]);
        if depth > 0.0 {
            let slice = rows[..=idx].iter().map(|row| &row[..last]).collect();
            volume += depth * sliced(slice, rest);
        }
    }
    volume
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
