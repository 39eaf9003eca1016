//! Starting: migrations, one clear line where it cannot, and the published description.

use std::process::{Command, Stdio};

use crate::fixtures::Worker;
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
