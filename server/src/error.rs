//! The one error of the API: what a handler returns, and how it reads on the wire.

use aide::OperationOutput;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
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
    Unauthorized(&'static str),
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
            // Serialization failure, deadlock, shutdown, start-up, too many connections.
            "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "53300" => {
                tracing::warn!(%error, "the database asked to try again");
                Self::Unavailable("the database was interrupted: try again".into())
            }
            _ => Self::Internal(error.into()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        if let Self::Internal(cause) = &self {
            tracing::error!("{cause:#}");
        }
        let mut body = ErrorBody {
            error: self.to_string(),
            code: code.into(),
            violations: Vec::new(),
            request_id: None,
        };
        if let Self::Invalid(Violations(violations)) = self {
            body.violations = violations;
        }
        let mut response = (status, Json(&body)).into_response();
        if status.is_server_error() {
            // The outermost layer knows the request's id and writes it in.
            response.extensions_mut().insert(body);
        }
        response
    }
}

/// Documented once for every operation, as the default response.
impl OperationOutput for ApiError {
    type Inner = ErrorBody;
}
