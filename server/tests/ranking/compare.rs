//! `POST /api/v1/compare`. The statistics are tested in `cultivar_search`.

use axum::http::StatusCode;
use cultivar_spec::TrialId;
use cultivar_spec::manifest::Split;
use cultivar_spec::wire::CompareReport;
use serde_json::{Value, json};

use crate::board::{Board, DATASET, on_board, spec};

const PATH: &str = "/api/v1/compare";

/// Trials of one configuration that get the first `n_correct` images right, and one more a seed.
async fn arm(board: &Board, lr: f64, n_correct: usize) -> Vec<TrialId> {
    let mut trials = Vec::new();
    for seed in 1..4 {
        let is_right = |idx: usize| idx < n_correct + seed as usize;
        trials.push(board.trial(&spec(lr, seed), is_right).await);
    }
    trials
}

fn body(metric: &str, arms: &[(&str, &[TrialId])]) -> Value {
    let arms: Vec<Value> = arms
        .iter()
        .map(|(name, trials)| json!({"name": name, "trials": trials}))
        .collect();
    json!({"dataset": DATASET, "metric": metric, "arms": arms})
}

#[tokio::test]
async fn arms_are_compared_with_the_first() {
    on_board(async |board| {
        let baseline = arm(board, 1e-3, 50).await;
        let better = arm(board, 2e-3, 80).await;
        let same = arm(board, 3e-3, 50).await;
        let arms: [(&str, &[TrialId]); 3] = [
            ("baseline", &baseline),
            ("cutmix", &better),
            ("mish", &same),
        ];
        let report: CompareReport = board.post(PATH, &body("val_top1", &arms)).await;
        assert!(report.arms[0].vs_first.is_none());
        let better = report.arms[1].vs_first.unwrap();
        assert!((better.difference - 0.25).abs() < 1e-12);
        assert!(better.low > 0.1 && better.p_holm < 1e-3, "{better:?}");
        assert_eq!(report.arms[1].top1.n, 3);
        let same = report.arms[2].vs_first.unwrap();
        assert!(
            same.low < 0.0 && same.high > 0.0 && same.p_holm == 1.0,
            "{same:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn arms_that_cannot_be_compared_are_named() {
    on_board(async |board| {
        let baseline = arm(board, 1e-3, 50).await;
        let other = arm(board, 2e-3, 60).await;
        let refused = async |metric: &str, arms: &[(&str, &[TrialId])], part: &str| {
            let (status, text) = board.ask_with(PATH, &body(metric, arms)).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
            assert!(text.contains(part), "{text} does not say {part:?}");
        };
        let arms: [(&str, &[TrialId]); 2] = [("a", &baseline), ("b", &other)];
        refused("test_top1", &arms, "/arms/0/trials/0").await;
        for trial in &baseline {
            board.predict(*trial, Split::Test, |idx| idx < 40).await;
        }
        refused("test_top1", &arms, "/arms/1/trials/0").await;
        let mixed = [baseline[0], other[1]];
        refused(
            "val_top1",
            &[("a", &baseline), ("b", &mixed)],
            "/arms/1/trials/1",
        )
        .await;
        let twice = [other[0], other[0]];
        refused(
            "val_top1",
            &[("a", &baseline), ("b", &twice)],
            "not another seed",
        )
        .await;
        let nobody = [TrialId::new()];
        refused(
            "val_top1",
            &[("a", &baseline), ("b", &nobody)],
            "has completed",
        )
        .await;
        refused("val_top1", &[("a", &baseline)], "/arms").await;
    })
    .await;
}
