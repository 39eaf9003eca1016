//! Dense positive definite systems of a few hundred unknowns. Matrices are row-major, `[n][n]`; of
//! triangular ones the other half is not read.

/// Sum of products. Eight sums side by side, so that the compiler may use vector registers; the order of
/// additions is fixed, so results are the same on every machine.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// The lower triangular L with L L' = `matrix`, in place of its lower half; `None` if it is not positive
/// definite.
pub(crate) fn cholesky(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        let (above, row) = matrix.split_at_mut(i * n);
        for j in 0..i {
            let pivot = above[j * n + j];
            row[j] = (row[j] - dot(&row[..j], &above[j * n..j * n + j])) / pivot;
        }
        let square = row[i] - dot(&row[..i], &row[..i]);
        if square.is_nan() || square <= 0.0 {
            return None;
        }
        row[i] = square.sqrt();
    }
    Some(matrix)
}

/// x with L x = `b`, in place; of a shorter `b` the first unknowns.
pub(crate) fn solve_lower(lower: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..b.len() {
        let row = &lower[i * n..i * n + i];
        b[i] = (b[i] - dot(row, &b[..i])) / lower[i * n + i];
    }
}

/// x with L' x = `b`, in place.
pub(crate) fn solve_upper(lower: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..n).rev() {
        b[i] /= lower[i * n + i];
        let x = b[i];
        let row = &lower[i * n..i * n + i];
        for (b, l) in b[..i].iter_mut().zip(row) {
            *b -= l * x;
        }
    }
}

/// The lower half, diagonal included, of the inverse of L L'.
pub(crate) fn inverse(lower: &[f64], n: usize) -> Vec<f64> {
    // Row j of `columns` is column j of the inverse of L, so that every sum below runs along rows.
    let mut columns = vec![0.0; n * n];
    for j in 0..n {
        let column = &mut columns[j * n..(j + 1) * n];
        column[j] = 1.0 / lower[j * n + j];
        for i in j + 1..n {
            let sum = dot(&lower[i * n + j..i * n + i], &column[j..i]);
            column[i] = -sum / lower[i * n + i];
        }
    }
    let mut inverse = vec![0.0; n * n];
    for a in 0..n {
        for b in 0..=a {
            inverse[a * n + b] = dot(
                &columns[a * n + a..(a + 1) * n],
                &columns[b * n + a..(b + 1) * n],
            );
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A positive definite matrix with no structure.
    fn matrix(n: usize) -> Vec<f64> {
        let entry = |i: usize, j: usize| ((i * 7 + j * 3) as f64).sin();
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| entry(i, k) * entry(j, k)).sum();
                matrix[i * n + j] = product + if i == j { 1.0 } else { 0.0 };
            }
        }
        matrix
    }

    #[test]
    fn the_inverse_and_the_solutions_agree_with_the_matrix() {
        let n = 19;
        let a = matrix(n);
        let lower = cholesky(a.clone(), n).unwrap();
        let inverse = inverse(&lower, n);
        let at = |i: usize, j: usize| inverse[i.max(j) * n + i.min(j)];
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| a[i * n + k] * at(k, j)).sum();
                assert!(
                    (product - f64::from(i == j)).abs() < 1e-9,
                    "{i} {j} {product}"
                );
            }
        }
        let mut x: Vec<f64> = (0..n).map(|i| i as f64).collect();
        solve_lower(&lower, n, &mut x);
        solve_upper(&lower, n, &mut x);
        for i in 0..n {
            assert!((dot(&a[i * n..(i + 1) * n], &x) - i as f64).abs() < 1e-8);
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_said() {
        assert_eq!(cholesky(vec![1.0, 0.0, 2.0, 1.0], 2), None);
        assert_eq!(cholesky(vec![f64::NAN], 1), None);
    }
}
