//! What follows each outcome.

use reqwest::StatusCode;
use serde_json::json;

use crate::fixtures::{Worker, tell};
use crate::harness::with_app;

/// Ends an attempt with `outcome` and expects the trial in `state`.
fn check(outcome: &'static str, state: &'static str) {
    with_app(30.0, async move |app| {
        app.register().await;
        let id = app.submit(1).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        let (status, body) = tell(
            &app,
            &lease,
            "finish",
            json!({"outcome": outcome, "error": "because\u{0}"}),
        )
        .await;
        assert_eq!(status, StatusCode::OK, "{body:#}");
        let trial = app.trial(&id).await;
        assert_eq!(trial["trial"]["state"], state);
        assert_eq!(trial["trial"]["error"], "because\u{fffd}");
        assert_eq!(
            app.count("SELECT count(*) FROM trial_queue").await,
            i64::from(state == "queued")
        );
        app
    });
}

#[test]
fn a_diverged_trial_fails() {
    check("diverged", "failed");
}

#[test]
fn a_preempted_trial_waits_for_the_next_worker() {
    check("preempted", "queued");
}

#[test]
fn a_trial_that_yields_unasked_waits_for_the_next_worker() {
    check("yielded", "queued");
}

#[test]
fn crashes_back_off_until_the_budget_is_spent_and_spare_the_siblings() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let worker = Worker::new();
        for n_crashes in 1..=4 {
            // The backoff itself is tested where it is computed.
            sqlx::query("UPDATE trial_queue SET available_at = now()")
                .execute(&app.state.pool)
                .await
                .unwrap();
            let lease = worker.claim_one(&app).await;
            tell(
                &app,
                &lease,
                "finish",
                json!({"outcome": "crashed", "error": "signal 11"}),
            )
            .await;
            let expect = if n_crashes <= 3 { "queued" } else { "failed" };
            assert_eq!(
                app.trial(&id).await["trial"]["state"],
                expect,
                "after {n_crashes}"
            );
            if n_crashes <= 3 {
                assert!(worker.claim(&app, 1).await.is_empty(), "it backs off");
            }
        }
        let sibling = app.submit(2).await;
        assert_eq!(worker.claim_one(&app).await.trial.to_string(), sibling);
        app
    });
}
