//! Evaluations: separate jobs, and every opening of the test split is counted.

use cultivar_spec::manifest::Split;
use cultivar_spec::wire::Job;
use reqwest::StatusCode;
use serde_json::json;

use crate::fixtures::{Worker, complete};
use crate::harness::{eventually, with_app};

#[test]
fn the_test_split_is_opened_on_request_and_counted() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let path = format!("/api/v1/trials/{id}/evaluate");
        let ask = json!({"split": "test", "reason": "finalist"});
        let (status, _) = app.post(&path, &ask).await;
        assert_eq!(
            status,
            StatusCode::CONFLICT,
            "only a completed trial is evaluated"
        );

        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        complete(&app, &lease, 5).await;
        let view = app.post_ok(&path, &ask).await;
        assert_eq!(view["state"], "queued");
        let lease = worker.claim_one(&app).await;
        let Job::Evaluate {
            split: Split::Test,
            model,
            ..
        } = &lease.job
        else {
            panic!("the job evaluates test");
        };
        assert_eq!(json!(model), app.trial(&id).await["model"]);
        assert_eq!(
            app.trial(&id).await["trial"]["state"],
            "completed",
            "it stays completed meanwhile"
        );
        complete(&app, &lease, 8).await;

        let evaluation = app.trial(&id).await["evaluations"][0].clone();
        assert_eq!(
            (&evaluation["state"], &evaluation["metrics"]["test_top1"]),
            (&json!("completed"), &json!(0.8))
        );
        assert_eq!(app.trial(&id).await["trial"]["metrics"]["val_top1"], 0.5);
        // Asked again, nothing runs, and yet somebody looked.
        assert_eq!(app.post_ok(&path, &ask).await["state"], "completed");
        assert!(worker.claim(&app, 1).await.is_empty());
        assert_eq!(app.count("SELECT count(*) FROM test_access").await, 2);
        assert_eq!(
            app.count("SELECT count(*) FROM prediction WHERE split = 'test' AND top1 = 0.8")
                .await,
            1
        );
        app
    });
}

#[test]
fn a_lost_evaluation_is_requeued_and_its_trial_has_one_job_at_a_time() {
    with_app(0.4, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let (gone, worker) = (Worker::new(), Worker::new());
        let lease = gone.claim_one(&app).await;
        complete(&app, &lease, 5).await;
        for split in ["test", "train"] {
            app.post_ok(
                &format!("/api/v1/trials/{id}/evaluate"),
                &json!({"split": split, "reason": "r"}),
            )
            .await;
        }
        assert_eq!(
            gone.claim(&app, 5).await.len(),
            1,
            "a trial has one active attempt"
        );
        eventually("the lost evaluation is queued again", || async {
            let detail = app.trial(&id).await;
            let attempts = detail["attempts"].as_array().unwrap();
            attempts[1]["outcome"] == "lost"
        })
        .await;
        for _ in 0..2 {
            let lease = worker.claim_one(&app).await;
            complete(&app, &lease, 9).await;
        }
        let detail = app.trial(&id).await;
        let states: Vec<_> = detail["evaluations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["state"].clone())
            .collect();
        assert_eq!(states, ["completed", "completed"]);
        assert_eq!(
            detail["trial"]["n_attempts"], 1,
            "evaluations are no attempts at training"
        );
        app
    });
}
