//! Reading a trial's log: what holds some words, and what came since.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixtures::{Worker, tell};
use crate::harness::{App, with_app};

/// The lines and the cursor of an answer.
async fn read(app: &App, id: &str, query: &[(&str, &str)]) -> (StatusCode, String, Option<String>) {
    let request = app.request(Method::GET, &format!("/api/v1/trials/{id}/logs"));
    let response = request.query(query).send().await.unwrap();
    let cursor = response.headers().get("log-cursor");
    let cursor = cursor.map(|cursor| cursor.to_str().unwrap().to_owned());
    (response.status(), response.text().await.unwrap(), cursor)
}

#[test]
fn a_log_is_searched_for_the_very_text() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        let lines = [
            "Epoch 1: 50% done",
            "epoch 2: 500 done",
            "val_top1 0.5",
            "val-top1 0.5",
            r"C:\data",
            "C:/data",
            "größer",
        ];
        let batch = json!({"first_line": 0, "lines": lines});
        assert_eq!(tell(&app, &lease, "logs", batch).await.0, StatusCode::OK);
        for (needle, expect) in [
            ("EPOCH", &lines[..2]),
            ("0%", &lines[..1]),
            ("l_t", &lines[2..3]),
            (r":\d", &lines[4..5]),
            ("ößer", &lines[6..]),
            ("%", &lines[..1]),
            ("_", &lines[2..3]),
            (r"\", &lines[4..5]),
            ("nowhere", &[]),
            ("", &lines[..]),
        ] {
            let (status, text, _) = read(&app, &id, &[("q", needle)]).await;
            assert_eq!(status, StatusCode::OK, "{needle}");
            let found: Vec<_> = text.lines().skip(1).collect();
            assert_eq!(found, expect, "{needle}");
        }
        let (status, _, _) = read(&app, &id, &[("q", "a\0b")]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        app
    });
}

#[test]
fn a_line_that_is_too_long_is_cut_between_two_characters() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        // 8 KiB of characters of two bytes; then shifted by one, so that the last lies across the boundary.
        let longest = "é".repeat(4096);
        let lines = [longest.clone(), format!("a{longest}"), "short".to_owned()];
        let batch = json!({"first_line": 0, "lines": lines});
        assert_eq!(tell(&app, &lease, "logs", batch).await.0, StatusCode::OK);
        let (_, text, _) = read(&app, &id, &[]).await;
        let cut = format!("a{}…", "é".repeat(4095));
        let found: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(found, [longest.as_str(), cut.as_str(), "short"]);
        app
    });
}

#[test]
fn a_log_is_read_on_from_a_cursor() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        let (_, text, none) = read(&app, &id, &[]).await;
        assert_eq!((text.as_str(), none), ("", None));
        let batch = json!({"first_line": 0, "lines": ["one", "two"]});
        tell(&app, &lease, "logs", batch).await;
        let (_, text, cursor) = read(&app, &id, &[]).await;
        assert_eq!(text, "--- attempt 1\none\ntwo\n");
        let cursor = cursor.expect("there are lines");
        assert_eq!(cursor, "1.1");

        let (_, text, same) = read(&app, &id, &[("after", &cursor)]).await;
        assert_eq!((text.as_str(), same.as_deref()), ("", Some("1.1")));
        let preempted = json!({"outcome": "preempted", "step": 0});
        tell(&app, &lease, "finish", preempted).await;
        let second = worker.claim_one(&app).await;
        let batch = json!({"first_line": 0, "lines": ["three", "four"]});
        tell(&app, &second, "logs", batch).await;
        let (_, text, cursor) = read(&app, &id, &[("after", "1.1"), ("q", "our")]).await;
        assert_eq!(text, "--- attempt 2\nfour\n");
        assert_eq!(cursor.as_deref(), Some("2.1"));

        for wrong in ["1", "1.x", "-1.2", "1.2.3", ""] {
            let (status, text, _) = read(&app, &id, &[("after", wrong)]).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {text}");
            assert!(text.contains("/after"), "{text}");
        }
        let nobody = uuid::Uuid::new_v4().to_string();
        let (status, _, _) = read(&app, &nobody, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        app
    });
}

#[test]
fn a_cursor_skips_nothing_of_a_long_log() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        for first_line in [0, 10_000, 20_000] {
            let lines: Vec<_> = (first_line..first_line + 10_000)
                .map(|n| format!("line {n}"))
                .collect();
            let batch = json!({"first_line": first_line, "lines": lines});
            assert_eq!(tell(&app, &lease, "logs", batch).await.0, StatusCode::OK);
        }
        let (_, text, _) = read(&app, &id, &[]).await;
        assert_eq!(text.lines().nth(1), Some("line 20000"), "the last of them");
        let mut cursor = "1.4".to_owned();
        let mut expected = 5;
        while expected < 30_000 {
            let (_, text, next) = read(&app, &id, &[("after", &cursor)]).await;
            for line in text.lines().skip(1) {
                assert_eq!(line, format!("line {expected}"));
                expected += 1;
            }
            cursor = next.expect("there are lines");
        }
        let (_, text, _) = read(&app, &id, &[("after", &cursor)]).await;
        assert_eq!(text, "");
        app
    });
}
