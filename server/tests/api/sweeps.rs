//! Sweeps: drawn, labelled, queued whole, cancelled whole.

use reqwest::StatusCode;
use serde_json::json;

use crate::fixtures::{Worker, complete, trial_spec};
use crate::harness::with_app;

#[test]
fn a_grid_times_seeds_is_queued_and_runs_to_its_end() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = json!({
            "name": "lr", "base": trial_spec(0), "seeds": [1, 2],
            "space": {"optimizer": {"choice": [{"kind": "sgd", "lr": 0.1}, {"kind": "adamw", "lr": {"choice": [0.001, 0.003]}}]}},
        });
        let preview = app.post_ok("/api/v1/sweeps/preview", &sweep).await;
        assert_eq!(
            (&preview["n_configs"], &preview["n_trials"]),
            (&json!(3), &json!(6))
        );
        assert_eq!(app.count("SELECT count(*) FROM trial").await, 0);

        let made = app.post_ok("/api/v1/sweeps", &sweep).await;
        let id = made["id"].as_str().unwrap();
        assert_eq!(
            (&made["counts"], &made["dataset"]),
            (&json!({"queued": 6}), &json!("mini"))
        );
        let page = app.get(&format!("/api/v1/trials?sweep={id}")).await;
        let labels: Vec<_> = page["trials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["label"].as_str().unwrap())
            .collect();
        assert_eq!(labels[..3], ["sgd lr=0.1", "sgd lr=0.1", "adamw lr=0.001"]);
        assert_eq!(
            app.count("SELECT count(DISTINCT config_id) FROM trial")
                .await,
            3
        );

        let worker = Worker::new();
        for lease in worker.claim(&app, 10).await {
            complete(&app, &lease, 5).await;
        }
        let done = app.get(&format!("/api/v1/sweeps/{id}")).await;
        assert_eq!(done["sweep"]["finished"], true);
        assert_eq!(done["spec"]["name"], "lr");
        assert_eq!(app.get("/api/v1/sweeps").await[0]["id"], id);
        app
    });
}

#[test]
fn configurations_that_come_to_the_same_are_one() {
    with_app(30.0, async |app| {
        app.register().await;
        let space = json!({"fit": {"choice": [{"epochs": 2}, {"epochs": 2, "batch_size": 64}]}});
        let sweep = json!({"name": "same", "base": trial_spec(0), "space": space});
        let preview = app.post_ok("/api/v1/sweeps/preview", &sweep).await;
        assert_eq!(preview["n_trials"], 1);
        app
    });
}

#[test]
fn one_bad_cell_refuses_the_whole_sweep_and_is_named() {
    with_app(30.0, async |app| {
        app.register().await;
        let space = json!({"fit": {"batch_size": {"choice": [16, 0]}}});
        let (status, body) = app
            .post(
                "/api/v1/sweeps",
                &json!({"name": "s", "base": trial_spec(0), "space": space}),
            )
            .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["violations"].as_array().unwrap().len(), 1, "{body:#}");
        assert_eq!(body["violations"][0]["pointer"], "/base/fit/batch_size");
        assert!(
            body["violations"][0]["expected"]
                .as_str()
                .unwrap()
                .contains(r#"{"fit":{"batch_size":0}}"#)
        );
        assert_eq!(app.count("SELECT count(*) FROM trial").await, 0);

        let (_, body) = app
            .post(
                "/api/v1/sweeps",
                &json!({"name": "s", "base": trial_spec(0), "seeds": [1, 2, 1]}),
            )
            .await;
        assert_eq!(body["violations"][0]["pointer"], "/seeds/2");
        app
    });
}

#[test]
fn cancelling_a_sweep_settles_what_waits_and_stops_what_runs() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = app
            .post_ok(
                "/api/v1/sweeps",
                &json!({"name": "s", "base": trial_spec(0), "seeds": [1, 2, 3]}),
            )
            .await;
        let worker = Worker::new();
        let done = worker.claim_one(&app).await;
        complete(&app, &done, 5).await;
        let running = worker.claim_one(&app).await;
        let path = format!("/api/v1/sweeps/{}/cancel", sweep["id"].as_str().unwrap());
        let cancelled = app.post_ok(&path, &json!({})).await;
        assert_eq!(
            cancelled["counts"],
            json!({"completed": 1, "running": 1, "cancelled": 1})
        );
        assert_eq!(worker.beat(&app, &[&running]).await, ["cancel"]);
        assert!(worker.claim(&app, 5).await.is_empty());
        app
    });
}
