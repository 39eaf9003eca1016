//! Blobs: verified on the way in, attachments on the way out.

use std::time::Duration;

use cultivar_client::Client;
use cultivar_server::service::collect::collect;
use cultivar_spec::Sha256Digest;
use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::fixtures::{Worker, complete, tell, trial_spec};
use crate::harness::{App, answer, eventually, with_app, with_config};

#[test]
fn a_blob_must_hash_to_its_name() {
    with_app(30.0, async |app| {
        let digest = Sha256Digest::of(b"right");
        let path = format!("/api/v1/artifacts/{digest}");
        let (status, body) = answer(app.request(Method::PUT, &path).body("wrong")).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid"))
        );
        assert_eq!(
            answer(app.request(Method::GET, &path)).await.0,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            answer(app.request(Method::HEAD, &path)).await.0,
            StatusCode::NOT_FOUND
        );
        let upper = format!("/api/v1/artifacts/{}", digest.to_string().to_uppercase());
        assert_eq!(
            answer(app.request(Method::PUT, &upper).body("right"))
                .await
                .0,
            StatusCode::BAD_REQUEST
        );

        for _ in 0..2 {
            let (status, body) = answer(app.request(Method::PUT, &path).body("right")).await;
            assert_eq!(
                (status, body["n_bytes"].as_u64()),
                (StatusCode::OK, Some(5))
            );
        }
        let response = app.request(Method::GET, &path).send().await.unwrap();
        let headers = response.headers();
        assert!(
            headers[CONTENT_DISPOSITION]
                .to_str()
                .unwrap()
                .starts_with("attachment")
        );
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[CONTENT_LENGTH], "5");
        assert_eq!(response.text().await.unwrap(), "right");
        let head = app.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.headers()[CONTENT_LENGTH], "5");
        app
    });
}

#[test]
fn a_blob_that_vanished_from_the_disk_can_be_stored_again() {
    with_app(30.0, async |app| {
        let digest = app.upload(b"blob").await;
        let name = digest.to_string();
        std::fs::remove_file(app.home.path().join("blobs").join(&name[..2]).join(&name)).unwrap();
        let path = format!("/api/v1/artifacts/{digest}");
        let (status, body) = answer(app.request(Method::GET, &path)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["error"], "internal error", "a 5xx hides its cause");
        assert!(body["request_id"].as_str().is_some(), "{body}");
        app.upload(b"blob").await;
        assert_eq!(
            app.request(Method::GET, &path)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            "blob"
        );
        app
    });
}

#[test]
fn a_download_goes_on_from_where_it_was_cut() {
    with_app(30.0, async |app| {
        let digest = app.upload(b"0123456789").await;
        let path = format!("/api/v1/artifacts/{digest}");
        let get = |range: &str, if_range: Option<&str>| {
            let request = app.request(Method::GET, &path).header(RANGE, range);
            match if_range {
                Some(tag) => request.header(IF_RANGE, tag).send(),
                None => request.send(),
            }
        };
        let response = get("bytes=4-", None).await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes 4-9/10");
        let tag = response.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!(response.text().await.unwrap(), "456789");
        let same = get("bytes=8-9", Some(&tag)).await.unwrap();
        assert_eq!(same.text().await.unwrap(), "89");
        let other = get("bytes=8-9", Some("\"other\"")).await.unwrap();
        assert_eq!(other.status(), StatusCode::OK);
        assert_eq!(other.text().await.unwrap(), "0123456789");
        let outside = get("bytes=10-", None).await.unwrap();
        assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(outside.headers()[CONTENT_RANGE], "bytes */10");

        // The typed client, with a part that an earlier process left.
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("a");
        std::fs::write(dir.path().join("a.part"), "0123").unwrap();
        let client = Client::new(&app.url, app.admin.clone()).unwrap();
        client.download(digest, &to).await.unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"0123456789");
        app
    });
}

fn megabytes(n: usize) -> Vec<u8> {
    (0..n << 20)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

/// Sends the start of an upload and hangs up in its middle.
async fn cut_upload(app: &App, digest: Sha256Digest, bytes: &[u8], n_sent: usize) {
    let address = app.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /api/v1/artifacts/{digest} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\ncontent-range: bytes 0-{}/{}\r\n\r\n",
        app.admin,
        bytes.len(),
        bytes.len() - 1,
        bytes.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes[..n_sent]).await.unwrap();
    drop(stream);
    eventually("what was sent is kept", || async {
        let view = app.get(&format!("/api/v1/artifacts/{digest}/upload")).await;
        view["n_received"] == json!(n_sent)
    })
    .await;
}

#[test]
fn an_upload_goes_on_from_where_it_was_cut() {
    with_app(30.0, async |app| {
        let bytes = megabytes(20);
        let digest = Sha256Digest::of(&bytes);
        cut_upload(&app, digest, &bytes, 13 << 20).await;
        let path = format!("/api/v1/artifacts/{digest}");
        assert_eq!(answer(app.request(Method::GET, &path)).await.0, 404);

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, &bytes).unwrap();
        let client = Client::new(&app.url, app.admin.clone()).unwrap();
        let mut heard = Vec::new();
        client
            .upload_file(digest, &file, |n| heard.push(n))
            .await
            .unwrap();
        assert!(
            heard.iter().all(|n| *n >= 13 << 20),
            "what is there was sent again: {heard:?}"
        );
        let stored = app.request(Method::GET, &path).send().await.unwrap();
        assert!(stored.bytes().await.unwrap() == bytes);
        app
    });
}

#[test]
fn a_part_that_a_crash_damaged_costs_a_fresh_start_and_nothing_else() {
    with_app(30.0, async |app| {
        let bytes = megabytes(9);
        let digest = Sha256Digest::of(&bytes);
        cut_upload(&app, digest, &bytes, 5 << 20).await;
        let part = app
            .home
            .path()
            .join(format!("blobs/incoming/{digest}.part"));
        std::fs::write(&part, vec![0; 5 << 20]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, &bytes).unwrap();
        let client = Client::new(&app.url, app.admin.clone()).unwrap();
        let error = client.upload_file(digest, &file, |_| ()).await.unwrap_err();
        assert_eq!(error.status(), Some(422), "{error}");
        client.upload_file(digest, &file, |_| ()).await.unwrap();
        assert_eq!(client.artifact_size(digest).await.unwrap(), Some(9 << 20));
        app
    });
}

fn no_grace(config: &mut cultivar_server::Config) {
    config.retention.grace = Duration::ZERO;
}

#[test]
fn a_blob_whose_file_is_gone_is_uploaded_again() {
    with_app(30.0, async |app| {
        let digest = app.upload(b"soon gone").await;
        let name = digest.to_string();
        let folder = app.home.path().join("blobs").join(&name[..2]);
        std::fs::remove_file(folder.join(&name)).unwrap();
        assert!(!is_here(&app, digest).await);
        assert_eq!(app.upload(b"soon gone").await, digest);
        assert!(is_here(&app, digest).await);
        app
    });
}

async fn is_here(app: &App, digest: Sha256Digest) -> bool {
    let name = digest.to_string();
    let file = app.home.path().join("blobs").join(&name[..2]).join(&name);
    let path = format!("/api/v1/artifacts/{digest}");
    let status = answer(app.request(Method::HEAD, &path)).await.0;
    assert_eq!(
        status == StatusCode::OK,
        file.exists(),
        "row and file go together"
    );
    file.exists()
}

#[test]
fn garbage_goes_and_whatever_is_referred_to_stays() {
    with_config(30.0, no_grace, async |app| {
        app.register().await;
        let worker = Worker::new();
        app.submit(1).await;
        let lease = worker.claim_one(&app).await;
        let old = app.upload(b"checkpoint 1").await;
        let latest = app.upload(b"checkpoint 2").await;
        for (sha256, step) in [(old, 1), (latest, 2)] {
            let body = json!({"sha256": sha256, "epoch": step, "step": step});
            let (status, body) = tell(&app, &lease, "checkpoint", body).await;
            assert_eq!(status, StatusCode::OK, "{body}");
        }
        let garbage = app.upload(b"garbage").await;
        let orphan = Sha256Digest::of(b"orphan").to_string();
        let orphan = app
            .home
            .path()
            .join("blobs")
            .join(&orphan[..2])
            .join(&orphan);
        std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
        std::fs::write(&orphan, b"orphan").unwrap();
        for (name, hours) in [("left", 25), ("under way", 23)] {
            let path = app.home.path().join("blobs/incoming").join(name);
            let file = std::fs::File::create(path).unwrap();
            let age = Duration::from_secs(hours * 3600);
            file.set_modified(std::time::SystemTime::now() - age)
                .unwrap();
        }

        let done = collect(&app.state).await.unwrap();
        assert_eq!(
            (done.n_blobs, done.n_parts, done.n_models),
            (3, 1, 0),
            "{done:?}"
        );
        assert!(!orphan.exists());
        for (digest, stays) in [
            (garbage, false),
            (old, false),
            (latest, true),
            (Sha256Digest::of(b"parquet"), true),
            (crate::fixtures::manifest().version(), true),
            (Sha256Digest::of(b"weights"), true),
        ] {
            assert_eq!(is_here(&app, digest).await, stays, "{digest}");
        }
        complete(&app, &lease, 5).await;
        collect(&app.state).await.unwrap();
        assert!(is_here(&app, Sha256Digest::of(b"model")).await);
        assert_eq!(collect(&app.state).await.unwrap(), Default::default());
        app
    });
}

#[test]
fn what_was_asked_about_lately_is_no_garbage_yet() {
    with_app(30.0, async |app| {
        let digest = app.upload(b"garbage").await;
        assert_eq!(collect(&app.state).await.unwrap(), Default::default());
        let age = "UPDATE artifact SET touched_at = now() - interval '2 days'";
        sqlx::query(age).execute(&app.state.pool).await.unwrap();
        assert!(is_here(&app, digest).await, "asking keeps it");
        assert_eq!(collect(&app.state).await.unwrap(), Default::default());
        sqlx::query(age).execute(&app.state.pool).await.unwrap();
        assert_eq!(collect(&app.state).await.unwrap().n_blobs, 1);
        app
    });
}

#[test]
fn a_dataset_that_an_older_server_registered_keeps_its_files() {
    with_config(30.0, no_grace, async |app| {
        app.register().await;
        sqlx::query("DELETE FROM artifact_pin")
            .execute(&app.state.pool)
            .await
            .unwrap();
        assert_eq!(collect(&app.state).await.unwrap().n_blobs, 0);
        assert!(is_here(&app, Sha256Digest::of(b"parquet")).await);
        app
    });
}

#[test]
fn a_blob_that_is_referred_to_while_garbage_is_collected_stays() {
    with_config(30.0, no_grace, async |app| {
        app.register().await;
        app.submit(1).await;
        let lease = Worker::new().claim_one(&app).await;
        let state = app.state.clone();
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone();
        let collector = tokio::spawn(async move {
            let mut n_blobs = 0;
            while !stopped.is_cancelled() {
                n_blobs += collect(&state).await.unwrap().n_blobs;
            }
            n_blobs
        });
        let mut n_kept = 0;
        for step in 1..=150 {
            // Old checkpoints are garbage once the next is named; the same few bytes come and go.
            let bytes = format!("checkpoint {}", step % 5);
            let sha256 = app.upload(bytes.as_bytes()).await;
            let body = json!({"sha256": sha256, "epoch": step, "step": step});
            let (status, body) = tell(&app, &lease, "checkpoint", body).await;
            match status {
                StatusCode::OK => {
                    n_kept += 1;
                    // A collector that holds its breath between row and file would be seen here.
                    assert!(
                        is_here(&app, sha256).await,
                        "step {step}: a referred blob is gone"
                    );
                }
                // It was collected before it was named: the worker is told, and uploads again.
                StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {}
                other => panic!("{other}: {body}"),
            }
        }
        stop.cancel();
        let n_collected = collector.await.unwrap();
        assert!(
            n_kept > 0 && n_collected > 0,
            "{n_kept} kept, {n_collected} collected"
        );
        let dangling = "SELECT count(*) FROM trial WHERE checkpoint_sha256 NOT IN (SELECT sha256 FROM artifact)";
        assert_eq!(app.count(dangling).await, 0);
        app
    });
}

#[test]
fn a_reference_under_way_holds_the_collector_back() {
    with_config(30.0, no_grace, async |app| {
        let digest = app.upload(b"weights to be").await;
        // The reference is made and not yet committed while the collector comes by.
        let mut tx = app.state.pool.begin().await.unwrap();
        sqlx::query("INSERT INTO artifact_pin (sha256, holder) VALUES ($1, 'test')")
            .bind(&digest.0[..])
            .execute(&mut *tx)
            .await
            .unwrap();
        let state = app.state.clone();
        let collecting = tokio::spawn(async move { collect(&state).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!collecting.is_finished(), "it waits for the reference");
        tx.commit().await.unwrap();
        assert_eq!(collecting.await.unwrap().n_blobs, 0);
        assert!(is_here(&app, digest).await);
        app
    });
}

#[test]
fn only_the_best_of_a_sweep_keep_their_models_if_the_setting_says_so() {
    let keep_one = |config: &mut cultivar_server::Config| {
        no_grace(config);
        config.retention.keep_best = Some(1);
    };
    with_config(30.0, keep_one, async |app| {
        app.register().await;
        let sweep = json!({"name": "s", "base": trial_spec(0), "seeds": [1, 2, 3, 4, 5]});
        app.post_ok("/api/v1/sweeps", &sweep).await;
        let worker = Worker::new();
        let mut trials = Vec::new();
        for n_right in [3, 9, 5] {
            let lease = worker.claim_one(&app).await;
            let model = app.upload(format!("model {n_right}").as_bytes()).await;
            let mut finish = crate::fixtures::completed(&app, &lease, n_right).await;
            finish["model"] = json!(model);
            let (status, body) = tell(&app, &lease, "finish", finish).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            trials.push((lease.trial, model));
        }
        // One runs on, and one is asked to be evaluated before the collector comes.
        let running = worker.claim_one(&app).await;
        let latest = app.upload(b"latest").await;
        let body = json!({"sha256": latest, "epoch": 1, "step": 1});
        tell(&app, &running, "checkpoint", body).await;
        // One was pruned, and is not gone on with.
        let pruned = worker.claim_one(&app).await;
        let last = app.upload(b"last").await;
        let body = json!({"sha256": last, "epoch": 1, "step": 1});
        tell(&app, &pruned, "checkpoint", body).await;
        tell(
            &app,
            &pruned,
            "finish",
            json!({"outcome": "pruned", "step": 1}),
        )
        .await;
        let path = format!("/api/v1/trials/{}/evaluate", trials[0].0);
        let val = json!({"split": "val", "reason": "x"});
        app.post_ok(&path, &val).await;

        assert_eq!(collect(&app.state).await.unwrap().n_models, 2);
        assert!(!is_here(&app, last).await, "nobody goes on from it");
        let model = async |n: usize| {
            let trial: Value = app.trial(&trials[n].0.to_string()).await;
            assert_eq!(trial["model"].is_null(), !is_here(&app, trials[n].1).await);
            !trial["model"].is_null()
        };
        assert!(model(0).await, "it is being evaluated");
        assert!(model(1).await, "it is the best");
        assert!(!model(2).await);
        assert!(
            is_here(&app, latest).await,
            "what a running trial goes on from stays"
        );
        let path = format!("/api/v1/trials/{}/evaluate", trials[2].0);
        let (status, body) = app
            .post(&path, &json!({"split": "val", "reason": "x"}))
            .await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(
            body["error"].as_str().unwrap().contains("is gone"),
            "{body}"
        );
        app
    });
}
