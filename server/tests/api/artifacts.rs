//! Blobs: verified on the way in, attachments on the way out.

use cultivar_spec::Sha256Digest;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use reqwest::{Method, StatusCode};

use crate::harness::{answer, with_app};

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
