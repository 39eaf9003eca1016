//! Claims: many at once, and which machine gets which job.

use std::collections::HashSet;
use std::time::Duration;

use cultivar_spec::wire::{ClaimReply, Job};
use cultivar_spec::{PROTOCOL_HEADER, PROTOCOL_VERSION, Sha256Digest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixtures::{Worker, manifest, trial_spec};
use crate::harness::{App, answer, eventually, with_app};

/// Claims with what a machine has to offer; returns the trials it gets.
async fn claim_with(app: &App, kind: &str, offer: Value) -> Vec<String> {
    let mut worker = Worker::new();
    worker.identity.device.kind = kind.into();
    let mut claim = json!({"worker": worker.identity, "request": Uuid::new_v4(), "max": 4});
    for (field, value) in offer.as_object().unwrap() {
        claim[field] = value.clone();
    }
    let reply = app.post_ok("/api/v1/leases", &claim).await;
    let reply: ClaimReply = serde_json::from_value(reply).unwrap();
    reply
        .leases
        .iter()
        .map(|lease| lease.trial.to_string())
        .collect()
}

#[test]
fn waiting_claims_share_transactions_and_get_one_lease_each() {
    const N: usize = 60;
    with_app(30.0, async |app| {
        app.register().await;
        let workers: Vec<_> = (0..N).map(|_| Worker::new()).collect();
        let waiting = workers
            .iter()
            .map(|worker| worker.claim_as(&app, Uuid::new_v4(), 1, 20.0));
        let submitting = async {
            eventually("all of them wait", || async {
                app.count("SELECT count(*) FROM worker").await == N as i64
            })
            .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let seeds: Vec<_> = (0..N).collect();
            let sweep = json!({"name": "s", "base": trial_spec(0), "seeds": seeds});
            app.post_ok("/api/v1/sweeps", &sweep).await
        };
        let (leases, _) = tokio::join!(futures::future::join_all(waiting), submitting);
        let trials: HashSet<_> = leases.iter().flatten().map(|lease| lease.trial).collect();
        assert_eq!(trials.len(), N);
        // Every attempt carries the transaction that opened it.
        let n_transactions = app
            .count("SELECT count(DISTINCT xmin::text) FROM attempt")
            .await;
        assert!(
            n_transactions <= N as i64 / 4,
            "{n_transactions} transactions for {N} claims"
        );
        app
    });
}

#[test]
fn a_job_waits_for_a_machine_that_has_what_it_needs() {
    with_app(30.0, async |app| {
        app.register().await;
        let submit = async |seed: u64, needs: Value| {
            let body = json!({"spec": trial_spec(seed), "needs": needs});
            let trial = app.post_ok("/api/v1/trials", &body).await;
            trial["id"].as_str().unwrap().to_owned()
        };
        let on_gpu = submit(1, json!({"device": "cuda", "memory_bytes": 1000})).await;
        let in_lab = submit(2, json!({"labels": ["lab"]})).await;
        assert!(
            claim_with(&app, "cpu", json!({"memory_bytes": 5000}))
                .await
                .is_empty()
        );
        assert!(
            claim_with(&app, "cuda", json!({"memory_bytes": 999}))
                .await
                .is_empty()
        );
        assert!(
            claim_with(&app, "cuda", json!({"labels": ["attic"]}))
                .await
                .is_empty()
        );
        assert_eq!(
            claim_with(&app, "cpu", json!({"labels": ["attic", "lab"]})).await,
            [in_lab]
        );
        assert_eq!(
            claim_with(&app, "cuda", json!({"memory_bytes": 1000})).await,
            [on_gpu]
        );

        // The trials of a sweep have its needs, also when they come back to the queue; others pass them by.
        let sweep = json!({"name": "s", "base": trial_spec(0), "seeds": [7], "queueing": {"needs": {"labels": ["lab"]}, "priority": 5}});
        let sweep = app.post_ok("/api/v1/sweeps", &sweep).await;
        assert_eq!(sweep["queueing"]["needs"]["labels"], json!(["lab"]));
        let anywhere = submit(3, json!({})).await;
        assert_eq!(claim_with(&app, "cpu", json!({"max": 1})).await, [anywhere]);
        let mut worker = Worker::new();
        worker.identity.device.kind = "cpu".into();
        let claim = json!({"worker": worker.identity, "request": Uuid::new_v4(), "max": 4, "labels": ["lab"]});
        let reply = app.post_ok("/api/v1/leases", &claim).await;
        let lease = reply["leases"][0]["id"].as_str().unwrap();
        app.post_ok(
            &format!("/api/v1/leases/{lease}/finish"),
            &json!({"outcome": "preempted"}),
        )
        .await;
        assert!(claim_with(&app, "cpu", json!({})).await.is_empty());
        assert_eq!(
            claim_with(&app, "cpu", json!({"labels": ["lab"]}))
                .await
                .len(),
            1
        );
        app
    });
}

/// Waits for a job as a new worker that has a dataset at hand; the dataset version of what it gets.
async fn wait_with(app: &App, at_hand: Sha256Digest) -> Sha256Digest {
    let claim = json!({
        "worker": Worker::new().identity, "request": Uuid::new_v4(), "max": 1, "wait_s": 20.0, "datasets": [at_hand],
    });
    let reply = app.post_ok("/api/v1/leases", &claim).await;
    let reply: ClaimReply = serde_json::from_value(reply).unwrap();
    match &reply.leases.first().expect("there is a job").job {
        Job::Train { spec, .. } => spec.data.version.expect("it is pinned"),
        Job::Evaluate { .. } => panic!("nobody asked for an evaluation"),
    }
}

#[test]
fn of_jobs_queued_together_each_goes_where_its_dataset_is() {
    const N_ROUNDS: i64 = 16;
    with_app(600.0, async |app| {
        app.register().await;
        let mut other = manifest();
        other.name = "other".into();
        app.post_ok("/api/v1/datasets", &other).await;
        let versions = [manifest().version(), other.version()];
        let mut n_together = 0;
        for round in 0..N_ROUNDS {
            // The first job in line is for either worker in turn.
            let mut names = ["mini", "other"];
            names.rotate_left(round as usize % 2);
            let sweep = json!({
                "name": "s", "base": trial_spec(0), "seeds": [round], "sampler": {"kind": "grid"},
                "space": {"data": {"dataset": {"choice": names}}},
            });
            let waiting = versions.map(|version| wait_with(&app, version));
            let submitting = async {
                eventually("both wait", async || {
                    app.count("SELECT count(*) FROM worker").await == 2 * (round + 1)
                })
                .await;
                app.post_ok("/api/v1/sweeps", &sweep).await
            };
            let (got, _) = tokio::join!(futures::future::join_all(waiting), submitting);
            // A busy machine may wake one of the two too late to be served with the other.
            let of_last_two = "SELECT count(DISTINCT made_by) FROM
                (SELECT xmin::text AS made_by FROM attempt ORDER BY claimed_at DESC LIMIT 2) last";
            if app.count(of_last_two).await == 1 {
                n_together += 1;
                // Served in the order in which they came, half the rounds would go wrong.
                assert_eq!(got, versions, "round {round}");
            }
        }
        assert!(n_together >= 4, "{n_together} of {N_ROUNDS} rounds");
        app
    });
}

#[test]
fn a_worker_that_could_not_read_its_lease_gets_none() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let claim = json!({"worker": Worker::new().identity, "request": Uuid::new_v4(), "max": 1, "wait_s": 0.0});
        let ask = |version: u32| {
            let request = app.request(Method::POST, "/api/v1/leases").json(&claim);
            answer(request.header(PROTOCOL_HEADER, version))
        };
        for other in [0, PROTOCOL_VERSION + 1] {
            let (status, body) = ask(other).await;
            assert_eq!(status, StatusCode::CONFLICT, "{body}");
            let error = body["error"].as_str().unwrap();
            assert!(error.contains("the same release"), "{error}");
        }
        assert_eq!(app.trial(&id).await["trial"]["state"], "queued");
        let (status, body) = ask(PROTOCOL_VERSION).await;
        assert_eq!(
            (status, body["leases"].as_array().unwrap().len()),
            (StatusCode::OK, 1)
        );
        app
    });
}

#[test]
fn a_reply_says_when_its_leases_were_handed_out() {
    with_app(30.0, async |app| {
        app.register().await;
        let worker = Worker::new();
        let claim =
            json!({"worker": worker.identity, "request": Uuid::new_v4(), "max": 1, "wait_s": 20.0});
        let submitting = async {
            eventually("it waits", async || {
                app.count("SELECT count(*) FROM worker").await == 1
            })
            .await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            app.submit(1).await
        };
        let (reply, _) = tokio::join!(app.post_ok("/api/v1/leases", &claim), submitting);
        let granted_after_s = reply["granted_after_s"].as_f64().unwrap();
        assert!(granted_after_s > 0.3, "{granted_after_s}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let again = app.post_ok("/api/v1/leases", &claim).await;
        assert_eq!(again["leases"], reply["leases"]);
        assert!(
            again["granted_after_s"].as_f64().unwrap() < -0.19,
            "{again}"
        );
        app
    });
}
