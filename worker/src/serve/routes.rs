//! What can be asked over HTTP.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cultivar_dataset::decode::decode_rgb;
use image::RgbImage;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::batcher::{Queue, Unanswered};
use super::body;
use super::error::ServeError;
use super::metrics::{Metrics, RequestLabels};
use super::model::{Answer, Opened, Question};

const PREDICT: &str = "/v1/predict";

/// What the handlers share.
pub struct App {
    pub queue: Queue<Question, Answer>,
    /// Images decoded at once.
    pub decoders: Arc<Semaphore>,
    pub model: Opened,
    /// Classes answered where a request asks for no number.
    pub n_top: usize,
    pub metrics: Arc<Metrics>,
}

pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(PREDICT, post(predict))
        .route("/v1/model", get(model))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .fallback(async |request: Request| ServeError::NotFound(request.uri().path().into()))
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    top: Option<NonZeroUsize>,
}

#[derive(Serialize)]
struct Predictions<'a> {
    predictions: Vec<Prediction<'a>>,
}

#[derive(Serialize)]
struct Prediction<'a> {
    class: &'a str,
    /// From 0 to 1.
    probability: f64,
}

async fn predict(
    State(app): State<Arc<App>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    request: Request,
) -> Result<Response, ServeError> {
    let Query(wanted) = wanted.map_err(|rejection| ServeError::Malformed(rejection.body_text()))?;
    body::check_type(request.headers())?;
    let bytes = body::read(request.into_body()).await?;
    // A slow sender takes nobody's place, and an image that finds none is not decoded.
    let place = app.queue.place()?;
    let question = Question {
        image: decoded(&app, bytes).await?,
        n_top: wanted.top.map_or(app.n_top, NonZeroUsize::get),
    };
    let answer = place.ask(question).await?;
    let classes = &app.model.card.classes;
    let predictions = answer.into_iter().map(|(class, probability)| Prediction {
        class: &classes[class],
        probability,
    });
    let predictions = predictions.collect();
    Ok(Json(Predictions { predictions }).into_response())
}

/// Decodes and shrinks an image where it holds nobody up.
async fn decoded(app: &App, bytes: Vec<u8>) -> Result<RgbImage, ServeError> {
    let shrink = app.model.shrink;
    let turn = app.decoders.clone().acquire_owned().await;
    let turn = turn.map_err(|error| ServeError::Internal(error.to_string()))?;
    let decoding = tokio::task::spawn_blocking(move || {
        // Held to the end, even if nobody waits for it any more.
        let _turn = turn;
        decode_rgb(&bytes).map(|image| shrink.apply(image))
    });
    let image = decoding.await;
    let image = image.map_err(|error| ServeError::Internal(format!("decoding: {error}")))?;
    Ok(image?)
}

async fn model(State(app): State<Arc<App>>) -> Response {
    Json(&app.model.card).into_response()
}

/// Well, as long as there is a model to ask.
async fn health(State(app): State<Arc<App>>) -> Result<&'static str, ServeError> {
    match app.queue.is_open() {
        true => Ok("ok\n"),
        false => Err(Unanswered::Ended.into()),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.metrics.queue_depth.set(app.queue.n_waiting() as i64);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], app.metrics.render())
}

async fn no_such_method(request: Request) -> ServeError {
    let (method, path) = (request.method(), request.uri().path());
    ServeError::NoSuchMethod(format!("{path} cannot be asked to {method}"))
}

/// Counts and times requests.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    if route == PREDICT {
        let seconds = start.elapsed().as_secs_f64();
        app.metrics.predict_seconds.observe(seconds);
    }
    let labels = RequestLabels {
        route,
        status: response.status().as_u16(),
    };
    app.metrics.requests.get_or_create(&labels).inc();
    response
}

#[cfg(test)]
mod tests;
