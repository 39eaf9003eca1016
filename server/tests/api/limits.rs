//! What is too large, too slow, too often or packed: the right 4xx in the usual words, and nothing stored.

use std::time::{Duration, Instant};

use cultivar_spec::Sha256Digest;
use reqwest::header::{CONTENT_ENCODING, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{App, answer, with_app, with_config};

#[test]
fn guessing_is_slow_and_does_not_hold_up_those_with_a_token() {
    with_app(30.0, async |app| {
        let guess = || {
            let request = app.anonymous(Method::POST, "/api/v1/session");
            request.json(&json!({"login_token": "cvl_guess"}))
        };
        let mut refused = None;
        for _ in 0..1000 {
            let response = guess().send().await.unwrap();
            match response.status() {
                StatusCode::UNAUTHORIZED => {}
                StatusCode::TOO_MANY_REQUESTS => {
                    refused = Some(response);
                    break;
                }
                other => panic!("{other}"),
            }
        }
        let refused = refused.expect("1000 guesses in a row are too many");
        let wait: u64 = refused.headers()[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=2).contains(&wait), "{wait} s");
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body["code"], "rate_limited");
        app.get("/api/v1/trials").await;
        // The bucket fills by one every 200 ms, so a slow machine may get some in between.
        let mut was_refused = false;
        for _ in 0..500 {
            let wrong = app.anonymous(Method::GET, "/api/v1/trials");
            let status = answer(wrong.bearer_auth("cvt_wrong")).await.0;
            was_refused = status == StatusCode::TOO_MANY_REQUESTS;
            if was_refused {
                break;
            }
        }
        assert!(was_refused, "500 wrong tokens in a row");
        app
    });
}

#[test]
fn one_token_running_wild_does_not_hold_up_another() {
    with_config(
        30.0,
        |config| config.rate_scale = 0.005,
        async |app| {
            let new = json!({"name": "other", "scope": "viewer"});
            let other = app.post_ok("/api/v1/tokens", &new).await;
            // Reads: 10 at once, then 5 a second.
            let mut n_refused = 0;
            for _ in 0..2000 {
                if n_refused > 10 {
                    break;
                }
                let status = answer(app.request(Method::GET, "/api/v1/trials")).await.0;
                n_refused += u32::from(status == StatusCode::TOO_MANY_REQUESTS);
            }
            assert!(n_refused > 10, "{n_refused} refused");
            let request = app.anonymous(Method::GET, "/api/v1/trials");
            let request = request.bearer_auth(other["token"].as_str().unwrap());
            assert_eq!(answer(request).await.0, StatusCode::OK);
            app
        },
    );
}

#[test]
fn invented_methods_have_one_name_in_counters_and_audit_log() {
    with_app(30.0, async |app| {
        for n in 0..50 {
            let method = Method::from_bytes(format!("AAAA{n}").as_bytes()).unwrap();
            let path = match n {
                // Of strangers only what they do here is written down.
                0 => "/api/v1/workers/enroll",
                _ => "/api/v1/trials",
            };
            let status = answer(app.request(method, path)).await.0;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        }
        let metrics = app.anonymous(Method::GET, "/metrics").send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let n_series = metrics.matches(r#"method="other""#).count();
        assert_eq!(n_series, 2, "one a route: {metrics}");
        let audit = app.get("/api/v1/audit").await;
        let action = &audit["entries"][0]["action"];
        assert_eq!(action, "other /api/v1/workers/enroll");
        let told = format!("{metrics}{audit}");
        assert!(!told.contains("AAAA"), "{told}");
        app
    });
}

#[test]
fn packed_bodies_are_refused_unread() {
    with_app(30.0, async |app| {
        for path in ["/api/v1/trials", "/api/v1/leases"] {
            let request = app.request(Method::POST, path);
            let request = request.header(CONTENT_ENCODING, "gzip");
            let (status, body) = answer(request.json(&json!({}))).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert!(body["error"].as_str().unwrap().contains("Content-Encoding"));
        }
        let path = format!("/api/v1/artifacts/{}", Sha256Digest::of(b"x"));
        let request = app
            .request(Method::PUT, &path)
            .header(CONTENT_ENCODING, "gzip");
        assert_eq!(
            answer(request.body("x")).await.0,
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert_eq!(app.count("SELECT count(*) FROM artifact").await, 0);
        app
    });
}

#[test]
fn every_class_has_its_own_largest_body() {
    with_app(30.0, async |app| {
        let long = |n: usize| json!({"name": "x".repeat(n), "scope": "viewer"});
        for (path, n_bytes) in [
            ("/api/v1/tokens", 17 << 10),
            ("/api/v1/session", 5 << 10),
            ("/api/v1/sweeps", 9 << 20),
            ("/api/v1/leases", 17 << 20),
        ] {
            let (status, body) = app.post(path, &long(n_bytes)).await;
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
            assert_eq!(body["code"], "too_large", "{path}");
        }
        app
    });
}

/// Sends `head`, then `drop` every 100 ms, until the server ends the connection; what it said.
async fn drip(app: &App, head: &str, drop: &[u8]) -> (String, Duration) {
    let start = Instant::now();
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drop = drop.to_vec();
    let dripping = tokio::spawn(async move {
        while writer.write_all(&drop).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut said = Vec::new();
    let read = reader.read_to_end(&mut said);
    let ended = tokio::time::timeout(Duration::from_secs(20), read).await;
    assert!(ended.is_ok(), "the server waits on");
    dripping.abort();
    (String::from_utf8_lossy(&said).into_owned(), start.elapsed())
}

#[test]
fn slow_clients_are_cut() {
    let short = |config: &mut cultivar_server::Config| {
        config.pace.head = Duration::from_millis(600);
        config.pace.body = Duration::from_secs(3);
    };
    with_config(30.0, short, async |app| {
        let (_, took) = drip(&app, "GET /api/v1/trials HTTP/1.1\r\n", b"x-a: b\r\n").await;
        assert!(took < Duration::from_secs(15), "a slow head took {took:?}");

        let head = format!(
            "POST /api/v1/trials HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 100000\r\n\r\n",
            app.admin
        );
        let (said, took) = drip(&app, &head, b" ").await;
        assert!(said.starts_with("HTTP/1.1 408"), "{said}");
        assert!(said.contains(r#""code":"timeout""#), "{said}");
        assert!(took < Duration::from_secs(15), "a slow body took {took:?}");

        // An artifact may take long as long as it moves, and not stand still.
        let digest = Sha256Digest::of(&[b'x'; 40]);
        let head = format!(
            "PUT /api/v1/artifacts/{digest} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-length: 40\r\nconnection: close\r\n\r\n",
            app.admin
        );
        let (said, took) = drip(&app, &head, b"x").await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        assert!(took > Duration::from_secs(3), "{took:?}");
        let other = Sha256Digest::of(&[b'x'; 41]).to_string();
        let head = head
            .replace("content-length: 40", "content-length: 41")
            .replace(&digest.to_string(), &other);
        let (said, _) = drip(&app, &head, b"").await;
        assert!(said.starts_with("HTTP/1.1 4"), "{said}");
        app
    });
}

#[test]
fn a_client_that_takes_no_answer_is_cut() {
    let short = |config: &mut cultivar_server::Config| {
        config.pace.write = Duration::from_millis(500);
    };
    with_config(30.0, short, async |app| {
        let digest = app.upload(&vec![7; 64 << 20]).await;
        let address = app.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /api/v1/artifacts/{digest} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
            app.admin
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(6)).await;
        let mut said = Vec::new();
        // What lay in the buffers still comes, then the end.
        stream.read_to_end(&mut said).await.ok();
        assert!(said.len() < 64 << 20, "{} bytes came", said.len());
        app
    });
}
