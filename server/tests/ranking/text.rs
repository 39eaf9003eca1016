//! The leaderboard as CSV and as Markdown.

use axum::http::StatusCode;

use crate::board::{DATASET, on_board, spec};

#[tokio::test]
async fn csv_has_a_line_a_row_and_survives_hostile_text() {
    on_board(async |board| {
        board.trial(&spec(1e-3, 0), |idx| idx < 60).await;
        board.trial(&spec(1e-2, 0), |idx| idx < 30).await;
        let entry = serde_json::json!({
            "dataset": DATASET, "method": "=cmd|'x', \"y\"", "value": 0.5, "metric": "top1",
            "selection": "last", "confidence": "secondary", "source": "A paper", "year": 2020,
        });
        board
            .send("POST", "/api/v1/sota", &board.admin, entry.to_string())
            .await;
        let (status, text) = board
            .ask("/api/v1/leaderboard?dataset=open-emoji&format=csv")
            .await;
        assert_eq!(status, StatusCode::OK);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let column = |name: &str| header.iter().position(|column| column == name).unwrap();
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (&lines[0][column("kind")], &lines[0][column("val_top1")]),
            ("trial", "0.500000")
        );
        assert_eq!(
            (&lines[1][column("rank")], &lines[1][column("vs_top")]),
            ("2", "-0.250000")
        );
        assert_eq!(
            (&lines[2][column("kind")], &lines[2][column("test_top1")]),
            ("published", "0.5")
        );
        assert!(lines[2][column("label")].starts_with("'="));
        assert_eq!(&lines[2][column("source")], "A paper; 2020; quoted");
    })
    .await;
}

#[tokio::test]
async fn markdown_is_a_table_with_its_notes() {
    on_board(async |board| {
        board.trial(&spec(1e-3, 0), |idx| idx < 60).await;
        board.trial(&spec(1e-2, 0), |idx| idx < 30).await;
        let (status, text) = board.ask("/api/v1/leaderboard?dataset=open-emoji&format=md").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.starts_with("# open-emoji\n"), "{text}");
        assert!(text.contains("| 1 (selected) | lr=0.001 (efficientnet_lite0, pretrained, full, 10 epochs, 224 px) | 1 | 50.0 ["), "{text}");
        assert!(text.contains("| -25.0 ["), "{text}");
        assert!(text.contains("\n- no published results are registered"), "{text}");
    })
    .await;
}
