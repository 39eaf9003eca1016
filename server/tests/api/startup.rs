//! Starting: migrations, one clear line where it cannot, and the published description.

use std::process::{Command, Stdio};

use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::fixtures::{Worker, complete, trial_spec};
use crate::harness::{App, Database, run_async, with_app};

fn server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cultivar-server"));
    command.env_remove("DATABASE_URL").stdin(Stdio::null());
    command
}

/// How many files `migrations/` holds.
fn n_migrations() -> i64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations");
    let files = std::fs::read_dir(folder).expect("migrations/ is there");
    files.count() as i64
}

#[test]
fn servers_that_start_at_once_migrate_one_database() {
    run_async(async {
        let database = Database::create().await;
        let start = || App::start(database.clone(), 30.0);
        let (one, two, three) = tokio::join!(start(), start(), start());
        assert_eq!(
            one.count("SELECT count(*) FROM _sqlx_migrations WHERE success")
                .await,
            n_migrations()
        );
        for app in [one, two, three] {
            assert!(Worker::new().claim(&app, 1).await.is_empty());
            app.stop().await;
        }
        database.drop().await;
    });
}

#[test]
fn an_older_server_starts_again_on_the_schema_of_a_newer_one() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(1).await;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT max(version) + 1, 'of a newer server', true, '\\x00'::bytea, 1 FROM _sqlx_migrations",
        )
        .execute(&app.state.pool)
        .await
        .unwrap();
        let again = App::start_at(app.database.clone(), 30.0, app.home.path()).await;
        again.submit(2).await;
        let worker = Worker::new();
        for _ in 0..2 {
            let lease = worker.claim_one(&again).await;
            complete(&again, &lease, 5).await;
        }
        let completed = "SELECT count(*) FROM trial WHERE state = 'completed'";
        assert_eq!(again.count(completed).await, 2);
        let recorded =
            "SELECT count(*) FROM _sqlx_migrations WHERE description = 'of a newer server'";
        assert_eq!(again.count(recorded).await, 1);
        again.stop().await;
        app
    });
}

#[test]
fn a_migration_that_is_known_and_was_another_is_not_passed_over() {
    with_app(30.0, async |app| {
        sqlx::query("UPDATE _sqlx_migrations SET checksum = '\\x00'::bytea WHERE version = 1")
            .execute(&app.state.pool)
            .await
            .unwrap();
        let started = tokio::spawn(App::start(app.database.clone(), 30.0)).await;
        let why = started.err().expect("it does not start").into_panic();
        let why = why.downcast_ref::<String>().expect("it says why");
        assert!(
            why.contains("migration 1 was previously applied but has been modified"),
            "{why}"
        );
        app
    });
}

/// Of everything that is done all the time, once.
async fn go_through(app: &App, seed: u64) {
    let sweep = json!({"name": "s", "base": trial_spec(0), "seeds": [seed]});
    let made = app.post_ok("/api/v1/sweeps", &sweep).await;
    let worker = Worker::new();
    let lease = worker.claim_one(app).await;
    assert_eq!(worker.beat(app, &[&lease]).await, ["continue"]);
    complete(app, &lease, 5).await;
    let trial = format!("/api/v1/trials/{}", lease.trial);
    let ask = json!({"split": "test", "reason": "r"});
    app.post_ok(&format!("{trial}/evaluate"), &ask).await;
    complete(app, &worker.claim_one(app).await, 5).await;
    let sweep = format!("/api/v1/sweeps/{}", made["id"].as_str().unwrap());
    for path in [
        trial.as_str(),
        sweep.as_str(),
        "/api/v1/trials",
        "/api/v1/sweeps",
        "/api/v1/workers",
        "/api/v1/datasets",
        "/api/v1/weights",
        "/api/v1/tokens",
        "/api/v1/audit",
        "/api/v1/leaderboard?dataset=mini",
    ] {
        app.get(path).await;
    }
}

/// Postgres refuses a prepared statement whose columns are others than when it was prepared.
#[test]
fn columns_that_a_newer_server_adds_disturb_no_older_one_that_runs() {
    const N_TIMES: u64 = 4;
    with_app(600.0, async |app| {
        app.register().await;
        for seed in 0..N_TIMES {
            go_through(&app, seed).await;
        }
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.tables
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations'",
        )
        .fetch_all(&app.state.pool)
        .await
        .unwrap();
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let expand = format!("ALTER TABLE {table} ADD COLUMN of_a_newer_server text");
            sqlx::query(AssertSqlSafe(expand))
                .execute(&app.state.pool)
                .await
                .unwrap();
        }
        for seed in N_TIMES..2 * N_TIMES {
            go_through(&app, seed).await;
        }
        app
    });
}

#[test]
fn what_keeps_it_from_starting_is_said_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refuse = |listen: String, database: &str, expect: &str| {
        let output = server()
            .args(["--listen", &listen, "--database-url", database, "--home"])
            .arg(home.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(expect), "{text}");
        assert!(!text.contains("secret"), "{text}");
    };
    refuse(
        format!("127.0.0.1:{port}"),
        "postgres://localhost/x",
        "cannot listen on 127.0.0.1",
    );
    let away = format!(
        "postgres://u:secret@127.0.0.1:{}/x",
        port.wrapping_sub(1).max(1024)
    );
    refuse(
        "127.0.0.1:0".into(),
        &away,
        "cannot reach the database x at 127.0.0.1",
    );
    refuse(
        "127.0.0.1:0".into(),
        "mysql://secret",
        "DATABASE_URL is not a Postgres URL",
    );
}

#[test]
fn the_binary_says_when_it_is_ready_and_ends_on_sigterm() {
    use std::io::{BufRead, BufReader};
    run_async(async {
        let database = Database::create().await;
        let home = tempfile::tempdir().unwrap();
        let mut child = server()
            .args([
                "--listen",
                "127.0.0.1:0",
                "--database-url",
                &database.url,
                "--home",
            ])
            .arg(home.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("CULTIVAR_READY ").map(str::to_owned));
        let ready: serde_json::Value = serde_json::from_str(&ready.expect("a ready line")).unwrap();
        let url = ready["url"].as_str().unwrap();
        assert!(
            ready["login_url"]
                .as_str()
                .unwrap()
                .starts_with(&format!("{url}/#login=cvl_"))
        );
        let health = reqwest::get(format!("{url}/readyz")).await.unwrap();
        assert_eq!(health.status(), 200);
        Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(child.wait().unwrap().success());
        database.drop().await;
    });
}

#[test]
fn the_published_description_is_up_to_date() {
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");
    let fresh = concat!(env!("CARGO_TARGET_TMPDIR"), "/openapi.json");
    let now = cultivar_server::openapi::document();
    if std::fs::read_to_string(published).unwrap() != now {
        std::fs::write(fresh, now).unwrap();
        panic!("openapi.json is out of date: cp {fresh} openapi.json, and see what changed");
    }
}

#[test]
fn metrics_are_counted() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(1).await;
        let text = app
            .anonymous(reqwest::Method::GET, "/metrics")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(
            text.contains(r#"cultivar_trials_unsettled{state="queued"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"cultivar_http_requests_total{method="POST",route="/api/v1/trials",status="201"} 1"#), "{text}");
        app
    });
}
