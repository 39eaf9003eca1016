//! Backup and restore, through the server's own commands.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::fixtures::{Worker, complete, completed, tell, trial_spec};
use crate::harness::{App, Database, answer, run_async, with_app};

fn server(what: &str, folder: &Path, database: &Database, home: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cultivar-server"))
        .arg(what)
        .arg(folder)
        .env("DATABASE_URL", &database.url)
        .env("CULTIVAR_HOME", home)
        .output()
        .unwrap()
}

fn succeeds(what: &str, folder: &Path, database: &Database, home: &Path) {
    let output = server(what, folder, database, home);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
}

fn fails(what: &str, folder: &Path, database: &Database, home: &Path, expect: &str) {
    let output = server(what, folder, database, home);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    assert!(said.contains(expect) && said.lines().count() == 1, "{said}");
}

/// Trials settled, running and queued, a dataset, weights, a token, an audited act.
async fn fill(app: &App) {
    app.register().await;
    let sweep =
        json!({"name": "back\\slash\nnew line\ttab", "base": trial_spec(0), "seeds": [1, 2, 3]});
    app.post_ok("/api/v1/sweeps", &sweep).await;
    let worker = Worker::new();
    let lease = worker.claim_one(app).await;
    complete(app, &lease, 7).await;
    let running = worker.claim_one(app).await;
    let sha256 = app.upload(b"checkpoint").await;
    let body = json!({"sha256": sha256, "epoch": 1, "step": 1});
    tell(app, &running, "checkpoint", body).await;
    let lines = json!({"first_line": 0, "lines": ["a log line with \u{e9} and \\N"]});
    let (status, body) = tell(app, &running, "logs", lines).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn seen(app: &App) -> Vec<Value> {
    let mut all = Vec::new();
    for path in [
        "/api/v1/sweeps",
        "/api/v1/trials",
        "/api/v1/datasets",
        "/api/v1/weights",
        "/api/v1/workers",
        "/api/v1/leaderboard?dataset=mini",
    ] {
        let mut found = app.get(path).await;
        forget_passing(&mut found);
        all.push(found);
    }
    all
}

/// Whether a worker is online depends on when one asks.
fn forget_passing(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_passing),
        Value::Object(fields) => {
            fields.remove("online");
            fields.values_mut().for_each(forget_passing);
        }
        _ => {}
    }
}

#[test]
fn a_restored_server_knows_what_the_old_one_knew_and_goes_on() {
    with_app(600.0, async |app| {
        fill(&app).await;
        let before = seen(&app).await;
        let made = app
            .post_ok("/api/v1/tokens", &json!({"name": "x", "scope": "admin"}))
            .await;
        let secret = made["token"].as_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        succeeds("backup", folder.path(), &app.database, app.home.path());

        let fresh = Database::create().await;
        let restored = App::start_restored(&fresh, folder.path()).await;
        assert_eq!(seen(&restored).await, before);
        let request = restored.anonymous(Method::GET, "/api/v1/audit");
        let (status, audit) = answer(request.bearer_auth(secret)).await;
        assert_eq!(status, StatusCode::OK, "tokens work on");
        assert!(!audit["entries"].as_array().unwrap().is_empty());
        // New rows do not collide with restored ones, and the queue goes on.
        let lease = Worker::new().claim_one(&restored).await;
        let finish = completed(&restored, &lease, 3).await;
        let (status, body) = tell(&restored, &lease, "finish", finish).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        restored.submit(9).await;
        restored.stop().await;
        fresh.drop().await;
        app
    });
}

impl App {
    /// A server on what was restored to a fresh home.
    async fn start_restored(database: &Database, folder: &Path) -> App {
        let mut home = None;
        let app = App::start_with(database.clone(), 600.0, |config| {
            succeeds("restore", folder, database, &config.home);
            home = Some(config.home.clone());
        })
        .await;
        assert!(home.is_some_and(|home| home.join("blobs").exists()));
        app
    }
}

#[test]
fn a_second_backup_to_the_same_folder_is_brought_up_to_date() {
    with_app(600.0, async |app| {
        fill(&app).await;
        let folder = tempfile::tempdir().unwrap();
        succeeds("backup", folder.path(), &app.database, app.home.path());
        let stray = folder.path().join("blobs/00");
        std::fs::create_dir_all(&stray).unwrap();
        let stray = stray.join("0".repeat(64));
        std::fs::write(&stray, b"of a blob that was").unwrap();
        app.upload(b"later").await;
        succeeds("backup", folder.path(), &app.database, app.home.path());
        assert!(!stray.exists());
        let name = cultivar_spec::Sha256Digest::of(b"later").to_string();
        assert!(
            folder
                .path()
                .join("blobs")
                .join(&name[..2])
                .join(&name)
                .exists()
        );

        // One that fails leaves the one before whole.
        let rotten = cultivar_spec::Sha256Digest::of(b"rotten").to_string();
        app.upload(b"rotten").await;
        let blob = app.home.path().join("blobs").join(&rotten[..2]);
        std::fs::write(blob.join(&rotten), b"ROTTEN").unwrap();
        let path = folder.path();
        fails("backup", path, &app.database, app.home.path(), "is damaged");
        let (fresh, home) = (Database::create().await, tempfile::tempdir().unwrap());
        fails("backup", path, &fresh, home.path(), "the database is empty");
        succeeds("restore", path, &fresh, home.path());
        fresh.drop().await;
        app
    });
}

#[test]
fn what_is_damaged_incomplete_or_in_the_way_is_refused() {
    with_app(600.0, async |app| {
        fill(&app).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let home = tempfile::tempdir().unwrap();
        let fresh = Database::create().await;
        fails("restore", path, &fresh, home.path(), "no finished backup");
        succeeds("backup", path, &app.database, app.home.path());
        fails(
            "restore",
            path,
            &app.database,
            home.path(),
            "the database holds data",
        );

        let table = path.join("database/trial.copy");
        let kept = std::fs::read(&table).unwrap();
        let mut damaged = kept.clone();
        damaged[10] ^= 1;
        std::fs::write(&table, damaged).unwrap();
        fails(
            "restore",
            path,
            &fresh,
            home.path(),
            "the backup is damaged",
        );
        std::fs::write(&table, kept).unwrap();

        let name = cultivar_spec::Sha256Digest::of(b"checkpoint").to_string();
        let blob = path.join("blobs").join(&name[..2]).join(&name);
        std::fs::write(&blob, b"checkpoinT").unwrap();
        fails("restore", path, &fresh, home.path(), "is damaged");
        std::fs::remove_file(&blob).unwrap();
        fails("restore", path, &fresh, home.path(), "is missing");
        std::fs::write(&blob, b"checkpoint").unwrap();
        succeeds("restore", path, &fresh, home.path());

        let inventory = path.join("backup.json");
        let kept = std::fs::read_to_string(&inventory).unwrap();
        let later = kept.replace("\"schema_version\": ", "\"schema_version\": 9");
        assert_ne!(later, kept);
        std::fs::write(&inventory, later).unwrap();
        fails(
            "restore",
            path,
            &fresh,
            home.path(),
            "made by a later server",
        );

        std::fs::write(path.join("notes.txt"), b"mine").unwrap();
        fails(
            "backup",
            path,
            &app.database,
            app.home.path(),
            "which is of no backup",
        );
        std::fs::remove_file(path.join("notes.txt")).unwrap();
        // A blob that is damaged where it is kept is found when it is copied, and ends the backup.
        let blob = app.home.path().join("blobs").join(&name[..2]).join(&name);
        std::fs::write(&blob, b"checkpoinT").unwrap();
        let empty = tempfile::tempdir().unwrap();
        fails(
            "backup",
            empty.path(),
            &app.database,
            app.home.path(),
            "is damaged",
        );
        assert!(!empty.path().join("backup.json").exists());
        // As it says: without the file the content can be uploaded again.
        std::fs::remove_file(&blob).unwrap();
        assert_eq!(app.upload(b"checkpoint").await.to_string(), name);
        assert_eq!(std::fs::read(&blob).unwrap(), b"checkpoint");
        succeeds("backup", empty.path(), &app.database, app.home.path());
        fresh.drop().await;
        app
    });
}

#[test]
fn no_garbage_is_collected_while_a_backup_runs() {
    run_async(async {
        let database = Database::create().await;
        let app = App::start_with(database.clone(), 600.0, |config| {
            config.retention.grace = std::time::Duration::ZERO;
        })
        .await;
        app.upload(b"garbage").await;
        let mut backup = PgConnection::connect(&database.url).await.unwrap();
        cultivar_server::store::dump::hold_blobs(&mut backup)
            .await
            .unwrap();
        let collect = || cultivar_server::service::collect::collect(&app.state);
        assert_eq!(collect().await.unwrap().n_blobs, 0);
        backup.close().await.unwrap();
        crate::harness::eventually("the lock is gone", || async {
            collect().await.unwrap().n_blobs == 1
        })
        .await;
        app.stop().await;
        database.drop().await;
    });
}
