//! `GET /api/v1/transfer`. What each verdict means is tested in `cultivar_search`.

use axum::http::StatusCode;
use cultivar_spec::TrialSpec;
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::{Adaptation, Weights};
use cultivar_spec::wire::TransferReport;

use crate::board::{Board, on_board, spec};

const PATH: &str = "/api/v1/transfer?dataset=open-emoji";

fn run(weights: Weights, epochs: u32, seed: u64) -> TrialSpec {
    let mut spec = spec(1e-3, seed);
    spec.backbone.weights = weights;
    spec.fit.epochs = epochs;
    spec
}

async fn arm(board: &Board, weights: Weights, n_correct: usize) {
    for seed in [0, 1] {
        board
            .trial(&run(weights.clone(), 2, seed), |idx| {
                idx < n_correct + seed as usize
            })
            .await;
    }
}

#[tokio::test]
async fn pretraining_that_helps() {
    on_board(async |board| {
        arm(board, Weights::Pretrained, 80).await;
        arm(board, Weights::Random, 20).await;
        for (weights, n) in [(Weights::Pretrained, 60), (Weights::Random, 12)] {
            let mut head = run(weights, 20, 0);
            head.adaptation = Adaptation::HeadOnly {};
            board.trial(&head, |idx| idx < n).await;
        }
        let report: TransferReport = board.get(PATH).await;
        let [study] = &report.studies[..] else {
            panic!("{report:?}")
        };
        let asymptote = study.asymptote.as_ref().unwrap();
        assert!((asymptote.difference.mean - 0.5).abs() < 1e-12);
        assert!(asymptote.difference.low > 0.3 && !asymptote.converged);
        assert!((study.start.unwrap().mean - 0.4).abs() < 1e-12);
        let slope = study.slope.as_ref().unwrap();
        assert!(slope.reached && slope.at_least && slope.ratio == 1.0);
        assert!(
            report
                .notes
                .iter()
                .any(|note| note.contains("difference at 2 epochs")),
            "{:?}",
            report.notes
        );
        let again: TransferReport = board.get(PATH).await;
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            serde_json::to_value(&report).unwrap()
        );
    })
    .await;
}

#[tokio::test]
async fn pretraining_that_hurts_is_reported_as_it_is_and_on_test() {
    on_board(async |board| {
        for (weights, n) in [(Weights::Pretrained, 30), (Weights::Random, 70)] {
            for seed in [0, 1] {
                let trial = board
                    .trial(&run(weights.clone(), 2, seed), |idx| idx < n)
                    .await;
                board.predict(trial, Split::Test, |idx| idx < n - 6).await;
            }
        }
        let report: TransferReport = board.get(PATH).await;
        let study = &report.studies[0];
        let difference = study.asymptote.as_ref().unwrap().difference;
        assert!((difference.mean + 40.0 / 120.0).abs() < 1e-12 && difference.high < 0.0);
        assert_eq!(study.metric, "test_top1");
        assert!((study.random[0].test_top1.unwrap().mean - 64.0 / 120.0).abs() < 1e-12);
        assert!(!study.slope.as_ref().unwrap().reached);
    })
    .await;
}

#[tokio::test]
async fn without_trials_it_says_what_is_missing() {
    on_board(async |board| {
        let report: TransferReport = board.get(PATH).await;
        assert!(report.studies.is_empty());
        assert!(
            report.notes[0].starts_with("no study"),
            "{:?}",
            report.notes
        );
        let (status, _) = board.ask("/api/v1/transfer?dataset=nothing").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    })
    .await;
}
