use std::io::Cursor;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use cultivar_spec::TrialSpec;
use cultivar_spec::model_file::Preprocessing;
use cultivar_spec::trial::Interpolation;
use cultivar_train::data::cache::Shrink;
use image::{ImageFormat, Rgb};
use serde_json::{Value, json};
use tokio::time::sleep_until;
use tower::ServiceExt;

use super::*;
use crate::serve::batcher::{self, Limits};
use crate::serve::model::Card;

const CAPACITY: usize = 4;

/// A service whose model says how red an image is, and fails where it is all green.
fn app() -> Arc<App> {
    let (queue, batcher) = batcher::queue(Limits {
        max_batch: 2,
        max_wait: Duration::ZERO,
        capacity: CAPACITY,
    });
    tokio::spawn(batcher.run(sleep_until, |questions: Vec<Question>| {
        let answer = |question: Question| {
            let Rgb([red, green, _]) = *question.image.get_pixel(0, 0);
            assert!(green < 255, "secret words");
            let red = f64::from(red) / 255.0;
            let mut answer = vec![(1, red), (0, 1.0 - red)];
            answer.truncate(question.n_top);
            answer
        };
        questions.into_iter().map(answer).collect()
    }));
    let card = Card {
        architecture: "efficientnet_lite0".into(),
        classes: vec!["blue".into(), "red".into()],
        preprocessing: Preprocessing::of(&TrialSpec::example()),
        dataset: "colours".into(),
        trial: None,
        metrics: None,
    };
    let shrink = Shrink {
        short_side: 8,
        interpolation: Interpolation::Bilinear,
    };
    Arc::new(App {
        queue,
        decoders: Arc::new(Semaphore::new(1)),
        model: Opened { card, shrink },
        n_top: 2,
        metrics: Arc::default(),
    })
}

fn png(level: [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(20, 30, Rgb(level));
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn answer(app: &Arc<App>, request: Request) -> Response {
    router(app.clone()).oneshot(request).await.unwrap()
}

async fn json_of(response: Response) -> Value {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn post_of(path: &str, content_type: &str, body: impl Into<Body>) -> Request {
    Request::post(path)
        .header(header::CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

fn get_of(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_likeliest_classes_come_first_and_as_many_as_are_wanted() {
    let app = app();
    let red = json!({"class": "red", "probability": 1.0});
    let blue = json!({"class": "blue", "probability": 0.0});
    let both = json!([red, blue]);
    for (path, expect) in [
        ("/v1/predict", &both),
        ("/v1/predict?top=1", &json!([red])),
        ("/v1/predict?top=9", &both),
    ] {
        let request = post_of(path, "image/png", png([255, 0, 0]));
        let response = answer(&app, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(&json_of(response).await["predictions"], expect, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_image_is_refused_in_words() {
    let app = app();
    let refused = async |path: &str, content_type: &str, body: Vec<u8>| {
        let response = answer(&app, post_of(path, content_type, body)).await;
        let status = response.status().as_u16();
        let body = json_of(response).await;
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        (status, text("code"), text("error"))
    };
    let bytes = "application/octet-stream";
    let mut cut = png([0, 0, 0]);
    cut.truncate(60);
    let good = || png([0, 0, 0]);
    let cases = [
        ("", bytes, b"hello".to_vec(), 415, "not an image"),
        ("", bytes, b"GIF89a      ".to_vec(), 415, "gif"),
        ("", "application/json", good(), 415, "application/json"),
        ("", "image/png", Vec::new(), 422, "empty"),
        ("", "image/png", cut, 422, "damaged"),
        ("?top=0", "image/png", good(), 400, "top"),
        ("?topp=1", "image/png", good(), 400, "topp"),
    ];
    for (query, content_type, body, status, words) in cases {
        let found = refused(&format!("/v1/predict{query}"), content_type, body).await;
        assert_eq!(
            (found.0, found.1.as_str()),
            (status, "invalid"),
            "{found:?}"
        );
        assert!(found.2.contains(words), "{found:?}");
    }
    let large = vec![0; body::MAX_BYTES + 1];
    let found = refused("/v1/predict", bytes, large).await;
    assert_eq!((found.0, found.1.as_str()), (413, "too_large"), "{found:?}");
    let found = refused("/v1/model", bytes, Vec::new()).await;
    assert_eq!(found.0, 405, "{found:?}");
    let found = refused("/predict", bytes, Vec::new()).await;
    assert_eq!((found.0, found.1.as_str()), (404, "not_found"), "{found:?}");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let app = app();
    let places: Vec<_> = (0..CAPACITY).map(|_| app.queue.place().ok()).collect();
    let asked = || post_of("/v1/predict", "image/png", png([0, 0, 0]));
    let response = answer(&app, asked()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert_eq!(json_of(response).await["code"], "unavailable");
    drop(places);
    assert_eq!(answer(&app, asked()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_failing_model_keeps_its_words_for_the_log() {
    let app = app();
    let request = post_of("/v1/predict", "image/png", png([0, 255, 0]));
    let response = answer(&app, request).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = json_of(response).await;
    assert!(body["request_id"].is_string(), "{body}");
    assert!(!body.to_string().contains("secret"), "{body}");
}

#[tokio::test]
async fn the_model_and_the_counts_can_be_read() {
    let app = app();
    let card = json_of(answer(&app, get_of("/v1/model")).await).await;
    assert_eq!(card["classes"], json!(["blue", "red"]));
    assert_eq!(card["preprocessing"]["crop_mode"], "center");
    assert!(card.get("trial").is_none(), "{card}");
    assert_eq!(answer(&app, get_of("/healthz")).await.status(), 200);
    for body in [png([0, 0, 0]), b"hello".to_vec()] {
        answer(&app, post_of("/v1/predict", "image/png", body)).await;
    }
    answer(&app, get_of("/made/up")).await;
    let response = answer(&app, get_of("/metrics")).await;
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.into()).unwrap();
    for line in [
        r#"cultivar_serve_http_requests_total{route="/v1/predict",status="200"} 1"#,
        r#"cultivar_serve_http_requests_total{route="/v1/predict",status="415"} 1"#,
        r#"cultivar_serve_http_requests_total{route="none",status="404"} 1"#,
        "cultivar_serve_predict_seconds_count 2",
        "cultivar_serve_queue_depth 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
