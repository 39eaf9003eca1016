//! A real server on a real database, without its loops, and how a history is played on it.

mod play;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use cultivar_server::service::tokens;
use cultivar_server::{AppState, Config};
use cultivar_spec::Sha256Digest;
use cultivar_spec::manifest::Split;
use cultivar_spec::wire::IDEMPOTENCY_KEY;
use proptest::prelude::TestCaseError;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use super::op::Op;
use crate::fixtures::{manifest, predictions};
use crate::harness::Database;
use play::Play;

/// So long that no lease ends by itself.
const LEASE_S: f64 = 3600.0;

type Checked<T = ()> = Result<T, TestCaseError>;

/// The server, without its loops.
pub struct Driver {
    router: Router,
    state: AppState,
    admin: String,
    model: Sha256Digest,
    /// Files that get 0, 1 and 2 of ten images right.
    predictions: Vec<Sha256Digest>,
    checkpoint: Sha256Digest,
    _home: TempDir,
}

impl Driver {
    pub async fn start(database: &Database) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = Config {
            lease_s: LEASE_S,
            rate_scale: 0.0,
            ..Config::new(
                home.path().to_owned(),
                database.url.clone(),
                ([127, 0, 0, 1], 1).into(),
            )
        };
        let token_file = config.admin_token_file();
        let state = AppState::open(config, CancellationToken::new()).await;
        let state = state.unwrap();
        tokens::ensure_local(&state).await.unwrap();
        let mut driver = Self {
            router: cultivar_server::app(state.clone()),
            state,
            admin: std::fs::read_to_string(token_file).unwrap().trim().into(),
            model: Sha256Digest::of(b"model"),
            predictions: Vec::new(),
            checkpoint: Sha256Digest::of(b"checkpoint"),
            _home: home,
        };
        for blob in [b"parquet".as_slice(), b"weights", b"model", b"checkpoint"] {
            driver.upload(blob).await;
        }
        for n_right in 0..3 {
            let file = predictions(Split::Val, n_right);
            driver.predictions.push(driver.upload(&file).await);
        }
        let dataset = serde_json::to_value(manifest()).unwrap();
        driver.post_ok("/api/v1/datasets", &dataset).await;
        let weights = json!({
            "backbone": "efficientnet_lite0", "sha256": Sha256Digest::of(b"weights"), "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "crop_pct": 0.9,
        });
        driver.post_ok("/api/v1/weights", &weights).await;
        driver
    }

    pub async fn stop(self) {
        self.state.pool.close().await;
    }

    async fn upload(&self, bytes: &[u8]) -> Sha256Digest {
        let digest = Sha256Digest::of(bytes);
        let path = format!("/api/v1/artifacts/{digest}");
        let request = self.request("PUT", &path).body(bytes.to_vec().into());
        let (status, body) = self.send(request.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body:#}");
        digest
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin))
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    async fn post_as(&self, path: &str, body: &Value, key: Option<Uuid>) -> (StatusCode, Value) {
        let mut request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key.to_string());
        }
        self.send(request.body(body.to_string().into()).unwrap())
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.post_as(path, body, None).await
    }

    async fn post_ok(&self, path: &str, body: &Value) -> Value {
        let (status, body) = self.post(path, body).await;
        assert!(status.is_success(), "POST {path}: {status} {body:#}");
        body
    }

    /// Plays a history from an empty queue.
    pub async fn play(&self, history: &[Op]) -> Checked {
        self.sql("TRUNCATE sweep, trial, worker, event, idempotency CASCADE")
            .await;
        let mut play = Play::new(self);
        for (n, op) in history.iter().enumerate() {
            let done = async {
                play.step(op).await?;
                play.compare().await
            };
            if let Err(TestCaseError::Fail(reason)) = done.await {
                return Err(TestCaseError::fail(format!("step {n}, {op:?}: {reason}")));
            }
        }
        Ok(())
    }

    async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.state.pool).await.unwrap();
    }

    /// One text a row.
    async fn rows(&self, sql: &'static str) -> Vec<String> {
        let mut rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&self.state.pool)
            .await
            .unwrap();
        rows.sort();
        rows
    }
}
