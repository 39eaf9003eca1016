//! Sweeps whose configurations depend on results: proposed a little ahead of the workers, replayable, whatever the
//! number of replicas.

use cultivar_search::sampler;
use cultivar_server::service::feeder;
use cultivar_server::service::search::{as_seen, past};
use cultivar_server::store;
use cultivar_server::store::proposal::Seen;
use cultivar_spec::wire::{Job, Lease};
use cultivar_spec::{Sha256Digest, SweepId, SweepSpec};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Row;

use crate::fixtures::{Worker, complete, manifest, tell, trial_spec};
use crate::harness::{App, Database, answer, eventually, run_async, with_app};

pub fn sweep(sampler: Value, configs: u32) -> Value {
    json!({
        "name": "search", "base": trial_spec(0), "sampler": sampler, "budget": {"configs": configs},
        "space": {"optimizer": {"choice": [
            {"kind": "sgd", "lr": {"log_uniform": [0.001, 1.0]}},
            {"kind": "adamw", "lr": {"log_uniform": [0.0001, 0.1]}},
        ]}},
    })
}

/// Correct images of ten: adamw is better, and lr 0.01 best of all.
pub fn accuracy(lease: &Lease) -> usize {
    let Job::Train { spec, .. } = &lease.job else {
        panic!("a fresh trial is trained");
    };
    let distance = (spec.optimizer.lr().log10() + 2.0).abs();
    let penalty = if spec.optimizer.kind() == "sgd" {
        2.0
    } else {
        0.0
    };
    (9.0 - 2.0 * distance - penalty).max(0.0) as usize
}

/// The next trial of a search; `None` once it has ended.
pub async fn next(app: &App, id: &str, worker: &Worker) -> Option<Lease> {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        if let Some(lease) = worker.claim(app, 1).await.pop() {
            return Some(lease);
        }
        if is_finished(app, id).await {
            return None;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "no trial and no end"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Trains a search to its end, one trial at a time.
async fn train(app: &App, id: &str, worker: &Worker) {
    while let Some(lease) = next(app, id, worker).await {
        complete(app, &lease, accuracy(&lease)).await;
    }
}

async fn is_finished(app: &App, id: &str) -> bool {
    app.get(&format!("/api/v1/sweeps/{id}")).await["sweep"]["finished"] == true
}

/// Asks every proposal again with what it had seen.
pub async fn check_replays(app: &App, id: &str) -> Vec<Value> {
    let id: SweepId = serde_json::from_value(json!(id)).unwrap();
    let pool = &app.state.pool;
    let detail = store::sweep::detail(pool, id).await.unwrap().unwrap();
    let spec: SweepSpec = detail.spec;
    let outcomes = store::proposal::results(pool, id, &[]).await.unwrap();
    let past = past(&spec, &outcomes);
    let rows = sqlx::query(
        "SELECT number, seen, forecasts, overlay FROM proposal WHERE sweep_id = $1 ORDER BY number",
    )
    .bind(id.0)
    .fetch_all(pool)
    .await
    .unwrap();
    let mut overlays = Vec::new();
    for row in rows {
        let number: i32 = row.get("number");
        let seen = Seen {
            states: row.get("seen"),
            forecasts: row.get("forecasts"),
        };
        let overlay: Value = row.get("overlay");
        let again = sampler::ask(&spec, &as_seen(&past, &seen), number as u32);
        assert_eq!(again.unwrap().as_ref(), Some(&overlay), "proposal {number}");
        overlays.push(overlay);
    }
    overlays
}

/// The share of the variance by pointer, most important first.
async fn importance(app: &App, id: &str) -> (Value, Vec<(String, f64)>) {
    let report = app.get(&format!("/api/v1/sweeps/{id}/importance")).await;
    let params = report["params"].as_array().unwrap().iter();
    let shares = params.map(|param| {
        let pointer = param["pointer"].as_str().unwrap().to_owned();
        (pointer, param["share"]["mean"].as_f64().unwrap())
    });
    let shares = shares.collect();
    (report["n_results"].clone(), shares)
}

#[test]
fn what_decides_the_objective_and_what_to_go_on_with_are_found_in_planned_and_in_searched_sweeps() {
    with_app(30.0, async |app| {
        app.register().await;
        let worker = Worker::new();
        let space = json!({
            "optimizer": {"kind": "adamw", "lr": {"choice": [0.0001, 0.001, 0.01, 0.1]}},
            "loss": {"kind": "cross_entropy", "smoothing": {"choice": [0.0, 0.1, 0.2]}},
        });
        for sampler in [json!({"kind": "grid"}), json!({"kind": "tpe"})] {
            let mut spec = sweep(sampler, 12);
            spec["space"] = space.clone();
            spec["seeds"] = json!([0, 1]);
            let made = app.post_ok("/api/v1/sweeps", &spec).await;
            let id = made["id"].as_str().unwrap();
            assert_eq!(importance(&app, id).await, (json!(0), vec![]));
            let recommendation = format!("/api/v1/sweeps/{id}/recommendation");
            let nothing = json!({"n_results": 0, "config": null});
            assert_eq!(app.get(&recommendation).await, nothing);
            train(&app, id, &worker).await;
            let recommended = app.get(&recommendation).await;
            assert_eq!(recommended["n_results"], 12);
            let config = &recommended["config"];
            assert_eq!(config["overlay"]["optimizer"]["lr"], 0.01, "{config}");
            assert_eq!(
                (&config["mean"], &config["n_seeds"]),
                (&json!(0.9), &json!(2))
            );
            let trials = config["trials"].as_array().unwrap();
            assert_eq!(trials.len(), 2);
            let one = app.trial(trials[0].as_str().unwrap()).await;
            assert_eq!(one["trial"]["label"], config["label"]);
            assert_eq!(one["spec"]["optimizer"]["lr"], 0.01);
            let (n_results, shares) = importance(&app, id).await;
            assert_eq!(n_results, 12, "seeds are folded");
            assert_eq!(shares[0].0, "/optimizer/lr");
            assert!(shares[0].1 > 3.0 * shares[1].1, "{shares:?}");
        }
        let nobody = SweepId::new();
        for what in ["importance", "recommendation"] {
            let path = format!("/api/v1/sweeps/{nobody}/{what}");
            let (status, _) = answer(app.request(Method::GET, &path)).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
        app
    });
}

#[test]
fn a_search_learns_and_each_proposal_can_be_replayed() {
    with_app(30.0, async |app| {
        app.register().await;
        let spec = sweep(json!({"kind": "tpe", "n_startup": 8}), 30);
        let preview = app.post_ok("/api/v1/sweeps/preview", &spec).await;
        assert_eq!(
            (&preview["n_trials"], &preview["space_size"]),
            (&json!(30), &json!(null))
        );
        assert_eq!(preview["samples"].as_array().unwrap().len(), 5);
        let made = app.post_ok("/api/v1/sweeps", &spec).await;
        assert_eq!(
            (&made["n_planned"], &made["searching"], &made["finished"]),
            (&json!(30), &json!(true), &json!(false))
        );
        let id = made["id"].as_str().unwrap();
        train(&app, id, &Worker::new()).await;
        let done = app.get(&format!("/api/v1/sweeps/{id}")).await;
        assert_eq!(done["sweep"]["counts"], json!({"completed": 30}));
        assert_eq!(done["sweep"]["searching"], false);

        let overlays = check_replays(&app, id).await;
        let n_adamw = |overlays: &[Value]| {
            let is_adamw = |overlay: &&Value| overlay["optimizer"]["kind"] == "adamw";
            overlays.iter().filter(is_adamw).count()
        };
        let learnt = n_adamw(&overlays[15..]);
        assert!(
            learnt >= 11,
            "the better optimizer is tried more: {learnt} of 15"
        );
        // Each had seen all but the one that was under way.
        let last: Vec<u8> = sqlx::query_scalar("SELECT seen FROM proposal WHERE number = 29")
            .fetch_one(&app.state.pool)
            .await
            .unwrap();
        assert!(
            last.iter().filter(|state| **state == 1).count() >= 27,
            "{last:?}"
        );
        app
    });
}

#[test]
fn what_fails_is_no_result_and_a_cancelled_search_proposes_no_more() {
    with_app(30.0, async |app| {
        app.register().await;
        let made = app
            .post_ok(
                "/api/v1/sweeps",
                &sweep(json!({"kind": "gp", "n_startup": 2}), 20),
            )
            .await;
        let id = made["id"].as_str().unwrap();
        let worker = Worker::new();
        for n in 0..6 {
            let lease = &next(&app, id, &worker).await.unwrap();
            match n % 2 {
                0 => {
                    let body = json!({"outcome": "diverged", "error": "loss is NaN"});
                    tell(&app, lease, "finish", body).await;
                }
                _ => complete(&app, lease, accuracy(lease)).await,
            }
        }
        check_replays(&app, id).await;
        app.post_ok(&format!("/api/v1/sweeps/{id}/cancel"), &json!({}))
            .await;
        let before = app.count("SELECT count(*) FROM proposal").await;
        app.state.feeder.notify_one();
        let other = app
            .post_ok("/api/v1/sweeps", &sweep(json!({"kind": "tpe"}), 2))
            .await;
        train(&app, other["id"].as_str().unwrap(), &worker).await;
        assert!(is_finished(&app, id).await);
        assert_eq!(app.count("SELECT count(*) FROM proposal").await, before + 2);
        app
    });
}

/// Whoever registers anything later changes nothing of it.
#[test]
fn a_search_means_what_its_names_stood_for_when_it_was_submitted() {
    with_app(30.0, async |app| {
        app.register().await;
        let made = app
            .post_ok("/api/v1/sweeps", &sweep(json!({"kind": "tpe"}), 4))
            .await;
        let id = made["id"].as_str().unwrap();
        let worker = Worker::new();
        let first = next(&app, id, &worker).await.unwrap();
        complete(&app, &first, 5).await;
        let mut changed = manifest();
        changed.title = "Another version".into();
        app.post_ok("/api/v1/datasets", &changed).await;
        let other = app.upload(b"other weights").await;
        let entry = json!({
            "backbone": "efficientnet_lite0", "sha256": other, "mean": [0.1, 0.1, 0.1], "std": [0.2, 0.2, 0.2],
            "interpolation": "bilinear", "crop_pct": 0.8,
        });
        app.post_ok("/api/v1/weights", &entry).await;
        let Job::Train { spec: pinned, .. } = first.job else {
            panic!("a fresh trial is trained");
        };
        while let Some(lease) = next(&app, id, &worker).await {
            let Job::Train { spec, .. } = &lease.job else {
                panic!("a fresh trial is trained");
            };
            assert_eq!((&spec.data, &spec.input), (&pinned.data, &pinned.input));
            assert_eq!(spec.backbone, pinned.backbone);
            complete(&app, &lease, 5).await;
        }
        assert_eq!(app.count("SELECT count(*) FROM trial").await, 4);
        app
    });
}

#[test]
fn a_search_that_was_cancelled_goes_on_when_it_is_retried() {
    with_app(30.0, async |app| {
        app.register().await;
        let made = app
            .post_ok("/api/v1/sweeps", &sweep(json!({"kind": "tpe"}), 5))
            .await;
        let id = made["id"].as_str().unwrap();
        let path = format!("/api/v1/sweeps/{id}");
        let worker = Worker::new();
        let lease = next(&app, id, &worker).await.unwrap();
        complete(&app, &lease, 5).await;
        app.post_ok(&format!("{path}/cancel"), &json!({})).await;
        assert!(is_finished(&app, id).await);
        app.post_ok(&format!("{path}/retry"), &json!({})).await;
        train(&app, id, &worker).await;
        let done = app.get(&path).await;
        assert_eq!(done["sweep"]["counts"], json!({"completed": 5}));
        app
    });
}

#[test]
fn four_replicas_propose_what_one_does() {
    run_async(async {
        let mut proposed = Vec::new();
        for n_replicas in [1, 4] {
            let database = Database::create().await;
            let app = App::start(database.clone(), 30.0).await;
            let mut others = Vec::new();
            for _ in 1..n_replicas {
                others.push(App::start(database.clone(), 30.0).await);
            }
            app.register().await;
            let made = app
                .post_ok("/api/v1/sweeps", &sweep(json!({"kind": "random"}), 3))
                .await;
            train(&app, made["id"].as_str().unwrap(), &Worker::new()).await;
            let made = app
                .post_ok(
                    "/api/v1/sweeps",
                    &sweep(json!({"kind": "tpe", "n_startup": 4}), 12),
                )
                .await;
            let id = made["id"].as_str().unwrap();
            train(&app, id, &Worker::new()).await;
            assert_eq!(app.count("SELECT count(*) FROM proposal").await, 12);
            proposed.push(check_replays(&app, id).await);
            for app in others {
                app.stop().await;
            }
            app.stop().await;
            database.drop().await;
        }
        // What was asked before the first result depends on nothing else.
        assert_eq!(proposed[0][..1], proposed[1][..1]);
    });
}

#[test]
fn a_search_may_begin_from_a_file_that_only_its_workers_have() {
    with_app(30.0, async |app| {
        app.register().await;
        let sha256 = Sha256Digest::of(b"on the workers' disks");
        let mut spec = sweep(json!({"kind": "tpe"}), 2);
        spec["base"]["backbone"] =
            json!({"weights": "file:mine.safetensors", "weights_sha256": sha256});
        app.post_ok("/api/v1/sweeps", &spec).await;
        Worker::new().claim_one(&app).await;
        app
    });
}

#[test]
fn a_search_that_cannot_go_on_keeps_no_newer_one_waiting() {
    with_app(30.0, async |app| {
        app.register().await;
        let spec = sweep(json!({"kind": "tpe"}), 2);
        app.post_ok("/api/v1/sweeps", &spec).await;
        sqlx::query("UPDATE sweep SET spec = '0'")
            .execute(&app.state.pool)
            .await
            .unwrap();
        app.post_ok("/api/v1/sweeps", &spec).await;
        eventually("the newer one proposes", async || {
            let of_newer = "SELECT count(*) FROM proposal
                            WHERE sweep_id = (SELECT id FROM sweep ORDER BY id DESC LIMIT 1)";
            app.count(of_newer).await == 1
        })
        .await;
        app
    });
}

#[test]
fn a_search_has_as_many_in_flight_as_its_limit_says_now() {
    with_app(30.0, async |app| {
        app.register().await;
        for _ in 0..4 {
            Worker::new().beat(&app, &[]).await;
        }
        let mut spec = sweep(json!({"kind": "tpe"}), 8);
        spec["queueing"] = json!({"parallel": 1});
        let made = app.post_ok("/api/v1/sweeps", &spec).await;
        let path = format!("/api/v1/sweeps/{}/queueing", made["id"].as_str().unwrap());
        for parallel in [1, 3] {
            let request = app.request(Method::PUT, &path);
            let request = request.json(&json!({"parallel": parallel}));
            assert_eq!(answer(request).await.0, StatusCode::OK);
            let n_proposed = "SELECT count(*) FROM proposal";
            eventually("as many are proposed", async || {
                feeder::feed_all(&app.state).await.unwrap();
                app.count(n_proposed).await == parallel
            })
            .await;
            feeder::feed_all(&app.state).await.unwrap();
            assert_eq!(app.count(n_proposed).await, parallel, "and no more");
        }
        app
    });
}

#[test]
fn a_search_that_cannot_be_is_refused() {
    with_app(30.0, async |app| {
        app.register().await;
        let refused = async |spec: Value| app.post_refused("/api/v1/sweeps", &spec).await;
        let mut no_budget = sweep(json!({"kind": "tpe"}), 1);
        no_budget["budget"] = json!({});
        assert_eq!(refused(no_budget).await, "/budget/configs");
        let mut endless = sweep(json!({"kind": "tpe"}), 1_000);
        endless["seeds"] = (0..101).collect();
        assert_eq!(refused(endless).await, "/seeds");
        let mut reversed = sweep(json!({"kind": "tpe"}), 5);
        reversed["space"] = json!({"optimizer": {"lr": {"log_uniform": [1.0, 0.1]}}});
        assert!(refused(reversed).await.starts_with("/space/optimizer/lr"));
        let mut wrong = sweep(json!({"kind": "auto"}), 5);
        wrong["space"] = json!({"fit": {"batch_size": {"int": [-4, -1]}}});
        assert_eq!(refused(wrong).await, "/base/fit/batch_size");
        assert_eq!(app.count("SELECT count(*) FROM sweep").await, 0);
        app
    });
}
