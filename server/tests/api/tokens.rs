//! Tokens from their making to their end, and the workers' way in.

use std::time::Duration;

use cultivar_client::Client;
use cultivar_spec::wire::Enrolment;
use cultivar_spec::{Secret, SecretKind, WorkerId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::Worker;
use crate::harness::{App, answer, with_app};

async fn status(app: &App, secret: &str) -> (StatusCode, String) {
    let request = app.anonymous(Method::GET, "/api/v1/session");
    let (status, body) = answer(request.bearer_auth(secret)).await;
    let error = body["error"].as_str().unwrap_or_default().to_owned();
    (status, error)
}

fn secret_of(made: &Value) -> String {
    made["token"].as_str().unwrap().to_owned()
}

fn id_of(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_mistyped_token_is_told_from_an_unknown_one() {
    with_app(30.0, async |app| {
        let never = Secret::new(SecretKind::Access, [5; 32]);
        let text = never.reveal();
        let (found, error) = status(&app, text).await;
        assert_eq!(found, 401);
        assert!(error.contains("unknown, expired or revoked"), "{error}");
        let (found, error) = status(&app, &text[..text.len() - 1]).await;
        assert_eq!(found, 401);
        assert!(error.contains("cut or mistyped"), "{error}");
        let login = Secret::new(SecretKind::Login, [5; 32]);
        let (found, error) = status(&app, login.reveal()).await;
        assert_eq!(found, 401);
        assert!(error.contains("another kind"), "{error}");
        app
    });
}

#[test]
fn a_hash_that_begins_alike_is_no_match() {
    with_app(30.0, async |app| {
        let secret = Secret::new(SecretKind::Access, [5; 32]);
        let mut hash = secret.hash();
        for n in 0..2 {
            hash[31] ^= n;
            sqlx::query(
                "INSERT INTO token (id, name, scope, secret_hash) VALUES (gen_random_uuid(), 'x', 'admin', $1)",
            )
            .bind(&hash[..])
            .execute(&app.state.pool)
            .await
            .unwrap();
            let all = app
                .count("SELECT count(*) FROM token WHERE name = 'x'")
                .await;
            assert_eq!(all, i64::from(n) + 1);
        }
        assert_eq!(status(&app, secret.reveal()).await.0, 200);
        sqlx::query("DELETE FROM token WHERE secret_hash = $1")
            .bind(&secret.hash()[..])
            .execute(&app.state.pool)
            .await
            .unwrap();
        assert_eq!(status(&app, secret.reveal()).await.0, 401);
        app
    });
}

#[test]
fn a_rotated_token_works_beside_its_successor_for_a_while() {
    with_app(30.0, async |app| {
        let new = json!({"name": "ci", "scope": "submitter", "expires_in_s": 1000});
        let old = app.post_ok("/api/v1/tokens", &new).await;
        let path = format!("/api/v1/tokens/{}/rotate", id_of(&old));
        let request = || {
            let request = app.request(Method::POST, &path);
            let request = request.header("Idempotency-Key", "once");
            answer(request.json(&json!({"overlap_s": 60})))
        };
        let (made, again) = (request().await, request().await);
        assert_eq!(made.0, StatusCode::CREATED, "{}", made.1);
        assert_eq!(made.1, again.1, "a replay makes no second successor");
        let made = made.1;
        assert_eq!(made["scope"], "submitter");
        assert_eq!(status(&app, &secret_of(&made)).await.0, 200);
        assert_eq!(status(&app, &secret_of(&old)).await.0, 200);
        let listed = app.get("/api/v1/tokens").await;
        let listed = listed.as_array().unwrap();
        let new = &listed[0];
        assert_eq!(
            (new["name"].as_str(), new["replaces"].as_str()),
            (Some("ci"), Some(id_of(&old).as_str()))
        );
        assert!(new["expires_at"].is_string(), "a lifetime is kept: {new}");

        app.sql("UPDATE token SET expires_at = expires_at - interval '60 s'")
            .await;
        assert_eq!(status(&app, &secret_of(&old)).await.0, 401);
        assert_eq!(status(&app, &secret_of(&made)).await.0, 200);
        let gone = app.post(&path, &json!({"overlap_s": 0})).await;
        assert_eq!(gone.0, StatusCode::NOT_FOUND);
        app
    });
}

#[test]
fn a_revoked_token_ends_at_once_on_every_replica() {
    with_app(30.0, async |app| {
        let other = App::start(app.database.clone(), 30.0).await;
        let new = json!({"name": "x", "scope": "viewer"});
        let made = app.post_ok("/api/v1/tokens", &new).await;
        let secret = secret_of(&made);
        assert_eq!(status(&other, &secret).await.0, 200);
        let path = format!("/api/v1/tokens/{}", id_of(&made));
        let revoked = answer(app.request(Method::DELETE, &path)).await.0;
        assert_eq!(revoked, StatusCode::NO_CONTENT);
        assert_eq!(status(&other, &secret).await.0, 401);
        assert_eq!(status(&app, &secret).await.0, 401);
        other.stop().await;
        app
    });
}

#[test]
fn an_open_stream_ends_with_its_token() {
    with_app(30.0, async |app| {
        let new = json!({"name": "x", "scope": "viewer"});
        let made = app.post_ok("/api/v1/tokens", &new).await;
        let request = app.anonymous(Method::GET, "/api/v1/events");
        let stream = request.bearer_auth(secret_of(&made)).send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        let path = format!("/api/v1/tokens/{}", id_of(&made));
        answer(app.request(Method::DELETE, &path)).await;
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.text()).await;
        assert!(ended.is_ok(), "it goes on without a token");
        app
    });
}

async fn enrolment(app: &App, expires_in_s: u64) -> String {
    let new = json!({"name": "gpu-7", "expires_in_s": expires_in_s});
    let made = app.post_ok("/api/v1/workers/enrolments", &new).await;
    secret_of(&made)
}

async fn enroll(app: &App, secret: &str, worker: WorkerId) -> (StatusCode, Value) {
    let body = json!({"enrol_token": secret, "worker": worker});
    let request = app.anonymous(Method::POST, "/api/v1/workers/enroll");
    answer(request.json(&body)).await
}

#[test]
fn an_enrolment_is_good_for_one_worker_and_one_time() {
    with_app(30.0, async |app| {
        let worker = Worker::new();
        let secret = enrolment(&app, 60).await;
        let (found, error) = status(&app, &secret).await;
        assert_eq!(found, 401, "it opens nothing by itself: {error}");
        let tries = (0..8).map(|_| enroll(&app, &secret, worker.identity.id));
        let answers = futures::future::join_all(tries).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.0 == 201).collect();
        assert_eq!(made.len(), 1, "{answers:?}");
        assert!(
            answers
                .iter()
                .all(|answer| answer.0 == 201 || answer.0 == 401)
        );
        let own = secret_of(&made[0].1);

        let claim = |worker: &Worker| {
            let request = app.anonymous(Method::POST, "/api/v1/leases");
            let claim =
                json!({"worker": worker.identity, "request": uuid::Uuid::new_v4(), "max": 1});
            answer(request.bearer_auth(&own).json(&claim))
        };
        assert_eq!(claim(&worker).await.0, StatusCode::OK);
        let (found, body) = claim(&Worker::new()).await;
        assert_eq!(found, StatusCode::FORBIDDEN, "{body}");
        let beat = json!({"worker": Worker::new().identity, "leases": []});
        let request = app.anonymous(Method::POST, "/api/v1/heartbeats");
        let found = answer(request.bearer_auth(&own).json(&beat)).await.0;
        assert_eq!(found, StatusCode::FORBIDDEN);

        // The typed client, as the worker's daemon calls it.
        let client = Client::new(&app.url, "").unwrap();
        let enrolment = Enrolment {
            enrol_token: enrolment(&app, 60).await,
            worker: WorkerId::new(),
        };
        let made = client.enroll(&enrolment).await.unwrap();
        assert_eq!(status(&app, &made.token).await.0, 200);
        let again = client.enroll(&enrolment).await.unwrap_err();
        assert_eq!(again.status(), Some(401));

        let listed = app.get("/api/v1/tokens").await;
        let listed = &listed.as_array().unwrap()[2..];
        let of_worker = &listed[0];
        assert_eq!(of_worker["name"], "gpu-7");
        assert_eq!(of_worker["worker"], json!(worker.identity.id));
        assert_eq!(listed[1]["kind"], "enrolment");
        app
    });
}

/// The status of a POST with somebody's token.
async fn write(app: &App, secret: &str, path: &str, body: &Value) -> StatusCode {
    let request = app.anonymous(Method::POST, path).bearer_auth(secret);
    answer(request.json(body)).await.0
}

#[test]
fn an_enrolled_worker_writes_to_no_attempt_but_its_own() {
    with_app(30.0, async |app| {
        app.register().await;
        let (worker, other) = (Worker::new(), Worker::new());
        let enrolment = enrolment(&app, 60).await;
        let secret = secret_of(&enroll(&app, &enrolment, worker.identity.id).await.1);
        app.submit(0).await;
        let own = worker.claim_one(&app).await.id;
        app.submit(1).await;
        let foreign = other.claim_one(&app).await.id;
        let base = json!({"task": {"kind": "external"}, "objective": {"metric": "value"}});
        let sweep = json!({"name": "external", "base": base});
        let sweep = app.post_ok("/api/v1/sweeps", &sweep).await;
        let ask = format!("/api/v1/sweeps/{}/ask", sweep["id"].as_str().unwrap());
        let asked = app.post_ok(&ask, &json!({"wait_s": 20.0})).await;
        let external = asked["lease"].as_str().expect("there is a trial");

        let sha256 = app.upload(b"checkpoint").await;
        let point = json!({"metric": "loss", "step": 1, "epoch": 1.0, "value": 0.5});
        let of_worker = [
            ("metrics", json!({"points": [point]})),
            ("logs", json!({"first_line": 0, "lines": ["one"]})),
            (
                "checkpoint",
                json!({"sha256": sha256, "epoch": 1, "step": 1}),
            ),
            ("finish", json!({"outcome": "crashed", "step": 1})),
        ];
        let of_external = [
            ("report", json!({"epoch": 1, "value": 0.5})),
            ("should_stop", json!({})),
            ("complete", json!({"value": 0.5})),
        ];
        let mut refused = vec![(ask, json!({}))];
        for (what, body) in &of_worker {
            refused.push((format!("/api/v1/leases/{foreign}/{what}"), body.clone()));
        }
        for (what, body) in &of_external {
            refused.push((format!("/api/v1/leases/{external}/{what}"), body.clone()));
        }
        // The replica that handed a lease out remembers whose it is; another looks it up.
        let replica = App::start(app.database.clone(), 30.0).await;
        for server in [&app, &replica] {
            for (path, body) in &refused {
                let found = write(server, &secret, path, body).await;
                assert_eq!(found, StatusCode::FORBIDDEN, "{path}");
            }
        }
        replica.stop().await;
        // Its heartbeat renews nothing of theirs, and hears of none.
        let beat = json!({"worker": worker.identity, "leases": [own, foreign, external]});
        let request = app.anonymous(Method::POST, "/api/v1/heartbeats");
        let (_, heard) = answer(request.bearer_auth(&secret).json(&beat)).await;
        let orders = json!({own.to_string(): "continue", foreign.to_string(): "unknown", external: "unknown"});
        assert_eq!(heard["orders"], orders);
        let changed = "SELECT (SELECT count(*) FROM log_line) + (SELECT count(*) FROM superseded_write)
            + (SELECT count(*) FROM attempt, metric_values(lease_id))
            + (SELECT count(*) FROM attempt WHERE num_nulls(outcome, checkpoint_step, renewed_at) < 3)";
        assert_eq!(app.count(changed).await, 0);
        assert_eq!(app.count("SELECT count(*) FROM attempt").await, 3);
        for (what, body) in &of_worker {
            let path = format!("/api/v1/leases/{own}/{what}");
            let found = write(&app, &secret, &path, body).await;
            assert_eq!(found, StatusCode::OK, "{what}");
        }
        app
    });
}

#[test]
fn an_enrolment_runs_out_and_can_be_taken_back() {
    with_app(30.0, async |app| {
        let secret = enrolment(&app, 1).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(enroll(&app, &secret, WorkerId::new()).await.0, 401);

        let secret = enrolment(&app, 60).await;
        let listed = app.get("/api/v1/tokens").await;
        let path = format!("/api/v1/tokens/{}", id_of(&listed[0]));
        answer(app.request(Method::DELETE, &path)).await;
        assert_eq!(enroll(&app, &secret, WorkerId::new()).await.0, 401);

        let new = json!({"name": "x", "expires_in_s": 2_592_001});
        let (found, _) = app.post("/api/v1/workers/enrolments", &new).await;
        assert_eq!(found, StatusCode::UNPROCESSABLE_ENTITY);
        app
    });
}
