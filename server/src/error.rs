//! The one error of the API: what a handler returns, and how it reads on the wire.

use aide::OperationOutput;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

use cultivar_spec::check::MAX_VIOLATIONS;
use cultivar_spec::secret::redact;
use cultivar_spec::wire::ErrorBody;
use cultivar_spec::{Violation, Violations};
use serde_json::Value;

/// Why a request was refused. Every message says what was wrong, where, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The document is well formed and wrong: 422, with every violation.
    #[error("{0}")]
    Invalid(Violations),
    /// The request cannot be read at all: 400.
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Unauthorized(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    /// The lease is not the trial's any more (I3).
    #[error("lease {0} is superseded: the trial went on without it, and nothing it writes counts")]
    Superseded(uuid::Uuid),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    UnsupportedMedia(String),
    /// The client took too long to say what it wants: 408.
    #[error("{0}")]
    TooSlow(String),
    /// More requests than the route admits; there will be room after this long.
    #[error("too many requests: try again in {} s", seconds(.0))]
    TooMany(Duration),
    /// The part asked for lies outside an artifact of this many bytes: 416.
    #[error("the artifact has {0} bytes: the range lies outside")]
    NoSuchRange(u64),
    /// An upload goes on from another byte than the one sent.
    #[error("the upload goes on at byte {0}: ask again where it stands")]
    WrongOffset(u64),
    /// There is such a path, and this is not what can be done with it.
    #[error("{0}")]
    NoSuchMethod(String),
    /// Try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Our fault. The cause goes to the log, never to the client.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

impl ApiError {
    /// A 422 with a single violation.
    pub fn violation(
        pointer: impl Into<String>,
        value: impl Into<Value>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid(Violations(vec![Violation::new(pointer, value, expected)]))
    }

    /// 401 for this reason.
    pub fn unauthorized(why: impl std::fmt::Display) -> Self {
        Self::Unauthorized(why.to_string())
    }

    /// 404 for a resource of `kind` named `name`.
    pub fn no_such(kind: &str, name: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("there is no {kind} {name}"))
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "invalid"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::Superseded(_) => (StatusCode::CONFLICT, "superseded"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::UnsupportedMedia(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid"),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::NoSuchRange(_) => (StatusCode::RANGE_NOT_SATISFIABLE, "invalid"),
            Self::WrongOffset(_) => (StatusCode::CONFLICT, "wrong_offset"),
            Self::NoSuchMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

/// Constraint violations become 4xx, an absent database a 503, the rest is our fault.
impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::Database(database) => database.code().unwrap_or_default().into_owned(),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                tracing::warn!(%error, "the database is out of reach");
                return Self::Unavailable("the database is out of reach: try again".into());
            }
            _ => return Self::Internal(error.into()),
        };
        match code.as_str() {
            "23505" => Self::Conflict("this exists already, or was changed meanwhile".into()),
            "23503" => Self::Conflict("this refers to something that does not exist".into()),
            "23514" => Self::Malformed("a value lies outside what the schema allows".into()),
            "22P05" | "22021" => {
                Self::Malformed("text must be valid UTF-8 without NUL characters".into())
            }
            // Serialization failure, deadlock, shutdown, start-up, too many connections; a lock that was not to be had, a statement
            // that took too long, a disk that is full, a standby.
            "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "53300" | "55P03" | "57014"
            | "53100" | "25006" => {
                tracing::warn!(%error, "the database asked to try again");
                Self::Unavailable("the database was interrupted: try again".into())
            }
            _ => Self::Internal(error.into()),
        }
    }
}

/// Whole seconds, rounded up, as `Retry-After` has them.
fn seconds(wait: &Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        if let Self::Internal(cause) = &self {
            tracing::error!("{cause:#}");
        }
        let mut body = ErrorBody {
            error: redact(&self.to_string()).into_owned(),
            code: code.into(),
            violations: Vec::new(),
            request_id: None,
        };
        let extra = match &self {
            Self::Unauthorized(_) => Some((header::WWW_AUTHENTICATE, "Bearer".to_owned())),
            Self::TooMany(wait) => Some((header::RETRY_AFTER, seconds(wait).to_string())),
            Self::NoSuchRange(n_bytes) => {
                Some((header::CONTENT_RANGE, format!("bytes */{n_bytes}")))
            }
            // The rest of a body that nobody reads would be taken for the next request.
            Self::TooSlow(_) | Self::TooLarge(_) => Some((header::CONNECTION, "close".to_owned())),
            _ => None,
        };
        if let Self::Invalid(Violations(violations)) = self {
            let told = violations.into_iter().take(MAX_VIOLATIONS);
            body.violations = told.map(redacted).collect();
        }
        let mut response = (status, Json(&body)).into_response();
        if let Some((name, value)) = extra {
            let value = HeaderValue::from_str(&value).expect("words and numbers are ASCII");
            response.headers_mut().insert(name, value);
        }
        if status.is_server_error() {
            // The outermost layer knows the request's id and writes it in.
            response.extensions_mut().insert(body);
        }
        response
    }
}

/// Violations repeat what was sent, which may be a secret in the wrong place.
fn redacted(mut violation: Violation) -> Violation {
    redact_value(&mut violation.value);
    violation.pointer = redact(&violation.pointer).into_owned();
    violation.expected = redact(&violation.expected).into_owned();
    violation
}

fn redact_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(redact_value),
        Value::Object(fields) => {
            let named = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                redact_value(&mut value);
                (redact(&name).into_owned(), value)
            });
            *fields = named.collect();
        }
        _ => {}
    }
}

/// Documented once for every operation, as the default response.
impl OperationOutput for ApiError {
    type Inner = ErrorBody;
}
