//! Scores against scikit-learn's.

use cultivar_train::predict::{Scores, confusion};
use serde::Deserialize;
use tch::{IndexOp, Tensor};

use super::{assert_close, fixture, formula};

#[derive(Deserialize)]
struct Case {
    key: u64,
    n: i64,
    n_classes: i64,
    spread: f64,
    lift: f64,
    labels: Vec<i64>,
    top1: f64,
    top5: f64,
    mean_per_class: f64,
    macro_f1: f64,
    loss: f64,
    ece: f64,
    confusion: Vec<Vec<i64>>,
}

#[test]
fn scores_are_scikit_learns() {
    for case in fixture::<Vec<Case>>("metrics") {
        let logits = formula::tensor(
            case.key,
            &[case.n, case.n_classes],
            -case.spread,
            case.spread,
        );
        for (row, &label) in case.labels.iter().enumerate() {
            let _ = logits.i((row as i64, label)).g_add_scalar_(case.lift);
        }
        let labels = Tensor::from_slice(&case.labels);
        let ours = Scores::of(&logits, &labels);
        let of = format!("{} images of {} classes", case.n, case.n_classes);
        assert_close(
            &format!("top-1, top-5, mean per class, macro F1: {of}"),
            &[ours.top1, ours.top5, ours.mean_per_class, ours.macro_f1],
            &[case.top1, case.top5, case.mean_per_class, case.macro_f1],
            0.0,
            1e-12,
        );
        let (seen, wanted) = ([ours.loss, ours.ece], [case.loss, case.ece]);
        // The loss is computed in f32.
        assert_close(
            &format!("loss, calibration error: {of}"),
            &seen,
            &wanted,
            0.0,
            1e-6,
        );

        let wanted: Vec<i64> = (0..case.n_classes)
            .flat_map(|label| (0..case.n_classes).map(move |guess| (label, guess)))
            .map(|(label, guess)| (label, guess, case.confusion[label as usize][guess as usize]))
            .filter(|cell| cell.2 > 0)
            .flat_map(|(label, guess, n)| [label, guess, n])
            .collect();
        assert_eq!(
            confusion(&logits, &labels),
            Tensor::from_slice(&wanted).view([-1, 3]),
            "{of}"
        );
    }
}

#[test]
fn logits_that_are_no_numbers_have_no_loss() {
    let logits = Tensor::from_slice(&[f32::NAN, 1.0, 0.0, f32::NAN]).view([2, 2]);
    let scores = Scores::of(&logits, &Tensor::from_slice(&[0_i64, 1]));
    assert!(scores.loss.is_nan() && scores.ece.is_nan(), "{scores:?}");
}
