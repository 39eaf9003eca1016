//! `/api/v1/sota`.

use axum::http::StatusCode;
use cultivar_server::service;
use cultivar_spec::wire::{ErrorBody, SotaEntry};

use crate::board::{Board, on_board};

async fn of_cars(board: &Board) -> Vec<SotaEntry> {
    board.get("/api/v1/sota?dataset=stanford-cars").await
}

#[tokio::test]
async fn shipped_results_are_there_and_seeding_again_changes_nothing() {
    on_board(async |board| {
        let all: Vec<SotaEntry> = board.get("/api/v1/sota").await;
        let cars = of_cars(board).await;
        assert!(all.len() > cars.len() && cars.len() >= 15);
        assert!(cars.windows(2).all(|pair| pair[0].value >= pair[1].value));
        assert_eq!(
            (cars[0].method.as_str(), cars[0].value),
            ("CMAL-Net", 0.971)
        );
        service::sota::seed(&board.state.pool).await.unwrap();
        let again: Vec<SotaEntry> = board.get("/api/v1/sota").await;
        assert_eq!(again, all);
    })
    .await;
}

#[tokio::test]
async fn seeding_mends_its_own_entries_and_leaves_posted_ones() {
    on_board(async |board| {
        let cars = of_cars(board).await;
        let mut posted = cars[0].clone();
        posted.value = 0.5;
        let body = serde_json::to_string(&posted).unwrap();
        for _ in 0..2 {
            let (status, text) = board
                .send("POST", "/api/v1/sota", &board.admin, body.clone())
                .await;
            assert_eq!(status, StatusCode::CREATED, "{text}");
        }
        sqlx::query("UPDATE sota SET entry = jsonb_set(entry, '{value}', '0.1') WHERE method = $1")
            .bind(&cars[1].method)
            .execute(&board.state.pool)
            .await
            .unwrap();
        service::sota::seed(&board.state.pool).await.unwrap();
        let after = of_cars(board).await;
        assert_eq!(after.len(), cars.len());
        assert!(after.contains(&posted) && !after.contains(&cars[0]));
        assert!(after.contains(&cars[1]));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_entry_is_refused_with_every_mistake() {
    on_board(async |board| {
        let body = r#"{"dataset": "", "method": "m", "value": 97.1, "metric": "top1", "selection": "last", "confidence": "read", "paper": 1}"#;
        let (status, text) = board.send("POST", "/api/v1/sota", &board.admin, body.into()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        let error: ErrorBody = serde_json::from_str(&text).unwrap();
        let pointers: Vec<&str> = error.violations.iter().map(|v| v.pointer.as_str()).collect();
        for pointer in ["/dataset", "/value"] {
            assert!(pointers.contains(&pointer), "{pointer} in {pointers:?}");
        }
        assert!(text.contains("paper"), "{text}");
        let viewer = board.token("viewer").await;
        let (status, _) = board.send("POST", "/api/v1/sota", &viewer, "{}".into()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    })
    .await;
}
