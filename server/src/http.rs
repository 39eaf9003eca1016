//! What surrounds every request: an id, a log line, counters, safe headers, the Host check, the limits.

use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cultivar_spec::wire::ErrorBody;
use tracing::Instrument;

use crate::auth;
use crate::error::ApiError;
use crate::limits::{Class, Key};
use crate::metrics::RequestLabels;
use crate::state::AppState;
use crate::visit::Visit;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The page runs its own files only: no inline script, no other host, no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names the request, logs and counts it, and writes its id into the body of a 5xx.
pub async fn observe(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let visit = Visit::of(&request, &state.config);
    request.extensions_mut().insert(visit.clone());
    let Visit {
        id, method, route, ..
    } = visit;
    let route = route.unwrap_or_else(|| "page".to_owned());
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
    if state.config.is_secure() {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    response
}

/// Admits what the limits of the route's class admit, and ends what takes longer than they say.
pub async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(visit) = request.extensions().get::<Visit>() else {
        return next.run(request).await;
    };
    let class = visit.class;
    if matches!(class, Class::Page | Class::Door)
        && let Err(error) = auth::draw(&state, class, Key::of_address(visit.ip))
    {
        return error.into_response();
    }
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        let error = "bodies are read as they are: send it without Content-Encoding";
        return ApiError::UnsupportedMedia(error.into()).into_response();
    }
    let Some(limit) = class.limits().answer else {
        return next.run(request).await;
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::Unavailable(format!("there was no answer within {} s", limit.as_secs()))
                .into_response()
        }
    }
}

/// The answer where the path exists and the method does not.
pub async fn no_such_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::NoSuchMethod(format!(
        "{path} cannot be asked to {method}; see /api/openapi.json"
    ))
    .into_response()
}

/// On loopback only this machine's names are answered: a foreign name that resolves to 127.0.0.1
/// (DNS rebinding) would let any web page in.
pub async fn check_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_public_name = state.config.public_host() == Some(host);
    if state.config.is_loopback() && !is_local_name(host) && !is_public_name {
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
