//! Leases: lost, revived, superseded.

use cultivar_spec::wire::Job;
use reqwest::StatusCode;
use serde_json::json;

use crate::fixtures::{Worker, complete, completed, tell};
use crate::harness::{App, eventually, with_app};

const SHORT: f64 = 0.4;

async fn state(app: &App, id: &str) -> String {
    app.trial(id).await["trial"]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn until_queued(app: &App, id: &str) {
    eventually("the lease runs out", || async {
        state(app, id).await == "queued"
    })
    .await;
}

#[test]
fn a_heartbeat_keeps_exactly_the_leases_it_lists() {
    with_app(SHORT, async |app| {
        app.register().await;
        let (kept, dropped) = (app.submit(1).await, app.submit(2).await);
        let worker = Worker::new();
        let leases = worker.claim(&app, 2).await;
        assert_eq!(leases.len(), 2);
        let kept_lease = leases
            .iter()
            .find(|lease| lease.trial.to_string() == kept)
            .unwrap();
        eventually("the lease that is not listed runs out", || async {
            assert_eq!(worker.beat(&app, &[kept_lease]).await, ["continue"]);
            state(&app, &dropped).await == "queued"
        })
        .await;
        assert_eq!(state(&app, &kept).await, "running");
        let lost = app.trial(&dropped).await;
        assert_eq!(lost["attempts"][0]["outcome"], "lost");
        app
    });
}

#[test]
fn a_lost_lease_is_requeued_with_its_checkpoint_and_fences_its_former_holder() {
    with_app(SHORT, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let (old, new) = (Worker::new(), Worker::new());
        let first = old.claim_one(&app).await;
        let checkpoint = app.upload(b"checkpoint").await;
        let body = json!({"sha256": checkpoint, "epoch": 1, "step": 10});
        let (status, _) = tell(&app, &first, "checkpoint", body).await;
        assert_eq!(status, StatusCode::OK);

        let second = new.claim_one(&app).await;
        assert_eq!((second.trial, second.epoch), (first.trial, 2));
        let Job::Train {
            resume: Some(resume),
            ..
        } = &second.job
        else {
            panic!("it resumes");
        };
        assert_eq!((resume.sha256, resume.step), (checkpoint, 10));

        // Everything the old holder says from here on is kept aside and answered 409.
        assert_eq!(old.beat(&app, &[&first]).await, ["unknown"]);
        let finish = completed(&app, &first, 9).await;
        let writes = [
            (
                "metrics",
                json!({"points": [{"metric": "val_top1", "step": 99, "epoch": 9.0, "value": 0.9}]}),
            ),
            ("logs", json!({"first_line": 0, "lines": ["late"]})),
            (
                "checkpoint",
                json!({"sha256": checkpoint, "epoch": 9, "step": 99}),
            ),
            ("finish", finish),
        ];
        for (what, body) in writes {
            let (status, body) = tell(&app, &first, what, body).await;
            assert_eq!(
                (status, body["code"].as_str()),
                (StatusCode::CONFLICT, Some("superseded")),
                "{what}"
            );
        }
        assert_eq!(
            app.count("SELECT count(DISTINCT kind) FROM superseded_write")
                .await,
            4
        );
        assert_eq!(
            app.count("SELECT count(*) FROM attempt, metric_values(lease_id)")
                .await,
            0
        );
        assert_eq!(app.count("SELECT checkpoint_step FROM trial").await, 10);

        new.beat(&app, &[&second]).await;
        complete(&app, &second, 6).await;
        let done = app.trial(&id).await;
        assert_eq!(
            done["trial"]["metrics"]["val_top1"], 0.6,
            "the new holder's result counts"
        );
        assert_eq!(done["attempts"][1]["resumed_from_step"], 10);
        assert_eq!(app.count("SELECT count(*) FROM prediction").await, 1);
        app
    });
}

#[test]
fn an_expired_lease_without_successor_is_revived_by_its_holder() {
    with_app(SHORT, async |app| {
        app.register().await;
        let worker = Worker::new();
        for (seed, how) in ["heartbeat", "metrics", "finish"].into_iter().enumerate() {
            let id = app.submit(seed as u64).await;
            let lease = worker.claim_one(&app).await;
            let finish = completed(&app, &lease, 8).await;
            until_queued(&app, &id).await;
            match how {
                "heartbeat" => assert_eq!(worker.beat(&app, &[&lease]).await, ["continue"]),
                "metrics" => assert_eq!(
                    tell(&app, &lease, "metrics", json!({})).await.0,
                    StatusCode::OK
                ),
                _ => {}
            }
            let (status, body) = tell(&app, &lease, "finish", finish).await;
            assert_eq!(status, StatusCode::OK, "{how}: {body:#}");
            let done = app.trial(&id).await;
            assert_eq!(done["trial"]["state"], "completed", "{how}");
            assert_eq!(done["attempts"].as_array().unwrap().len(), 1, "{how}");
            assert_eq!(
                app.count("SELECT count(*) FROM trial_queue").await,
                0,
                "{how}"
            );
        }
        app
    });
}

#[test]
fn a_cancelled_trial_whose_worker_never_answers_is_settled_by_the_reaper() {
    with_app(SHORT, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        app.post_ok(&format!("/api/v1/trials/{id}/cancel"), &json!({}))
            .await;
        eventually("the reaper settles it", || async {
            state(&app, &id).await == "cancelled"
        })
        .await;
        let (status, body) = tell(&app, &lease, "finish", json!({"outcome": "cancelled"})).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::CONFLICT, Some("superseded"))
        );
        app
    });
}

#[test]
fn a_restarted_worker_does_not_renew_its_former_self() {
    with_app(SHORT, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let mut worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        worker.identity.boot = cultivar_spec::BootId::new();
        eventually("the old boot's lease runs out", || async {
            worker.beat(&app, &[]).await;
            state(&app, &id).await == "queued"
        })
        .await;
        let again = worker.claim_one(&app).await;
        assert_ne!(again.id, lease.id);
        app
    });
}

#[test]
fn a_result_that_does_not_hold_is_refused_and_leaves_the_lease_active() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(1).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        let honest = completed(&app, &lease, 5).await;
        let refuse = async |change: serde_json::Value, pointer: &str| {
            let mut finish = honest.clone();
            for (key, value) in change.as_object().unwrap() {
                finish[key] = value.clone();
            }
            let (status, body) = tell(&app, &lease, "finish", finish).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:#}");
            assert_eq!(body["violations"][0]["pointer"], pointer, "{body:#}");
        };
        let nowhere = "0".repeat(64);
        refuse(json!({"metrics": {"val_top1": 0.51}}), "/metrics/val_top1").await;
        refuse(json!({"model": null}), "/model").await;
        refuse(json!({"model": nowhere}), "/model").await;
        refuse(json!({"predictions": null}), "/predictions").await;
        let model = honest["model"].clone();
        refuse(json!({"predictions": model}), "/predictions").await;
        assert_eq!(worker.beat(&app, &[&lease]).await, ["continue"]);
        assert_eq!(app.count("SELECT count(*) FROM prediction").await, 0);
        let (status, _) = tell(&app, &lease, "finish", honest).await;
        assert_eq!(status, StatusCode::OK);
        app
    });
}

#[test]
fn what_is_too_large_to_be_predictions_is_refused_unread() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(1).await;
        let lease = Worker::new().claim_one(&app).await;
        let mut finish = completed(&app, &lease, 5).await;
        // Ten images of two classes, and a head of 1 MiB.
        let max_bytes = 10 * (4 * 2 + 16) + (1 << 20);
        for (n_bytes, expect) in [
            (max_bytes, "not safetensors"),
            (max_bytes + 1, "1048816 bytes at most"),
        ] {
            finish["predictions"] = json!(app.upload(&vec![0; n_bytes]).await);
            let (status, body) = tell(&app, &lease, "finish", finish.clone()).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:#}");
            let violation = &body["violations"][0];
            assert_eq!(violation["pointer"], "/predictions");
            let expected = violation["expected"].as_str().unwrap();
            assert!(expected.contains(expect), "{expected}");
        }
        complete(&app, &lease, 5).await;
        app
    });
}
