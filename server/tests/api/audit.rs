//! The audit log, and that no secret stands in it or anywhere else.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use cultivar_spec::{Secret, SecretKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::Worker;
use crate::harness::{App, Database, answer, run_async, with_app, with_config};

async fn entries(app: &App) -> Vec<Value> {
    let page = app.get("/api/v1/audit").await;
    page["entries"].as_array().unwrap().clone()
}

#[test]
fn it_says_who_did_what_to_which_id_from_where() {
    with_app(30.0, async |app| {
        app.register().await;
        let new = json!({"name": "anna", "scope": "submitter"});
        let made = app.post_ok("/api/v1/tokens", &new).await;
        let anna = made["token"].as_str().unwrap();
        let trial = app.submit(1).await;
        let cancel = format!("/api/v1/trials/{trial}/cancel");
        let by_anna = |method, path: &str| app.anonymous(method, path).bearer_auth(anna);
        let response = by_anna(Method::POST, &cancel).send().await.unwrap();
        let request_id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let refused = answer(by_anna(Method::POST, "/api/v1/tokens").json(&new))
            .await
            .0;
        assert_eq!(refused, StatusCode::FORBIDDEN);
        // Reads, strangers' noise and what workers do all the time are not acts.
        app.get("/api/v1/trials").await;
        answer(app.anonymous(Method::POST, &cancel)).await;
        Worker::new().claim(&app, 1).await;

        let all = entries(&app).await;
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        let acts: Vec<_> = all
            .iter()
            .take(4)
            .map(|entry| {
                let target = text(entry, "target");
                (
                    text(entry, "token_name"),
                    text(entry, "action"),
                    target,
                    entry["status"].clone(),
                )
            })
            .collect();
        let act = |who: &str, action: &str, target: &str, status: u16| {
            (
                who.to_owned(),
                action.to_owned(),
                target.to_owned(),
                json!(status),
            )
        };
        let admin = "admin token of this machine";
        let expect = [
            act("anna", "POST /api/v1/tokens", "-", 403),
            act("anna", "POST /api/v1/trials/{id}/cancel", &trial, 200),
            act(admin, "POST /api/v1/trials", &trial, 201),
            act(
                admin,
                "POST /api/v1/tokens",
                made["id"].as_str().unwrap(),
                201,
            ),
        ];
        assert_eq!(acts, expect);
        assert_eq!(all[1]["ip"], "127.0.0.1");
        assert_eq!(all[1]["request_id"], json!(request_id));
        assert_eq!(all[1]["scope"], "submitter");

        let of_anna = app
            .get(&format!(
                "/api/v1/audit?token={}&limit=1",
                made["id"].as_str().unwrap()
            ))
            .await;
        assert_eq!(of_anna["entries"].as_array().unwrap().len(), 1);
        let cursor = of_anna["next_cursor"].as_u64().unwrap();
        let next = app.get(&format!("/api/v1/audit?cursor={cursor}")).await;
        assert_eq!(next["entries"][0]["id"], all[1]["id"]);
        app
    });
}

#[test]
fn nothing_in_it_can_be_changed_or_removed() {
    with_app(30.0, async |app| {
        let new = json!({"name": "x", "scope": "viewer"});
        app.post_ok("/api/v1/tokens", &new).await;
        for sql in [
            "UPDATE audit SET ip = 'elsewhere'",
            "DELETE FROM audit",
            "TRUNCATE audit",
        ] {
            let error = sqlx::query(sql).execute(&app.state.pool).await.unwrap_err();
            assert!(error.to_string().contains("append only"), "{sql}: {error}");
        }
        assert_eq!(app.count("SELECT count(*) FROM audit").await, 1);
        app
    });
}

#[test]
fn what_comes_too_often_is_not_written_down() {
    let slow = |config: &mut cultivar_server::Config| config.rate_scale = 0.01;
    with_config(30.0, slow, async |app| {
        let new = json!({"name": "x", "scope": "viewer"});
        // Of this class 2 at once, then one in five seconds.
        let mut n_made = 0;
        for _ in 0..20 {
            match app.post("/api/v1/tokens", &new).await.0 {
                StatusCode::CREATED => n_made += 1,
                status => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
            }
        }
        assert!(n_made < 15, "{n_made} of 20 answered");
        assert_eq!(app.count("SELECT count(*) FROM audit").await, n_made);
        app
    });
}

#[test]
fn who_hangs_up_is_written_down_all_the_same() {
    with_app(30.0, async |app| {
        let new = json!({"name": "x", "scope": "viewer"});
        let cut = |n: u64| {
            let request = app.request(Method::POST, "/api/v1/tokens").json(&new);
            request.timeout(Duration::from_micros(150 * n)).send()
        };
        let answers = futures::future::join_all((0..100).map(cut)).await;
        let n_cut = answers.iter().filter(|answer| answer.is_err()).count();
        assert!(n_cut > 20, "only {n_cut} of 100 hung up");
        let made = "SELECT count(*) FROM token WHERE name = 'x'";
        let written = "SELECT count(*) FROM audit WHERE status = 201";
        crate::harness::eventually("every token made stands in the log", || async {
            app.count(made).await == app.count(written).await
        })
        .await;
        app
    });
}

/// A server process with everything logged, and what it logged.
struct Logged {
    child: std::process::Child,
    url: String,
    lines: std::thread::JoinHandle<String>,
}

fn start_logged(database: &Database, home: &std::path::Path) -> Logged {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_cultivar-server"))
        .args(["--listen", "127.0.0.1:0", "--home"])
        .arg(home)
        .env("DATABASE_URL", &database.url)
        .env("CULTIVAR_LOG", "trace")
        .env("CULTIVAR_RATE_LIMIT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let lines = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let ready = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("CULTIVAR_READY ").map(str::to_owned))
        .expect("a ready line");
    let ready: Value = serde_json::from_str(&ready).unwrap();
    Logged {
        child,
        url: ready["url"].as_str().unwrap().to_owned(),
        lines,
    }
}

#[test]
fn a_canary_in_every_credential_field_is_found_nowhere() {
    run_async(async {
        let database = Database::create().await;
        let home = tempfile::tempdir().unwrap();
        let server = start_logged(&database, home.path());
        let admin = std::fs::read_to_string(home.path().join("admin-token")).unwrap();
        let http = reqwest::Client::new();
        let url = |path: &str| format!("{}{path}", server.url);
        let admin = admin.trim();

        let made: Value = http
            .post(url("/api/v1/tokens"))
            .bearer_auth(admin)
            .header("Idempotency-Key", "k")
            .json(&json!({"name": "x", "scope": "admin"}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let enrolment: Value = http
            .post(url("/api/v1/workers/enrolments"))
            .bearer_auth(admin)
            .json(&json!({"name": "x"}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let link = http.post(url("/api/v1/session/links")).bearer_auth(admin);
        let link: Value = link.send().await.unwrap().json().await.unwrap();
        let link = link["url"].as_str().unwrap();
        let link = link.split_once("#login=").unwrap().1.to_owned();
        let [fresh, session, login, enrol] = [
            SecretKind::Access,
            SecretKind::Session,
            SecretKind::Login,
            SecretKind::Enrolment,
        ]
        .map(|kind| Secret::new(kind, [kind as u8 + 77; 32]).reveal().to_owned());
        let cut = fresh[..40].to_owned();
        let made = made["token"].as_str().unwrap().to_owned();
        let enrolment = enrolment["token"].as_str().unwrap().to_owned();

        // Each credential where it belongs, where it does not, and mutilated.
        let mut answers = Vec::new();
        for secret in [
            admin, &made, &enrolment, &link, &fresh, &session, &login, &enrol, &cut,
        ] {
            let cookie = format!(
                "cultivar_session_{}={secret}",
                server.url.rsplit(':').next().unwrap()
            );
            for (path, body) in [
                ("/api/v1/session", json!({"login_token": secret})),
                ("/api/v1/session", json!({"login_token": [secret]})),
                ("/api/v1/session", json!({"login_token": {secret: 1}})),
                ("/api/v1/session", json!({"login": secret})),
                (
                    "/api/v1/workers/enroll",
                    json!({"enrol_token": secret, "worker": secret}),
                ),
                (
                    "/api/v1/workers/enroll",
                    json!({"enrol_token": {"a": secret}, secret: 1}),
                ),
                (
                    "/api/v1/trials",
                    json!({"spec": {"data": {"dataset": secret}, secret: secret}}),
                ),
            ] {
                let request = http.post(url(path)).json(&body);
                answers.push(request.bearer_auth(secret).send().await.unwrap());
                let request = http.post(url(path)).json(&body);
                answers.push(request.header("cookie", &cookie).send().await.unwrap());
            }
            let request = http.get(url("/api/v1/trials"));
            answers.push(
                request
                    .header("authorization", secret)
                    .send()
                    .await
                    .unwrap(),
            );
            let request = http.get(url(&format!("/api/v1/trials/{secret}")));
            answers.push(request.bearer_auth(admin).send().await.unwrap());
            let request = http.get(url(&format!("/api/v1/trials?token={secret}")));
            answers.push(request.bearer_auth(admin).send().await.unwrap());
            for method in [Method::PATCH, Method::DELETE] {
                let request = http.request(method, url(&format!("/api/v1/tokens/{secret}")));
                answers.push(request.bearer_auth(admin).send().await.unwrap());
            }
            let request = http.post(url(&format!("/api/v1/trials/{secret}/cancel")));
            answers.push(request.bearer_auth(admin).send().await.unwrap());
        }
        // An enrolment used as it should be, which answers with a secret, as it should.
        let body = json!({"enrol_token": enrolment, "worker": uuid::Uuid::new_v4()});
        let own = http.post(url("/api/v1/workers/enroll")).json(&body);
        let own: Value = own.send().await.unwrap().json().await.unwrap();
        let own = own["token"].as_str().unwrap().to_owned();

        let mut said = String::new();
        for answer in answers {
            assert!(!answer.status().is_server_error(), "{answer:?}");
            let is_error = !answer.status().is_success();
            let text = answer.text().await.unwrap();
            if is_error {
                said.push_str(&text);
            }
        }
        let mut server = server;
        Command::new("kill")
            .arg(server.child.id().to_string())
            .status()
            .unwrap();
        server.child.wait().unwrap();
        let logged = server.lines.join().unwrap();
        assert!(logged.contains("request"), "everything is logged: {logged}");
        let dump = Command::new("pg_dump")
            .arg("--dbname")
            .arg(&database.url)
            .output()
            .unwrap();
        assert!(
            dump.status.success(),
            "{}",
            String::from_utf8_lossy(&dump.stderr)
        );
        let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
        assert!(dump.contains("COPY public.token"), "the dump is whole");

        for secret in [
            admin, &made, &enrolment, &link, &fresh, &session, &login, &enrol, &cut, &own,
        ] {
            let telling = &secret[4..30];
            for (place, text) in [("errors", &said), ("log", &logged), ("database", &dump)] {
                if let Some(at) = text.find(telling) {
                    let around = &text[at.saturating_sub(200)..(at + 60).min(text.len())];
                    panic!("a secret stands in the {place}: {around}");
                }
            }
        }
        database.drop().await;
    });
}

#[test]
fn the_databases_password_is_not_logged() {
    run_async(async {
        let database = Database::create().await;
        let home = tempfile::tempdir().unwrap();
        let mut with_password = database.clone();
        with_password.url.push_str("&password=canary-password-7");
        let mut server = start_logged(&with_password, home.path());
        Command::new("kill")
            .arg(server.child.id().to_string())
            .status()
            .unwrap();
        server.child.wait().unwrap();
        let logged = server.lines.join().unwrap();
        assert!(!logged.contains("canary-password-7"));
        database.drop().await;
    });
}
