//! A replayed request gets the same answer and has no second effect (I4).

use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::fixtures::{Worker, completed, tell, trial_spec};
use crate::harness::{answer, with_app};

#[test]
fn a_submission_with_a_key_happens_once() {
    with_app(30.0, async |app| {
        app.register().await;
        let post = async |path: &str, body: &serde_json::Value| {
            answer(
                app.request(Method::POST, path)
                    .header("idempotency-key", "k1")
                    .json(body),
            )
            .await
        };
        let trial = json!({"spec": trial_spec(1)});
        let sweep = json!({"name": "s", "base": trial_spec(0), "seeds": [1, 2]});
        let token = json!({"name": "t", "scope": "viewer"});
        for (path, body) in [
            ("/api/v1/trials", &trial),
            ("/api/v1/sweeps", &sweep),
            ("/api/v1/tokens", &token),
        ] {
            let first = post(path, body).await;
            assert_eq!(first.0, StatusCode::CREATED, "{:#}", first.1);
            let (again, and_again) = tokio::join!(post(path, body), post(path, body));
            assert_eq!(first, again);
            assert_eq!(first, and_again);
        }
        assert_eq!(app.count("SELECT count(*) FROM trial").await, 3);
        assert_eq!(app.count("SELECT count(*) FROM sweep").await, 1);
        assert_eq!(
            app.count("SELECT count(*) FROM token WHERE name = 't'")
                .await,
            1
        );
        let (status, body) = post("/api/v1/trials", &json!({"spec": trial_spec(2)})).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::CONFLICT, Some("conflict"))
        );
        app
    });
}

#[test]
fn concurrent_submissions_with_one_key_are_one() {
    with_app(30.0, async |app| {
        app.register().await;
        let body = json!({"spec": trial_spec(1)});
        let post = || {
            answer(
                app.request(Method::POST, "/api/v1/trials")
                    .header("idempotency-key", "k")
                    .json(&body),
            )
        };
        let answers = futures::future::join_all((0..8).map(|_| post())).await;
        assert!(
            answers.iter().all(|answer| answer == &answers[0]),
            "{answers:#?}"
        );
        assert_eq!(app.count("SELECT count(*) FROM trial").await, 1);
        app
    });
}

#[test]
fn a_replayed_claim_gets_the_same_leases() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..4 {
            app.submit(seed).await;
        }
        let worker = Worker::new();
        let request = Uuid::new_v4();
        let claim = || async {
            let mut ids: Vec<_> = worker
                .claim_as(&app, request, 2, 0.0)
                .await
                .iter()
                .map(|lease| lease.id)
                .collect();
            ids.sort();
            ids
        };
        let (first, second) = tokio::join!(claim(), claim());
        assert_eq!(first.len(), 2);
        assert_eq!(first, second);
        assert_eq!(app.count("SELECT count(*) FROM attempt").await, 2);
        app
    });
}

#[test]
fn a_replayed_finish_gets_the_same_answer() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let lease = Worker::new().claim_one(&app).await;
        let mut finish = completed(&app, &lease, 7).await;
        finish["metrics"]["val_loss"] = json!(0.12345678901234567);
        let first = tell(&app, &lease, "finish", finish.clone()).await;
        assert_eq!(first.0, StatusCode::OK);
        let before = app.trial(&id).await;
        assert_eq!(tell(&app, &lease, "finish", finish.clone()).await, first);
        assert_eq!(app.trial(&id).await, before);
        finish["outcome"] = json!("crashed");
        let (status, body) = tell(&app, &lease, "finish", finish).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::CONFLICT, Some("conflict"))
        );
        assert_eq!(app.trial(&id).await, before);
        app
    });
}

#[test]
fn replayed_metrics_and_logs_are_stored_once() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(1).await;
        let lease = Worker::new().claim_one(&app).await;
        let points =
            json!({"points": [{"metric": "train_loss", "step": 1, "epoch": 0.1, "value": 2.0}]});
        let lines = json!({"first_line": 3, "lines": ["a", "b"]});
        for _ in 0..2 {
            assert_eq!(
                tell(&app, &lease, "metrics", points.clone()).await.0,
                StatusCode::OK
            );
            assert_eq!(
                tell(&app, &lease, "logs", lines.clone()).await.0,
                StatusCode::OK
            );
        }
        assert_eq!(
            app.count("SELECT count(*) FROM attempt, metric_values(lease_id)")
                .await,
            1
        );
        assert_eq!(app.count("SELECT count(*) FROM log_line").await, 2);
        app
    });
}
