//! Metric values: stored once however they are cut into batches, read over the run or by the attempt.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixtures::{Worker, tell};
use crate::harness::{App, with_app};

/// A batch of `metric` at some steps, each value a function of its step and `plus`.
fn batch(metric: &str, steps: impl IntoIterator<Item = u64>, plus: f64) -> Value {
    let point = |step| json!({"metric": metric, "step": step, "epoch": step as f64 / 10.0, "value": step as f64 + plus});
    json!({"points": steps.into_iter().map(point).collect::<Vec<_>>()})
}

/// (step, value) of each point of a series.
async fn series(app: &App, id: &str, query: &str) -> Vec<(u64, f64)> {
    let series = app
        .get(&format!("/api/v1/trials/{id}/series?{query}"))
        .await;
    let points = series["points"].as_array().unwrap();
    let pair = |point: &Value| {
        (
            point["step"].as_u64().unwrap(),
            point["value"].as_f64().unwrap_or(f64::NAN),
        )
    };
    points.iter().map(pair).collect()
}

#[test]
fn a_value_is_stored_once_however_the_batches_are_cut() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        // Overlapping, nested, between the steps of another, backwards, and one that repeats a step in itself.
        let batches = [
            batch("loss", 0..10, 0.0),
            batch("loss", 5..15, 100.0),
            batch("loss", [20, 30, 40], 0.0),
            batch("loss", [25, 30, 35], 200.0),
            batch("loss", [3, 16, 17], 300.0),
            batch("loss", [50, 50], 0.0),
            batch("top1", [7, 2], 0.0),
        ];
        for batch in &batches {
            let (status, body) = tell(&app, &lease, "metrics", batch.clone()).await;
            assert_eq!(status, StatusCode::OK, "{body}");
        }
        let mut expected: Vec<(u64, f64)> = (0..10).map(|step| (step, step as f64)).collect();
        expected.extend((10..15).map(|step| (step, step as f64 + 100.0)));
        expected.extend([
            (16, 316.0),
            (17, 317.0),
            (20, 20.0),
            (25, 225.0),
            (30, 30.0),
            (35, 235.0),
            (40, 40.0),
            (50, 50.0),
        ]);
        assert_eq!(series(&app, &id, "metric=loss").await, expected);
        assert_eq!(series(&app, &id, "metric=top1").await, [(2, 2.0), (7, 7.0)]);
        let stored = app
            .count("SELECT count(*) FROM attempt, metric_values(lease_id)")
            .await;
        assert_eq!(stored as usize, expected.len() + 2);
        // All again changes nothing.
        for batch in &batches {
            tell(&app, &lease, "metrics", batch.clone()).await;
        }
        let again = app
            .count("SELECT count(*) FROM attempt, metric_values(lease_id)")
            .await;
        assert_eq!(again, stored);
        app
    });
}

#[test]
fn copies_that_meet_are_stored_once() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        for round in 0..10 {
            // Two halves that overlap, each sent four times at once.
            let from = 100 * round;
            let batches =
                (0..8).map(|n| batch("loss", from + 30 * (n % 2)..from + 30 * (n % 2) + 60, 0.0));
            let answers = join_all(batches.map(|batch| tell(&app, &lease, "metrics", batch))).await;
            assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
        }
        let stored = app
            .count("SELECT count(*) FROM attempt, metric_values(lease_id)")
            .await;
        assert_eq!(stored, 10 * 90);
        assert_eq!(
            series(&app, &id, "metric=loss&points=10000").await.len(),
            900
        );
        app
    });
}

#[test]
fn a_run_skips_what_was_done_again_and_an_attempt_does_not() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        tell(&app, &lease, "metrics", batch("loss", 1..=30, 500.0)).await;
        let checkpoint = app.upload(b"at 20").await;
        let told = tell(
            &app,
            &lease,
            "checkpoint",
            json!({"sha256": checkpoint, "epoch": 1, "step": 20}),
        )
        .await;
        assert_eq!(told.0, StatusCode::OK, "{}", told.1);
        tell(
            &app,
            &lease,
            "finish",
            json!({"outcome": "preempted", "step": 20}),
        )
        .await;
        let second = worker.claim_one(&app).await;
        tell(&app, &second, "metrics", batch("loss", 21..=40, 0.0)).await;
        let odd = json!({"points": [
            {"metric": "loss", "step": 41, "epoch": 4.1, "value": "NaN"},
            {"metric": "never", "step": 41, "epoch": 4.1, "value": "Infinity"},
        ]});
        tell(&app, &second, "metrics", odd).await;

        let run = series(&app, &id, "metric=loss").await;
        assert_eq!(run.len(), 41);
        assert_eq!((run[19], run[20]), ((20, 520.0), (21, 21.0)));
        let first = series(&app, &id, "metric=loss&attempt=1").await;
        assert_eq!((first.len(), first[29]), (30, (30, 530.0)));
        assert_eq!(series(&app, &id, "metric=loss&attempt=2").await.len(), 21);
        assert!(series(&app, &id, "metric=loss&attempt=3").await.is_empty());

        // Steps 21 to 30 of the first attempt, up to 530, do not count.
        let summaries = app.get(&format!("/api/v1/trials/{id}/metrics")).await;
        let expected = json!({"metrics": [
            {"metric": "loss", "last": {"step": 41, "epoch": 4.1, "value": "NaN"}, "lowest": 21.0, "highest": 520.0},
            {"metric": "never", "last": {"step": 41, "epoch": 4.1, "value": "Infinity"}, "lowest": null, "highest": null},
        ]});
        assert_eq!(summaries, expected);
        let nobody = uuid::Uuid::new_v4();
        for path in ["metrics", "series?metric=loss"] {
            let request = app.request(
                reqwest::Method::GET,
                &format!("/api/v1/trials/{nobody}/{path}"),
            );
            assert_eq!(
                request.send().await.unwrap().status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        app
    });
}

#[test]
fn values_of_a_server_of_before_are_read_with_the_new() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        // As the server before wrote; the last came to both.
        sqlx::query("INSERT INTO metric_point SELECT $1, 'loss', step, step, step FROM generate_series(1, 3) step")
            .bind(lease.id.0)
            .execute(&app.state.pool)
            .await
            .unwrap();
        tell(&app, &lease, "metrics", batch("loss", 3..=5, 0.0)).await;
        let expected: Vec<_> = (1..=5).map(|step| (step, step as f64)).collect();
        assert_eq!(series(&app, &id, "metric=loss").await, expected);
        let summaries = app.get(&format!("/api/v1/trials/{id}/metrics")).await;
        let loss = &summaries["metrics"][0];
        assert_eq!(
            (&loss["lowest"], &loss["highest"], &loss["last"]["step"]),
            (&json!(1.0), &json!(5.0), &json!(5))
        );
        app
    });
}
