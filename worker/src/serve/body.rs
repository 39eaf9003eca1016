//! The body of a request: an encoded image, within limits.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures::StreamExt;

use super::error::ServeError;

/// The largest body that is read.
pub const MAX_BYTES: usize = 32 << 20;
/// A body that is too large is read on this far, so that its sender hears why it was refused.
const MAX_DRAINED_BYTES: usize = 128 << 20;
/// From the head of a request to the end of its body.
const WITHIN: Duration = Duration::from_secs(30);

/// What a body may be declared as. What it is, its content says.
const TYPES: [&str; 4] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "application/octet-stream",
];

/// Refuses a body that is declared as something else.
///
/// # Errors
/// Another content type, or an encoding.
pub fn check_type(headers: &HeaderMap) -> Result<(), ServeError> {
    let text = |name| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or("not ASCII").to_owned())
    };
    if let Some(encoding) = text(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(ServeError::UnsupportedMedia(
            "bodies are read as they are: send it without Content-Encoding".into(),
        ));
    }
    // One that says nothing is bytes.
    let Some(declared) = text(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let name = declared.split(';').next().unwrap_or_default().trim();
    match TYPES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        true => Ok(()),
        false => Err(ServeError::UnsupportedMedia(format!(
            "content-type is {declared:?}, want the image itself as one of {}",
            TYPES.join(", ")
        ))),
    }
}

/// Reads a body to its end.
///
/// # Errors
/// It is too large, too slow, or breaks off.
pub async fn read(body: Body) -> Result<Vec<u8>, ServeError> {
    let whole = async {
        let mut bytes = Vec::new();
        let mut n_bytes = 0;
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk
                .map_err(|error| ServeError::Malformed(format!("the body ended early: {error}")))?;
            n_bytes += chunk.len();
            if n_bytes > MAX_DRAINED_BYTES {
                break;
            }
            if n_bytes <= MAX_BYTES {
                bytes.extend_from_slice(&chunk);
            } else {
                bytes = Vec::new();
            }
        }
        if n_bytes > MAX_BYTES {
            return Err(ServeError::TooLarge(format!(
                "the body has more than the {MAX_BYTES} bytes that are read here"
            )));
        }
        Ok(bytes)
    };
    match tokio::time::timeout(WITHIN, whole).await {
        Ok(result) => result,
        Err(_) => Err(ServeError::TooSlow(format!(
            "the body was not here within {} s",
            WITHIN.as_secs()
        ))),
    }
}
