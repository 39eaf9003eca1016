//! What surrounds every request: an id, a log line, counters, safe headers, the Host check.

use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cultivar_spec::wire::ErrorBody;
use tracing::Instrument;
use uuid::Uuid;

use crate::error::ApiError;
use crate::metrics::RequestLabels;
use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The page runs its own files only: no inline script, no other host, no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names the request, logs and counts it, and writes its id into the body of a 5xx.
pub async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = Uuid::new_v4();
    let method = request.method().to_string();
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None => "page".to_owned(),
    };
    let span = tracing::info_span!("request", %id, method, path = request.uri().path());
    let start = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let seconds = start.elapsed().as_secs_f64();

    if let Some(mut body) = response.extensions_mut().remove::<ErrorBody>() {
        body.request_id = Some(id.to_string());
        response = (response.status(), Json(body)).into_response();
    }
    let status = response.status();
    span.in_scope(|| tracing::debug!(status = status.as_u16(), seconds, "answered"));
    state.metrics.request_seconds.observe(seconds);
    let labels = RequestLabels {
        method,
        route,
        status: status.as_u16(),
    };
    state.metrics.requests.get_or_create(&labels).inc();

    let id = HeaderValue::from_str(&id.to_string()).expect("a UUID is ASCII");
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// On loopback only this machine's names are answered: a foreign name that resolves to 127.0.0.1
/// (DNS rebinding) would let any web page in.
pub async fn check_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if state.config.is_loopback() && !is_local_name(host) {
        let error = ApiError::Forbidden(format!(
            "this server answers to localhost and 127.0.0.1 only, not to {host:?}"
        ));
        return error.into_response();
    }
    next.run(request).await
}

/// Whether a Host header names this machine; any port, since tunnels and proxies change it.
fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    ["localhost", "127.0.0.1", "::1"].contains(&name)
}

/// The answer to a handler that panicked.
pub fn panicked(cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ApiError::Internal(anyhow::anyhow!("a handler panicked: {text}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::is_local_name;

    #[test]
    fn only_local_names_pass() {
        for host in ["localhost", "localhost:7878", "127.0.0.1:1", "[::1]:7878"] {
            assert!(is_local_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:7878",
            "localhost.evil",
        ] {
            assert!(!is_local_name(host), "{host}");
        }
    }
}
