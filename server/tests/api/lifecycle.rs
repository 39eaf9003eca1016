//! A trial from submission to its result.

use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::fixtures::{Worker, complete, tell, trial_spec};
use crate::harness::{answer, with_app};
use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::Job;

#[test]
fn a_trial_is_claimed_reported_and_completed() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        assert_eq!(lease.trial.to_string(), id);
        let Job::Train {
            spec,
            dataset,
            weights,
            resume,
            ..
        } = &lease.job
        else {
            panic!("a fresh trial is trained");
        };
        assert_eq!(
            (spec.input.crop_pct, dataset.data.len(), resume),
            (Some(0.9), 1, &None)
        );
        assert_eq!(weights, &spec.backbone.weights_sha256);
        assert!(weights.is_some(), "pretrained weights are pinned");

        let progress = json!({"phase": "training", "epoch": 0, "n_epochs": 2, "step": 5, "n_steps": 20,
            "train_loss": 1.0, "val_top1": null, "images_per_s": 10.0, "eta_s": 3.0});
        let points = json!([
            {"metric": "train_loss", "step": 5, "epoch": 0.5, "value": 1.0},
            {"metric": "train_loss", "step": 10, "epoch": 1.0, "value": "NaN"},
        ]);
        let (status, reply) = tell(
            &app,
            &lease,
            "metrics",
            json!({"points": points, "progress": progress}),
        )
        .await;
        assert_eq!(
            (status, reply),
            (StatusCode::OK, json!({"order": "continue"}))
        );
        let (status, _) = tell(
            &app,
            &lease,
            "logs",
            json!({"first_line": 0, "lines": ["one\u{0}", "two"]}),
        )
        .await;
        assert_eq!(status, StatusCode::OK);
        let running = app.trial(&id).await;
        assert_eq!(running["trial"]["state"], "running");
        assert_eq!(running["trial"]["progress"]["step"], 5);

        complete(&app, &lease, 7).await;
        let done = app.trial(&id).await;
        assert_eq!(done["trial"]["state"], "completed");
        assert_eq!(
            done["trial"]["metrics"],
            json!({"val_top1": 0.7, "val_loss": 0.7}),
            "NaN is left out"
        );
        assert_eq!(done["trial"]["progress"], json!(null));
        assert_eq!(done["attempts"][0]["outcome"], "completed");
        assert_eq!(done["cost"]["images"], 20);
        let series = app
            .get(&format!(
                "/api/v1/trials/{id}/series?metric=train_loss&points=50"
            ))
            .await;
        assert_eq!(series["points"][1]["value"], "NaN");
        let logs = app.request(reqwest::Method::GET, &format!("/api/v1/trials/{id}/logs"));
        let text = logs.send().await.unwrap().text().await.unwrap();
        assert_eq!(text, "--- attempt 1\none\u{fffd}\ntwo\n");
        assert_eq!(
            app.count("SELECT count(*) FROM prediction WHERE top1 = 0.7 AND n_images = 10")
                .await,
            1
        );
        app
    });
}

#[test]
fn weights_may_be_a_file_that_only_the_worker_has() {
    with_app(30.0, async |app| {
        app.register().await;
        let sha256 = Sha256Digest::of(b"on the worker's disk");
        let mut spec = trial_spec(1);
        spec["backbone"] = json!({"weights": "file:mine.safetensors", "weights_sha256": sha256});
        app.post_ok("/api/v1/trials", &json!({"spec": spec})).await;
        let lease = Worker::new().claim_one(&app).await;
        let Job::Train { spec, weights, .. } = &lease.job else {
            panic!("a fresh trial is trained");
        };
        assert_eq!(spec.backbone.weights_sha256, Some(sha256));
        assert_eq!(weights, &None, "the server cannot hand it out");
        app
    });
}

#[test]
fn a_waiting_claim_is_answered_when_work_arrives() {
    with_app(30.0, async |app| {
        app.register().await;
        let worker = Worker::new();
        let waiting = worker.claim_as(&app, Uuid::new_v4(), 4, 20.0);
        let submitting = async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            app.submit(1).await
        };
        let start = std::time::Instant::now();
        let (leases, _) = tokio::join!(waiting, submitting);
        assert_eq!(leases.len(), 1);
        assert!(
            start.elapsed().as_secs_f64() < 5.0,
            "it did not wait for its deadline"
        );
        app
    });
}

#[test]
fn cancelling_settles_a_waiting_trial_and_stops_a_running_one() {
    with_app(30.0, async |app| {
        app.register().await;
        let worker = Worker::new();
        let running = app.submit(1).await;
        let lease = worker.claim_one(&app).await;
        let waiting = app.submit(2).await;
        for id in [&running, &waiting, &waiting] {
            app.post_ok(&format!("/api/v1/trials/{id}/cancel"), &json!({}))
                .await;
        }
        assert_eq!(app.trial(&waiting).await["trial"]["state"], "cancelled");
        assert_eq!(app.trial(&running).await["trial"]["state"], "running");
        assert_eq!(worker.beat(&app, &[&lease]).await, ["cancel"]);
        let (_, reply) = tell(&app, &lease, "metrics", json!({})).await;
        assert_eq!(reply["order"], "cancel");
        let (status, _) = tell(&app, &lease, "finish", json!({"outcome": "cancelled"})).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(app.trial(&running).await["trial"]["state"], "cancelled");
        assert!(worker.claim(&app, 4).await.is_empty());

        app.post_ok(&format!("/api/v1/trials/{running}/retry"), &json!({}))
            .await;
        let lease = worker.claim_one(&app).await;
        complete(&app, &lease, 5).await;
        let (status, body) = app
            .post(&format!("/api/v1/trials/{running}/cancel"), &json!({}))
            .await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::CONFLICT, Some("conflict"))
        );
        app
    });
}

#[test]
fn trials_are_listed_in_pages() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut submitted = Vec::new();
        for seed in 0..5 {
            submitted.push(app.submit(seed).await);
        }
        let mut listed = Vec::new();
        let mut query = "limit=2&state=queued&dataset=mini".to_owned();
        loop {
            let page = app.get(&format!("/api/v1/trials?{query}")).await;
            let ids = page["trials"].as_array().unwrap().iter();
            listed.extend(ids.map(|trial| trial["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => {
                    query = format!("limit=2&state=queued&dataset=mini&cursor={cursor}")
                }
                None => break,
            }
        }
        assert_eq!(listed, submitted);
        let unknown = answer(app.request(reqwest::Method::GET, "/api/v1/trials?sate=queued")).await;
        assert_eq!(unknown.0, StatusCode::BAD_REQUEST);
        app
    });
}
