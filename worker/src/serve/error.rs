//! Why a request gets no prediction, and how that reads on the wire: the body of the server's API.

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cultivar_dataset::decode::DecodeError;
use cultivar_spec::wire::ErrorBody;
use uuid::Uuid;

use super::batcher::Unanswered;

/// After a 503, in seconds: a queue is worked off in about that time.
const RETRY_AFTER: &str = "1";

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}")]
    Malformed(String),
    #[error("there is no {0}: want POST /v1/predict, GET /v1/model, /healthz or /metrics")]
    NotFound(String),
    #[error("{0}")]
    NoSuchMethod(String),
    /// The body took too long.
    #[error("{0}")]
    TooSlow(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    UnsupportedMedia(String),
    #[error("{0}")]
    Image(#[from] DecodeError),
    /// Try again later.
    #[error("{0}")]
    Unavailable(Unanswered),
    /// Our fault. The cause goes to the log, never to the client.
    #[error("internal error")]
    Internal(String),
}

impl ServeError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "invalid"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::NoSuchMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid"),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::UnsupportedMedia(_)
            | Self::Image(DecodeError::NotAnImage | DecodeError::UnsupportedFormat(_)) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid")
            }
            Self::Image(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl From<Unanswered> for ServeError {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Failed(cause) => Self::Internal(cause),
            Unanswered::Full(_) | Unanswered::Ended => Self::Unavailable(why),
        }
    }
}

impl IntoResponse for ServeError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let mut body = ErrorBody {
            error: self.to_string(),
            code: code.into(),
            violations: Vec::new(),
            request_id: None,
        };
        if let Self::Internal(cause) = &self {
            let id = Uuid::now_v7();
            tracing::error!(%id, "{cause}");
            body.request_id = Some(id.to_string());
        }
        let extra: Option<(HeaderName, &str)> = match self {
            Self::Unavailable(_) => Some((header::RETRY_AFTER, RETRY_AFTER)),
            // The rest of a body that nobody reads would be taken for the next request.
            Self::TooSlow(_) | Self::TooLarge(_) => Some((header::CONNECTION, "close")),
            _ => None,
        };
        (status, extra.map(|extra| [extra]), Json(body)).into_response()
    }
}
