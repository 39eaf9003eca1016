//! `GET /api/v1/leaderboard`.

use axum::http::StatusCode;
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::TrainOn;
use cultivar_spec::wire::{ErrorBody, Leaderboard};

use crate::board::{DATASET, N_HELD_OUT, on_board, spec};

const PATH: &str = "/api/v1/leaderboard?dataset=open-emoji";

fn has_note(board: &Leaderboard, part: &str) {
    assert!(
        board.notes.iter().any(|note| note.contains(part)),
        "{part:?} in {:?}",
        board.notes
    );
}

#[tokio::test]
async fn seeds_fold_into_one_row() {
    on_board(async |board| {
        for (seed, n) in [(0, 60), (1, 66), (2, 72)] {
            board.trial(&spec(1e-3, seed), move |idx| idx < n).await;
        }
        let single = board.trial(&spec(1e-2, 0), |idx| idx < 30).await;
        // A repetition of the same seed is no further seed.
        board.trial(&spec(1e-2, 0), |_| true).await;

        let table: Leaderboard = board.get(PATH).await;
        assert_eq!(
            (table.metric.as_str(), table.version),
            ("val_top1", Some(board.version))
        );
        let [first, second] = &table.rows[..] else {
            panic!("{table:?}")
        };
        let estimate = first.val_top1.unwrap();
        assert_eq!((first.rank, first.trials.len(), estimate.n), (1, 3, 3));
        assert!((estimate.mean - 0.55).abs() < 1e-12);
        assert!(
            estimate.low > 0.4 && estimate.low < 0.5 && estimate.high > 0.6 && estimate.high < 0.7
        );
        assert!(first.selected && first.vs_top.is_none() && first.test_top1.is_none());
        assert_eq!(
            (first.train_seconds, first.lr, first.adaptation.as_str()),
            (30.0, 1e-3, "full")
        );

        assert_eq!(
            (second.rank, &second.trials[..], second.selected),
            (2, &[single][..], false)
        );
        assert!((second.vs_top.unwrap().difference + 0.3).abs() < 1e-12);
        has_note(&table, "1 of 2 rows has a single seed");
        has_note(&table, "no published results are registered for open-emoji");
        has_note(
            &table,
            "the top row is not shown to be better than the other row",
        );
        has_note(
            &table,
            "ahead of the other row by more than chance, but with a single seed",
        );
        has_note(&table, "best of 2 configurations");

        board.trial(&spec(1e-2, 1), |idx| idx < 31).await;
        let table: Leaderboard = board.get(PATH).await;
        has_note(&table, "the top row is better than the other row (95%");
    })
    .await;
}

#[tokio::test]
async fn means_of_the_seeds_that_a_scheduler_let_live_are_told() {
    on_board(async |board| {
        board.trial(&spec(1e-2, 0), |idx| idx < 50).await;
        board.trial(&spec(1e-3, 0), |idx| idx < 60).await;
        let whole: Leaderboard = board.get(PATH).await;
        for seed in [1, 2] {
            let stopped = board.trial(&spec(1e-2, seed), |_| false).await;
            board.prune(stopped).await;
        }
        // A repetition of a seed that completed takes nothing from the mean, and a configuration that was stopped is in no row.
        for spec in [spec(1e-3, 0), spec(1e-4, 0)] {
            let stopped = board.trial(&spec, |_| false).await;
            board.prune(stopped).await;
        }
        let table: Leaderboard = board.get(PATH).await;
        assert_eq!(table.rows.len(), 2);
        has_note(&table, "1 configuration has seeds that a scheduler stopped");
        assert!(!whole.notes.concat().contains("scheduler"), "{whole:?}");
    })
    .await;
}

#[tokio::test]
async fn p_values_are_adjusted_over_all_pairs() {
    on_board(async |board| {
        board.trial(&spec(1e-1, 0), |idx| idx < 80).await;
        board.trial(&spec(1e-2, 0), |idx| idx < 70).await;
        board.trial(&spec(1e-3, 0), |idx| idx < 60).await;
        let table: Leaderboard = board.get(PATH).await;
        let p: Vec<f64> = table.rows[1..]
            .iter()
            .map(|row| row.vs_top.unwrap().p_holm)
            .collect();
        // Ten and twenty images all won by the top row, of three pairs.
        assert!((p[1] - 3.0 * 0.5_f64.powi(19)).abs() < 1e-12, "{p:?}");
        assert!((p[0] - 2.0 * 0.5_f64.powi(9)).abs() < 1e-12, "{p:?}");
    })
    .await;
}

#[tokio::test]
async fn groups_widen_intervals_and_weaken_tests() {
    on_board(async |board| {
        let single: Leaderboard = {
            board.trial(&spec(1e-3, 0), |idx| idx < 80).await;
            board.trial(&spec(1e-2, 0), |idx| idx < 60).await;
            board.get(PATH).await
        };
        let old = board.version;
        board
            .dataset(|idx| Some(format!("group {}", idx / 4)))
            .await;
        board.trial(&spec(1e-3, 0), |idx| idx < 80).await;
        board.trial(&spec(1e-2, 0), |idx| idx < 60).await;
        let grouped: Leaderboard = board.get(PATH).await;

        let width = |table: &Leaderboard| {
            let estimate = table.rows[0].val_top1.unwrap();
            estimate.high - estimate.low
        };
        assert!(width(&grouped) > 1.7 * width(&single));
        let p = |table: &Leaderboard| table.rows[1].vs_top.unwrap().p_holm;
        assert!((p(&single) - 0.5_f64.powi(19)).abs() < 1e-12);
        assert!((p(&grouped) - 0.5_f64.powi(4)).abs() < 1e-12);

        let again: Leaderboard = board.get(&format!("{PATH}&version={old}")).await;
        assert_eq!(p(&again), p(&single));
    })
    .await;
}

#[tokio::test]
async fn ranking_by_test_wants_test_for_every_row() {
    on_board(async |board| {
        let first = board.trial(&spec(1e-3, 0), |idx| idx < 80).await;
        let second = board.trial(&spec(1e-2, 0), |idx| idx < 70).await;
        board.trial(&spec(1e-1, 0), |idx| idx < 10).await;
        let before: Leaderboard = board.get(PATH).await;
        assert!(before.rows[0].test_top1.is_none());

        board.predict(first, Split::Test, |idx| idx < 50).await;
        // The new predictions reach a table that was computed before.
        let after: Leaderboard = board.get(PATH).await;
        assert!((after.rows[0].test_top1.unwrap().mean - 50.0 / N_HELD_OUT as f64).abs() < 1e-12);

        let (status, text) = board.ask(&format!("{PATH}&metric=test_top1&limit=2")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        let error: ErrorBody = serde_json::from_str(&text).unwrap();
        assert_eq!(error.violations[0].pointer, "/metric");
        assert!(text.contains("1 of the 2 rows"), "{text}");

        board.predict(second, Split::Test, |idx| idx < 60).await;
        let table: Leaderboard = board.get(&format!("{PATH}&metric=test_top1&limit=2")).await;
        assert_eq!(table.metric, "test_top1");
        assert_eq!(
            table
                .rows
                .iter()
                .map(|row| row.trials[0])
                .collect::<Vec<_>>(),
            [second, first]
        );
        assert!(table.rows[1].vs_top.unwrap().difference < 0.0);
        let (status, _) = board.ask(&format!("{PATH}&metric=test_top1")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

#[tokio::test]
async fn a_fit_on_train_and_validation_has_no_validation_score() {
    on_board(async |board| {
        board.trial(&spec(1e-3, 0), |idx| idx < 80).await;
        let mut refit = spec(1e-2, 0);
        refit.data.train_on = TrainOn::TrainVal;
        board.trial(&refit, |_| true).await;
        let table: Leaderboard = board.get(PATH).await;
        assert_eq!(table.rows[0].lr, 1e-3);
        assert!(table.rows[1].val_top1.is_none() && table.rows[1].vs_top.is_none());
        assert!(!table.rows[0].selected, "nothing was chosen among one");
    })
    .await;
}

#[tokio::test]
async fn finalists_that_were_fitted_again_are_ranked_by_test_without_what_they_were_chosen_from() {
    on_board(async |board| {
        let by_test = format!("{PATH}&metric=test_top1");
        let searched = board.trial(&spec(1e-3, 0), |idx| idx < 80).await;
        let mut refits = Vec::new();
        for lr in [2e-3, 3e-3] {
            let mut refit = spec(lr, 7);
            refit.data.train_on = TrainOn::TrainVal;
            refits.push(board.trial(&refit, |_| true).await);
        }
        let (status, text) = board.ask(&by_test).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        for (refit, n_right) in [(refits[0], 50), (refits[1], 60)] {
            board.predict(refit, Split::Test, |idx| idx < n_right).await;
        }
        let shown = async || {
            let table: Leaderboard = board.get(&by_test).await;
            table
                .rows
                .iter()
                .map(|row| row.trials[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(shown().await, [refits[1], refits[0]]);
        board.predict(searched, Split::Test, |idx| idx < 55).await;
        assert_eq!(shown().await, [refits[1], searched, refits[0]]);
        // A limit is one on those that validation ranks.
        let table: Leaderboard = board.get(&format!("{by_test}&limit=1")).await;
        assert_eq!(table.rows.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused() {
    on_board(async |board| {
        for (query, status) in [
            ("dataset=nothing", StatusCode::NOT_FOUND),
            (
                "dataset=open-emoji&metric=loss",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            (
                "dataset=open-emoji&format=pdf",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            (
                "dataset=open-emoji&limit=0",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            ("dataset=open-emoji&limit=many", StatusCode::BAD_REQUEST),
            ("", StatusCode::BAD_REQUEST),
        ] {
            let (got, text) = board.ask(&format!("/api/v1/leaderboard?{query}")).await;
            assert_eq!(got, status, "{query}: {text}");
        }
        let worker = board.token("worker").await;
        let (status, _) = board.send("GET", PATH, &worker, String::new()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let empty: Leaderboard = board.get(PATH).await;
        assert_eq!((empty.dataset.as_str(), empty.rows.len()), (DATASET, 0));
        has_note(&empty, "no trial on open-emoji has completed yet");
    })
    .await;
}

#[tokio::test]
async fn a_published_result_is_beaten_only_when_the_interval_says_so() {
    on_board(async |board| {
        let entry = serde_json::json!({
            "dataset": DATASET, "method": "A method", "value": 0.70, "std": 0.001, "metric": "top1",
            "selection": "best_on_test", "confidence": "read", "extra_data": "JFT-300M",
        });
        let (status, text) = board
            .send("POST", "/api/v1/sota", &board.admin, entry.to_string())
            .await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let trials = [
            board.trial(&spec(1e-3, 0), |idx| idx < 90).await,
            board.trial(&spec(1e-3, 1), |idx| idx < 90).await,
        ];
        let table: Leaderboard = board.get(PATH).await;
        assert_eq!(table.sota.len(), 1);
        has_note(&table, "the top row was not evaluated on test");
        has_note(
            &table,
            "1 of 1 published result picked the best epoch on the test split",
        );
        has_note(&table, "used more data than ImageNet-1k");

        // 75% of 120 images is within the error of 70%; 97% is not.
        for trial in trials {
            board.predict(trial, Split::Test, |idx| idx < 90).await;
        }
        let table: Leaderboard = board.get(PATH).await;
        has_note(&table, "+5.0 points");
        has_note(&table, "not told apart from it");
        for seed in [0, 1] {
            let better = board.trial(&spec(1e-2, seed), |idx| idx < 117).await;
            board.predict(better, Split::Test, |idx| idx < 117).await;
        }
        let table: Leaderboard = board.get(PATH).await;
        has_note(&table, "above it");
    })
    .await;
}
