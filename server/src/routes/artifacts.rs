//! `/api/v1/artifacts/{sha256}`: blobs under their hash.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::transform::TransformOperation;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::{ArtifactView, ErrorBody, UploadView};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use crate::auth::{BlobWriter, Principal};
use crate::error::ApiError;
use crate::extract::At;
use crate::openapi;
use crate::service;
use crate::service::artifacts::Piece;
use crate::state::AppState;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct ByDigest {
    sha256: Sha256Digest,
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
struct Wanted {
    /// `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`; several ranges get the whole.
    #[serde(rename = "Range")]
    range: Option<String>,
    /// The entity tag that the range is of: the digest in quotes.
    #[serde(rename = "If-Range")]
    if_range: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
struct Sent {
    /// `bytes FIRST-LAST/TOTAL`: which piece of the artifact the body is.
    #[serde(rename = "Content-Range")]
    #[schemars(regex(pattern = "^bytes [0-9]+-[0-9]+/[0-9]+$"))]
    content_range: Option<String>,
}

pub fn router() -> ApiRouter<AppState> {
    let route = get_with(download, |op| {
        openapi::reads::<Wanted>(describe(op, "Download an artifact, or one Range of it"))
            .response::<200, Bytes>()
            .response::<206, Bytes>()
            .response::<416, Json<ErrorBody>>()
    })
    .head_with(head, |op| {
        describe(op, "Whether an artifact exists, and its size").response::<200, ()>()
    })
    .put_with(upload, |op| {
        openapi::reads::<Sent>(describe(
            op,
            "Store an artifact, or with Content-Range the next piece of it; the whole must hash to its name",
        ))
        .input::<Bytes>()
        .response::<200, Json<ArtifactView>>()
        .response_with::<202, Json<UploadView>, _>(|response| {
            response.description("The piece is here, and more is to come")
        })
    });
    ApiRouter::new()
        .api_route("/api/v1/artifacts/{sha256}", route)
        .api_route(
            "/api/v1/artifacts/{sha256}/upload",
            get_with(upload_state, |op| {
                describe(op, "Where an upload stands that was cut")
            }),
        )
}

fn describe<'t>(op: TransformOperation<'t>, summary: &str) -> TransformOperation<'t> {
    op.summary(summary).tag("artifacts")
}

async fn upload(
    _: BlobWriter,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let stream = body.into_data_stream();
    let Some(value) = headers.get(header::CONTENT_RANGE) else {
        let stored = service::artifacts::store(&state, path.sha256, stream).await?;
        return Ok(Json(stored).into_response());
    };
    let piece = value.to_str().ok().and_then(piece).ok_or_else(|| {
        ApiError::Malformed("Content-Range is not \"bytes FIRST-LAST/TOTAL\"".into())
    })?;
    Ok(
        match service::artifacts::resume(&state, path.sha256, piece, stream).await? {
            Ok(stored) => Json(stored).into_response(),
            Err(partial) => (StatusCode::ACCEPTED, Json(partial)).into_response(),
        },
    )
}

async fn upload_state(
    _: BlobWriter,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
) -> Result<Json<UploadView>, ApiError> {
    service::artifacts::upload(&state, &path.sha256)
        .await
        .map(Json)
}

async fn head(
    _: Principal,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
) -> Result<Response, ApiError> {
    // One whose file is gone is not here either: whoever asks means to upload it.
    let n_bytes = service::artifacts::size(&state, &path.sha256).await?;
    let n_bytes = n_bytes.ok_or_else(|| ApiError::no_such("artifact", path.sha256))?;
    Ok((file_headers(&path.sha256, n_bytes), ()).into_response())
}

async fn download(
    _: Principal,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (mut file, n_bytes) = service::artifacts::open(&state, &path.sha256).await?;
    let range = wanted(&headers, &path.sha256, n_bytes)?;
    let (start, n_wanted) = range.unwrap_or((0, n_bytes));
    file.seek(SeekFrom::Start(start))
        .await
        .map_err(service::artifacts::broken)?;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(n_wanted), 256 << 10));
    let mut response = (file_headers(&path.sha256, n_wanted), body).into_response();
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = start + n_wanted - 1;
        let value = format!("bytes {start}-{last}/{n_bytes}");
        let value = HeaderValue::from_str(&value).expect("numbers are ASCII");
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// `bytes 0-99/1000`.
fn piece(text: &str) -> Option<Piece> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let [start, last, n_total] = [first, last, total].map(|text| text.parse::<u64>().ok());
    let (start, last, n_total) = (start?, last?, n_total?);
    (start <= last && last < n_total).then_some(Piece { start, n_total })
}

/// The first byte and the length of the one range asked for. None: everything, as when several are
/// asked for, or the range is of something the artifact never was.
fn wanted(
    headers: &HeaderMap,
    digest: &Sha256Digest,
    n_bytes: u64,
) -> Result<Option<(u64, u64)>, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|tag| tag != format!("\"{digest}\"")) {
        return Ok(None);
    }
    let Some(range) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    let Some((first, last)) = range.split_once('-') else {
        return Ok(None);
    };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, n_bytes.min(last.saturating_add(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, n_bytes),
        (Err(_), Ok(n_last)) if first.is_empty() && n_last > 0 => {
            (n_bytes.saturating_sub(n_last), n_bytes)
        }
        _ => return Ok(None),
    };
    if start >= end {
        return Err(ApiError::NoSuchRange(n_bytes));
    }
    Ok(Some((start, end - start)))
}

/// Always an attachment: nothing uploaded is ever shown by a browser as a page of this server.
fn file_headers(digest: &Sha256Digest, n_bytes: u64) -> [(HeaderName, HeaderValue); 6] {
    let value = |text: String| HeaderValue::from_str(&text).expect("digests and numbers are ASCII");
    [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (header::CONTENT_LENGTH, value(n_bytes.to_string())),
        (
            header::CONTENT_DISPOSITION,
            value(format!("attachment; filename=\"{digest}\"")),
        ),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::ETAG, value(format!("\"{digest}\""))),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=31536000, immutable"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        let digest = Sha256Digest::of(b"");
        let check = |range: &str, if_range: Option<String>, expect: Option<Option<(u64, u64)>>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(tag) = if_range {
                headers.insert(header::IF_RANGE, tag.parse().unwrap());
            }
            assert_eq!(wanted(&headers, &digest, 10).ok(), expect, "{range}");
        };
        check("bytes=0-3", None, Some(Some((0, 4))));
        check("bytes=4-", None, Some(Some((4, 6))));
        check("bytes=8-99", None, Some(Some((8, 2))));
        check("bytes=-3", None, Some(Some((7, 3))));
        check("bytes=-99", None, Some(Some((0, 10))));
        check("bytes=10-", None, None);
        for everything in [
            "bytes=3-1",
            "bytes=-0",
            "bytes=0-1,4-5",
            "lines=0-1",
            "bytes=a-b",
        ] {
            check(everything, None, Some(None));
        }
        check(
            "bytes=4-",
            Some(format!("\"{digest}\"")),
            Some(Some((4, 6))),
        );
        check("bytes=4-", Some("\"other\"".into()), Some(None));
        check("bytes=0-18446744073709551615", None, Some(Some((0, 10))));
    }

    #[test]
    fn a_piece_lies_inside_its_whole() {
        assert_eq!(
            piece("bytes 2-5/10"),
            Some(Piece {
                start: 2,
                n_total: 10
            })
        );
        for wrong in [
            "bytes 5-2/10",
            "bytes 2-10/10",
            "bytes */10",
            "bytes 2-5/*",
            "2-5/10",
            "",
        ] {
            assert_eq!(piece(wrong), None, "{wrong}");
        }
    }
}
