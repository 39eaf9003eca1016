//! Claims and finishes that share a transaction or a statement, and copies of one that do not.

use cultivar_server::service::reaper;
use cultivar_spec::wire::Lease;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::fixtures::{Worker, completed, tell, trial_spec};
use crate::harness::{App, answer, eventually, with_app};

#[test]
fn copies_of_a_claim_on_two_replicas_are_one() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..40 {
            app.submit(seed).await;
        }
        let other = App::start_at(app.database.clone(), 30.0, app.home.path()).await;
        let worker = Worker::new();
        worker.claim(&app, 1).await;
        for _ in 0..15 {
            let request = Uuid::new_v4();
            let claim = async |replica: &App| {
                let leases = worker.claim_as(replica, request, 2, 20.0).await;
                let mut ids: Vec<_> = leases.iter().map(|lease| lease.id).collect();
                ids.sort();
                ids
            };
            let (here, there) = tokio::join!(claim(&app), claim(&other));
            assert_eq!(here.len(), 2);
            assert_eq!(here, there);
        }
        assert_eq!(app.count("SELECT count(*) FROM attempt").await, 31);
        other.stop().await;
        app
    });
}

#[test]
fn a_bad_finish_spoils_no_other() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..8 {
            app.submit(seed).await;
        }
        let leases = Worker::new().claim(&app, 8).await;
        assert_eq!(leases.len(), 8);
        let mut finishes = Vec::new();
        for lease in &leases {
            finishes.push(completed(&app, lease, 7).await);
        }
        let good = finishes[3]["model"].clone();
        finishes[3]["model"] = json!("ab".repeat(32));
        let sent = leases
            .iter()
            .zip(&finishes)
            .map(|(lease, finish)| tell(&app, lease, "finish", finish.clone()));
        let answers = futures::future::join_all(sent).await;
        for (n, (status, body)) in answers.iter().enumerate() {
            let expected = match n {
                3 => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::OK,
            };
            assert_eq!(*status, expected, "finish {n}: {body:#}");
        }
        assert_eq!(answers[3].1["violations"][0]["pointer"], "/model");
        // Its attempt stays active, so that it can be put right.
        finishes[3]["model"] = good;
        let (status, body) = tell(&app, &leases[3], "finish", finishes[3].clone()).await;
        assert_eq!(status, StatusCode::OK, "{body:#}");
        assert_eq!(
            app.count("SELECT count(*) FROM trial WHERE state = 'completed'")
                .await,
            8
        );
        app
    });
}

#[test]
fn a_locked_trial_keeps_nobody_else_waiting() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..3 {
            app.submit(seed).await;
        }
        let worker = Worker::new();
        let leases = worker.claim(&app, 2).await;
        let locked = completed(&app, &leases[0], 7).await;
        let free = completed(&app, &leases[1], 7).await;

        let mut holder = PgConnection::connect(&app.database.url).await.unwrap();
        let mut tx = holder.begin().await.unwrap();
        let lock = format!(
            "SELECT FROM trial WHERE id = '{}' FOR UPDATE",
            leases[0].trial
        );
        sqlx::query(AssertSqlSafe(lock))
            .execute(&mut *tx)
            .await
            .unwrap();

        let waiting = tell(&app, &leases[0], "finish", locked);
        let meanwhile = async {
            eventually("the finish waits for the lock", async || {
                let waiting = "SELECT count(*) FROM pg_stat_activity
                               WHERE datname = current_database() AND wait_event_type = 'Lock'";
                app.count(waiting).await == 1
            })
            .await;
            let (status, body) = tell(&app, &leases[1], "finish", free).await;
            assert_eq!(status, StatusCode::OK, "{body:#}");
            worker.claim_one(&app).await;
            tx.commit().await.unwrap();
        };
        let ((status, body), ()) = tokio::join!(waiting, meanwhile);
        assert_eq!(status, StatusCode::OK, "{body:#}");
        app
    });
}

/// A lease that ran out is taken up again by its holder's heartbeat, once the trial is free.
#[test]
fn a_locked_trial_keeps_no_heartbeat_waiting() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(0).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        assert!(reaper::lose(&app.state, lease.id).await.unwrap());
        let mut holder = PgConnection::connect(&app.database.url).await.unwrap();
        let mut tx = holder.begin().await.unwrap();
        let lock = format!("SELECT FROM trial WHERE id = '{}' FOR UPDATE", lease.trial);
        sqlx::query(AssertSqlSafe(lock))
            .execute(&mut *tx)
            .await
            .unwrap();
        let beat = json!({"worker": worker.identity, "leases": [lease.id]});
        let reply = app.post_ok("/api/v1/heartbeats", &beat).await;
        assert_eq!(reply["orders"], json!({}), "not renewed, and not given up");
        tx.commit().await.unwrap();
        assert_eq!(worker.beat(&app, &[&lease]).await, ["continue"]);
        app
    });
}

#[test]
fn of_two_finishes_of_one_lease_one_counts() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..10 {
            app.submit(seed).await;
        }
        let leases = Worker::new().claim(&app, 10).await;
        let mut finishes = Vec::new();
        for lease in &leases {
            for n_right in [7, 4] {
                finishes.push((lease, completed(&app, lease, n_right).await));
            }
        }
        // All at once: those that come while the first is entered are entered together.
        let told = finishes
            .iter()
            .map(|(lease, finish)| tell(&app, lease, "finish", finish.clone()));
        let answers = futures::future::join_all(told).await;
        for (lease, answers) in leases.iter().zip(answers.chunks(2)) {
            let (one, other) = (&answers[0], &answers[1]);
            let (counts, is_refused) = match one.0 {
                StatusCode::OK => (0.7, other.0),
                refused => (0.4, refused),
            };
            assert_eq!(is_refused, StatusCode::CONFLICT, "{one:?} {other:?}");
            let trial = app.trial(&lease.trial.to_string()).await;
            assert_eq!(trial["trial"]["metrics"]["val_top1"], counts);
        }
        let stored = "SELECT count(*) FROM prediction p JOIN trial t ON t.id = p.trial_id
                      WHERE p.top1 = (t.metrics->>'val_top1')::float8";
        assert_eq!(app.count(stored).await, 10);
        let told = "SELECT count(*) FROM event WHERE body->>'state' = 'completed'";
        assert_eq!(app.count(told).await, 10);
        app
    });
}

#[test]
fn a_worker_met_before_that_was_put_aside_gets_nothing() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..4 {
            app.submit(seed).await;
        }
        let worker = Worker::new();
        let request = Uuid::new_v4();
        let first = worker.claim_as(&app, request, 1, 0.0).await;
        let second = worker.claim(&app, 1).await;
        assert_eq!((first.len(), second.len()), (1, 1));
        // A copy is answered as before, whatever else there is to have.
        let copy = worker.claim_as(&app, request, 1, 0.0).await;
        assert_eq!(copy[0].id, first[0].id);

        let mut conn = PgConnection::connect(&app.database.url).await.unwrap();
        let put_aside = format!(
            "UPDATE worker SET quarantined_at = now(), quarantine_reason = 'smoke' WHERE id = '{}'",
            worker.identity.id
        );
        sqlx::query(AssertSqlSafe(put_aside))
            .execute(&mut conn)
            .await
            .unwrap();
        for _ in 0..2 {
            let claim = json!({"worker": worker.identity, "request": Uuid::new_v4(), "max": 1, "wait_s": 0.0});
            let reply = app.post_ok("/api/v1/leases", &claim).await;
            assert_eq!(reply["leases"], json!([]));
            assert_eq!(reply["quarantine"], "smoke");
        }
        assert_eq!(Worker::new().claim(&app, 4).await.len(), 2);
        app
    });
}

#[test]
fn a_token_met_before_that_has_ended_gets_nothing_and_ends_nothing() {
    with_app(30.0, async |app| {
        app.register().await;
        for seed in 0..20 {
            app.submit(seed).await;
        }
        let other = App::start_at(app.database.clone(), 30.0, app.home.path()).await;
        let new = json!({"name": "w", "scope": "worker"});
        let ends = ["revoked_at = now()", "expires_at = now()"];
        // What comes first meets a replica that remembers the token; refused once, it is forgotten.
        for first in 0..5 {
            let end = ends[first % 2];
            let made = app.post_ok("/api/v1/tokens", &new).await;
            let send = async |replica: &App, path: &str, body: &Value| {
                let request = replica.anonymous(Method::POST, path).json(body);
                answer(request.bearer_auth(made["token"].as_str().unwrap())).await
            };
            let worker = Worker::new();
            let claim = || json!({"worker": worker.identity, "request": Uuid::new_v4(), "max": 1, "wait_s": 0.0});
            let mut leases: Vec<Lease> = Vec::new();
            // The second claim is of a worker and a token that the replica has met.
            for replica in [&app, &other, &other] {
                let (status, mut reply) = send(replica, "/api/v1/leases", &claim()).await;
                assert_eq!(status, StatusCode::OK, "{reply:#}");
                leases.push(serde_json::from_value(reply["leases"][0].take()).unwrap());
            }
            let finish = |lease: &Lease| format!("/api/v1/leases/{}/finish", lease.id);
            let ended = completed(&other, &leases[0], 7).await;
            let (status, body) = send(&other, &finish(&leases[0]), &ended).await;
            assert_eq!(status, StatusCode::OK, "{body:#}");

            let mut conn = PgConnection::connect(&app.database.url).await.unwrap();
            let end = format!(
                "UPDATE token SET {end} WHERE id = '{}'",
                made["id"].as_str().unwrap()
            );
            sqlx::query(AssertSqlSafe(end))
                .execute(&mut conn)
                .await
                .unwrap();
            let before = app.count("SELECT count(*) FROM attempt").await;
            let lost = json!({"outcome": "preempted", "step": 1});
            let wrong = json!({"outcome": "completed", "step": 1});
            let mut calls = [
                ("/api/v1/leases".to_owned(), claim()),
                (finish(&leases[1]), completed(&other, &leases[1], 7).await),
                (finish(&leases[1]), lost),
                (finish(&leases[2]), wrong),
                // What was accepted before is told to nobody else.
                (finish(&leases[0]), ended),
            ];
            calls.rotate_right(first);
            for (path, body) in calls {
                let (status, answer) = send(&other, &path, &body).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {body} {answer:#}");
            }
            assert_eq!(app.count("SELECT count(*) FROM attempt").await, before);
            for lease in &leases[1..] {
                let (status, body) =
                    tell(&other, lease, "finish", completed(&other, lease, 7).await).await;
                assert_eq!(status, StatusCode::OK, "{body:#}");
            }
        }
        other.stop().await;
        app
    });
}

#[test]
fn workers_met_before_get_what_fits_them_in_its_order() {
    with_app(30.0, async |app| {
        app.register().await;
        let submit = async |seed: u64, needs: Value| {
            let new = json!({"spec": trial_spec(seed), "needs": needs});
            let made = app.post_ok("/api/v1/trials", &new).await;
            made["id"].as_str().unwrap().to_owned()
        };
        let (cpu, mut gpu) = (Worker::new(), Worker::new());
        gpu.identity.device.kind = "cuda".into();
        for worker in [&cpu, &gpu] {
            assert!(worker.claim(&app, 1).await.is_empty());
        }
        let picky = submit(1, json!({"device": "cuda"})).await;
        let plain = [submit(2, json!({})).await, submit(3, json!({})).await];
        let claim = async |worker: &Worker, max: u32| {
            let leases = worker.claim(&app, max).await;
            let trials = leases.iter().map(|lease| lease.trial.to_string());
            trials.collect::<Vec<_>>()
        };
        assert_eq!(claim(&cpu, 1).await, plain[..1]);
        assert_eq!(claim(&gpu, 1).await, [picky]);
        assert_eq!(claim(&cpu, 2).await, plain[1..]);
        app
    });
}
