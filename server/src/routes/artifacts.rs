//! `/api/v1/artifacts/{sha256}`: blobs under their hash.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::transform::TransformOperation;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::ArtifactView;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use crate::auth::{BlobWriter, Principal};
use crate::error::ApiError;
use crate::extract::At;
use crate::service;
use crate::state::AppState;

#[derive(Deserialize, JsonSchema)]
struct ByDigest {
    sha256: Sha256Digest,
}

pub fn router() -> ApiRouter<AppState> {
    let route = get_with(download, |op| describe(op, "Download an artifact"))
        .head_with(head, |op| {
            describe(op, "Whether an artifact exists, and its size")
        })
        .put_with(upload, |op| {
            describe(op, "Store an artifact; the body must hash to its name")
        });
    ApiRouter::new().api_route("/api/v1/artifacts/{sha256}", route)
}

fn describe<'t>(op: TransformOperation<'t>, summary: &str) -> TransformOperation<'t> {
    op.summary(summary).tag("artifacts")
}

async fn upload(
    _: BlobWriter,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
    body: Body,
) -> Result<Json<ArtifactView>, ApiError> {
    let stream = body.into_data_stream();
    service::artifacts::store(&state, path.sha256, stream)
        .await
        .map(Json)
}

async fn head(
    _: Principal,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
) -> Result<Response, ApiError> {
    let (_, n_bytes) = service::artifacts::open(&state, &path.sha256).await?;
    Ok((file_headers(&path.sha256, n_bytes), ()).into_response())
}

async fn download(
    _: Principal,
    State(state): State<AppState>,
    At(path): At<ByDigest>,
) -> Result<Response, ApiError> {
    let (file, n_bytes) = service::artifacts::open(&state, &path.sha256).await?;
    let body = Body::from_stream(ReaderStream::with_capacity(file, 256 << 10));
    Ok((file_headers(&path.sha256, n_bytes), body).into_response())
}

/// Always an attachment: nothing uploaded is ever shown by a browser as a page of this server.
fn file_headers(digest: &Sha256Digest, n_bytes: u64) -> [(HeaderName, HeaderValue); 5] {
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
        (header::ETAG, value(format!("\"{digest}\""))),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=31536000, immutable"),
        ),
    ]
}
