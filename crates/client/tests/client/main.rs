//! The client against a server that the test scripts: what is sent, how often, and how answers read.

mod hub;
mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use cultivar_client::{ArtifactCache, Client, Error, TrialFilter, digest_of_file};
use cultivar_spec::wire::{Event, Finish, NewToken, Scope};
use cultivar_spec::{LeaseId, Outcome, Sha256Digest, TokenId, TrialId};
use futures::{StreamExt, stream};
use serde_json::json;
use server::{Seen, Server};

fn refusal(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        Json(json!({"error": "the test says no", "code": code})),
    )
        .into_response()
}

fn new_token() -> NewToken {
    NewToken {
        name: "t".into(),
        scope: Scope::Viewer,
        expires_in_s: None,
    }
}

#[tokio::test]
async fn a_creating_call_keeps_its_key_over_all_its_tries() {
    let server = Server::start(|_, n| match n {
        0 => refusal(503, "unavailable"),
        1 => refusal(502, "unavailable"),
        _ => Json(json!({"id": TokenId::new(), "token": "cvt_new", "scope": "viewer"}))
            .into_response(),
    })
    .await;
    let client = server.client();
    client.create_token(&new_token()).await.unwrap();
    client.create_token(&new_token()).await.unwrap();

    let seen = server.seen();
    let keys: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("idempotency-key").unwrap())
        .collect();
    assert_eq!(keys.len(), 4);
    assert!(
        keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3],
        "{keys:?}"
    );
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == Some("Bearer cvt_for_tests"))
    );
    assert_eq!(seen[0].uri.path(), "/api/v1/tokens");
    assert_eq!(seen[0].body, seen[3].body);
}

/// How often a GET is sent when the first answer is `status`.
async fn n_sent(status: u16) -> usize {
    let server = Server::start(move |_, n| match n {
        0 => refusal(status, "x"),
        _ => Json(json!([])).into_response(),
    })
    .await;
    let answer = server.client().sweeps().await;
    assert_eq!(answer.is_ok(), server.seen().len() == 2);
    server.seen().len()
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    for status in [429, 502, 503, 504] {
        assert_eq!(n_sent(status).await, 2, "{status}");
    }
    for status in [400, 401, 403, 404, 409, 422, 500] {
        assert_eq!(n_sent(status).await, 1, "{status}");
    }
}

#[tokio::test]
async fn a_call_that_must_not_be_repeated_is_not() {
    let server = Server::start(|_, n| match n {
        0 => refusal(429, "unavailable"),
        _ => refusal(503, "unavailable"),
    })
    .await;
    let error = server
        .client()
        .retry_trial(TrialId::new())
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(
        server.seen().len(),
        2,
        "after 429 it may be sent again, after 503 not"
    );
}

#[tokio::test]
async fn patience_ends() {
    let server = Server::start(|_, _| refusal(503, "unavailable")).await;
    let client = server.client().with_patience(Duration::from_secs(2));
    assert!(client.sweeps().await.unwrap_err().is_transient());
    let n = server.seen().len();
    assert!((2..=6).contains(&n), "{n} tries");
    let once = client.with_patience(Duration::ZERO);
    once.sweeps().await.unwrap_err();
    assert_eq!(server.seen().len(), n + 1);
}

#[tokio::test]
async fn where_nobody_listens_the_error_says_what_to_do() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, "t")
        .unwrap()
        .with_patience(Duration::ZERO);
    let error = client.sweeps().await.unwrap_err();
    assert!(error.is_transient());
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("no server answers at {url} (")),
        "{text}"
    );
    assert!(
        text.contains("refused") && text.ends_with("set CULTIVAR_URL"),
        "{text}"
    );
}

#[tokio::test]
async fn errors_say_who_refused_what() {
    let server = Server::start(|seen, _| match seen.uri.path() {
        "/api/v1/sweeps" => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({"error": "wrong", "code": "invalid", "violations": [
                {"pointer": "/fit/epochs", "value": 0, "expected": "at least 1"}
            ]})),
        )
            .into_response(),
        "/api/v1/workers" => (StatusCode::NOT_FOUND, "<html>nginx</html>").into_response(),
        "/api/v1/sota" => Json(json!({"surprise": 1})).into_response(),
        _ => refusal(409, "superseded"),
    })
    .await;
    let client = server.client();

    let error = client.sweeps().await.unwrap_err();
    assert_eq!(error.body().unwrap().violations[0].pointer, "/fit/epochs");
    assert_eq!(error.to_string(), "GET /api/v1/sweeps: wrong (422)");
    assert!(!error.is_superseded());

    let error = client.workers().await.unwrap_err();
    assert_eq!(error.to_string(), "GET /api/v1/workers: not found (404)");

    let error = client.sota(None).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");

    let finish = Finish {
        outcome: Outcome::Cancelled,
        error: None,
        step: 0,
        metrics: Default::default(),
        model: None,
        predictions: None,
        cost: Default::default(),
    };
    let error = client.finish(LeaseId::new(), &finish).await.unwrap_err();
    assert!(error.is_superseded());
}

#[tokio::test]
async fn all_pages_are_read() {
    let server = Server::start(|_, n| {
        let next = (n == 0).then(|| "page-2".to_owned());
        Json(json!({"trials": [], "next_cursor": next})).into_response()
    })
    .await;
    let filter = TrialFilter {
        dataset: Some("a&b".into()),
        ..TrialFilter::default()
    };
    assert!(
        server
            .client()
            .all_trials(&filter)
            .await
            .unwrap()
            .is_empty()
    );
    let seen = server.seen();
    assert_eq!(seen[0].uri.query(), Some("dataset=a%26b&limit=1000"));
    assert_eq!(
        seen[1].uri.query(),
        Some("dataset=a%26b&cursor=page-2&limit=1000")
    );
}

fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn an_upload_streams_the_file_and_starts_over_when_it_must() {
    let server = Server::start(|seen, n| match (&seen.method, n) {
        (&Method::HEAD, _) => StatusCode::NOT_FOUND.into_response(),
        (_, 1) => refusal(503, "unavailable"),
        _ => Json(json!({})).into_response(),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, content()).unwrap();
    let sha256 = digest_of_file(&path).await.unwrap();
    assert_eq!(sha256, Sha256Digest::of(&content()));

    let mut told = Vec::new();
    server
        .client()
        .upload_file(sha256, &path, |n| told.push(n))
        .await
        .unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for put in &seen[1..] {
        assert_eq!(put.method, Method::PUT);
        assert_eq!(put.uri.path(), format!("/api/v1/artifacts/{sha256}"));
        assert_eq!(put.header("content-length"), Some("3000000"));
        assert_eq!(put.body, content());
    }
    assert!(
        told.iter().all(|n| *n <= 3_000_000) && !told.is_empty(),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_the_server_has_is_not_sent() {
    let server = Server::start(|_, _| "x".into_response()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let methods = || server.seen().into_iter().map(|seen| seen.method);
    std::fs::write(&path, "x").unwrap();
    server.client().upload(&path).await.unwrap();
    assert_eq!(methods().collect::<Vec<_>>(), [Method::HEAD]);
    // It has less than there is.
    std::fs::write(&path, "xy").unwrap();
    server.client().upload(&path).await.unwrap();
    assert_eq!(methods().last(), Some(Method::PUT));
}

/// The first megabyte, and then a broken connection.
fn broken_off(bytes: &'static [u8]) -> Body {
    let chunks = [
        Ok(Bytes::from_static(&bytes[..1 << 20])),
        Err(std::io::Error::other("broken off")),
    ];
    // The pause lets the first chunk leave before the connection is cut.
    Body::from_stream(stream::iter(chunks).then(|chunk| async {
        if chunk.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        chunk
    }))
}

/// Downloads from a server that breaks off once, and returns what it was asked.
async fn download(offers_ranges: bool) -> Vec<Seen> {
    let bytes: &'static [u8] = content().leak();
    let server = Server::start(move |seen, n| {
        if n == 0 {
            return broken_off(bytes).into_response();
        }
        let range = seen.header("range").filter(|_| offers_ranges);
        let from = range.map(|range| {
            range["bytes=".len()..range.len() - 1]
                .parse::<usize>()
                .unwrap()
        });
        match from {
            Some(from) => {
                let header = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                let headers = [("content-range", header)];
                (StatusCode::PARTIAL_CONTENT, headers, &bytes[from..]).into_response()
            }
            None => bytes.into_response(),
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("file");
    server
        .client()
        .download(Sha256Digest::of(bytes), &to)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), bytes);
    assert_eq!(names(folder.path()), ["file"]);
    server.seen()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_was() {
    let seen = download(true).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].header("range"), Some("bytes=1048576-"));
}

#[tokio::test]
async fn a_broken_download_starts_over_where_ranges_are_not_offered() {
    assert_eq!(download(false).await.len(), 2);
}

#[tokio::test]
async fn a_damaged_download_is_refused_and_leaves_nothing() {
    let server = Server::start(|_, _| "something else".into_response()).await;
    let folder = tempfile::tempdir().unwrap();
    let wanted = Sha256Digest::of(b"wanted");
    let error = server
        .client()
        .download(wanted, &folder.path().join("file"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_damaged_beginning_is_thrown_away() {
    let server = Server::start(|seen, _| match seen.header("range") {
        Some("bytes=5-") => {
            let headers = [("content-range", "bytes 5-5/6")];
            (StatusCode::PARTIAL_CONTENT, headers, "d").into_response()
        }
        _ => "wanted".into_response(),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("file");
    std::fs::write(folder.path().join("file.part"), "wrong").unwrap();
    server
        .client()
        .download(Sha256Digest::of(b"wanted"), &to)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"wanted");
}

#[tokio::test]
async fn an_artifact_wanted_twice_is_fetched_once() {
    let server = Server::start(|_, _| "wanted".into_response()).await;
    let folder = tempfile::tempdir().unwrap();
    let cache = Arc::new(ArtifactCache::new(
        server.client(),
        folder.path().to_owned(),
    ));
    let wanted = Sha256Digest::of(b"wanted");
    let (a, b) = tokio::join!(cache.get(wanted), cache.get(wanted));
    assert_eq!(a.unwrap(), folder.path().join(wanted.to_string()));
    assert_eq!(std::fs::read(b.unwrap()).unwrap(), b"wanted");
    cache.get(wanted).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

fn sse(text: &'static str) -> Response {
    ([("content-type", "text/event-stream")], text).into_response()
}

#[tokio::test]
async fn the_event_stream_resumes_after_the_last_event() {
    let server = Server::start(|_, n| match n {
        0 => sse("id: 7-1\ndata: {\"kind\": \"dataset\", \"name\": \"a\"}\n\n: still here\n\ndata: {\"kind\": \"dataset\", \"name\": \"b\"}\n\n"),
        1 => refusal(503, "unavailable"),
        2 => sse("data: {\"kind\": \"from a newer server\"}\n\nid: 7-2\ndata: {\"kind\": \"dataset\", \"name\": \"c\"}\n\ndata: {\"kind\": \"data"),
        _ => refusal(401, "unauthorized"),
    })
    .await;
    let stream = server.client().events(None).await.unwrap();
    let all: Vec<_> = stream.collect().await;
    let told: Vec<_> = all
        .iter()
        .map(|item| match item {
            Ok(item) => match &item.event {
                Event::Dataset { name } => format!("{name} {:?}", item.id.as_deref()),
                other => format!("{other:?}"),
            },
            Err(error) => format!("{:?}", error.status()),
        })
        .collect();
    assert_eq!(
        told,
        ["a Some(\"7-1\")", "b None", "c Some(\"7-2\")", "Some(401)"]
    );
    let ids: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("last-event-id").map(str::to_owned))
        .collect();
    let after = |id: &str| Some(id.to_owned());
    assert_eq!(ids, [None, after("7-1"), after("7-1"), after("7-2")]);
}

#[tokio::test]
async fn an_event_stream_that_is_refused_says_so_at_once() {
    let server = Server::start(|_, _| refusal(401, "unauthorized")).await;
    let error = server.client().events(None).await.err().expect("a refusal");
    assert_eq!(error.status(), Some(401));
}
