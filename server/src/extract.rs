//! Extractors whose rejections are [`ApiError`]s: a checked body, path and query parameters.

use std::marker::PhantomData;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::{OperationInput, OperationOutput};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use cultivar_spec::check::{self, pointer_to};
use cultivar_spec::{Violation, Violations};
use futures::StreamExt;
use memchr::memmem;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::MadeId;
use crate::error::ApiError;
use crate::visit::Visit;

/// A body that is too large is read on this far, so that its sender hears why it was refused.
const MAX_DRAINED: usize = 128 << 20;

/// The JSON body, unchecked: for documents that have a check of their own.
/// `T` is what the documentation shows.
pub struct Raw<T>(pub Value, pub PhantomData<T>);

/// A JSON body that went through its schema.
pub struct Body<T>(pub T);

/// The same, where texts may hold NUL characters and lose them: a report is not worth refusing for one.
pub struct Lossy<T>(pub T);

/// Path parameters.
pub struct At<T>(pub T);

/// Query parameters.
pub struct Params<T>(pub T);

/// 201 with a JSON body.
pub struct Created<T>(pub T);

impl<S: Send + Sync, T> FromRequest<S> for Raw<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = json_bytes(request).await?;
        Ok(Self(storable(&bytes)?, PhantomData))
    }
}

fn json_value(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|e| ApiError::Malformed(format!("the body is not JSON: {e}")))
}

/// A JSON document without NUL characters, which no text in Postgres can hold.
fn storable(bytes: &[u8]) -> Result<Value, ApiError> {
    let mut value = json_value(bytes)?;
    if mentions_nul(bytes) {
        let mut found = Vec::new();
        replace_nuls(&mut value, "", &mut found);
        if !found.is_empty() {
            return Err(Violations(found).into());
        }
    }
    Ok(value)
}

/// Whether a text may hold a NUL character: in JSON they are written so.
fn mentions_nul(bytes: &[u8]) -> bool {
    memmem::find(bytes, br"\u0000").is_some()
}

/// Without them, for what is not worth refusing for one.
fn without_nuls(bytes: &[u8]) -> Result<Value, ApiError> {
    let mut value = json_value(bytes)?;
    replace_nuls(&mut value, "", &mut Vec::new());
    Ok(value)
}

/// Puts U+FFFD in the place of every NUL character, and says where they were, of the first of them.
fn replace_nuls(value: &mut Value, pointer: &str, found: &mut Vec<Violation>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            *text = text.replace('\0', "\u{fffd}");
            if found.len() < check::MAX_VIOLATIONS {
                let expected = "a text without NUL characters";
                found.push(Violation::new(pointer, text.as_str(), expected));
            }
        }
        Value::Array(items) => {
            for (idx, item) in items.iter_mut().enumerate() {
                replace_nuls(item, &format!("{pointer}/{idx}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let at = pointer_to(pointer, &name.replace('\0', "\u{fffd}"));
                if name.contains('\0') && found.len() < check::MAX_VIOLATIONS {
                    let expected = "a name without NUL characters";
                    found.push(Violation::new(&at, Value::Null, expected));
                }
                replace_nuls(value, &at, found);
            }
        }
        _ => {}
    }
}

async fn json_bytes(request: Request) -> Result<Bytes, ApiError> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    if !content_type.starts_with("application/json") {
        return Err(ApiError::UnsupportedMedia(format!(
            "content-type is {content_type:?}, want application/json"
        )));
    }
    let visit = request.extensions().get::<Visit>();
    let visit = visit.ok_or_else(|| anyhow::anyhow!("a request came past the layers"))?;
    let (max_bytes, within) = (visit.class.limits().body_bytes, visit.body_within);
    read(request.into_body(), max_bytes, within).await
}

async fn read(
    body: axum::body::Body,
    max_bytes: usize,
    within: Duration,
) -> Result<Bytes, ApiError> {
    let whole = async {
        let mut bytes = BytesMut::new();
        let mut n_bytes = 0;
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|e| ApiError::Malformed(format!("the body ended early: {e}")))?;
            n_bytes += chunk.len();
            if n_bytes > MAX_DRAINED {
                break;
            }
            if n_bytes <= max_bytes {
                bytes.extend_from_slice(&chunk);
            }
        }
        if n_bytes > max_bytes {
            return Err(ApiError::TooLarge(format!(
                "the body has more than the {max_bytes} bytes that are read here"
            )));
        }
        Ok(bytes.freeze())
    };
    match tokio::time::timeout(within, whole).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::TooSlow(format!(
            "the body was not here within {} s",
            within.as_secs_f64()
        ))),
    }
}

/// A type that tells for itself whether its schema would admit it.
pub trait Checked {
    /// Texts lose their NUL characters, as those of [`Lossy`].
    const LOSES_NULS: bool = false;

    /// True only where the schema has nothing against it.
    fn is_admitted(&self) -> bool;
}

/// A JSON body that comes often and is nearly always right: read straight into its type, and only where that fails by way
/// of its schema, which names every mistake.
pub struct Quick<T>(pub T);

impl<S: Send + Sync, T: JsonSchema + DeserializeOwned + Checked + 'static> FromRequest<S>
    for Quick<T>
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read_quick(&json_bytes(request).await?).map(Self)
    }
}

fn read_quick<T: JsonSchema + DeserializeOwned + Checked + 'static>(
    bytes: &[u8],
) -> Result<T, ApiError> {
    if !mentions_nul(bytes)
        && let Ok(value) = serde_json::from_slice::<T>(bytes)
        && value.is_admitted()
    {
        return Ok(value);
    }
    let value = match T::LOSES_NULS {
        true => without_nuls(bytes)?,
        false => storable(bytes)?,
    };
    Ok(check::document(&value)?)
}

impl<S: Send + Sync, T: JsonSchema + DeserializeOwned + 'static> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Raw::<T>(raw, _) = Raw::from_request(request, state).await?;
        Ok(Self(check::document(&raw)?))
    }
}

impl<S: Send + Sync, T: JsonSchema + DeserializeOwned + 'static> FromRequest<S> for Lossy<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let value = without_nuls(&json_bytes(request).await?)?;
        Ok(Self(check::document(&value)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::Malformed(rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::Malformed(rejection.body_text())),
        }
    }
}

impl<T: JsonSchema> OperationInput for Raw<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Quick<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Lossy<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for At<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Path::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Params<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Query::<T>::operation_input(ctx, operation);
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let id = serde_json::to_value(&self.0)
            .ok()
            .and_then(|value| Some(value.get("id")?.as_str()?.to_owned()));
        let mut response = (StatusCode::CREATED, Json(self.0)).into_response();
        if let Some(id) = id {
            response.extensions_mut().insert(MadeId(id));
        }
        response
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        Json::<T>::operation_response(ctx, operation)
            .map(|response| (Some(201), response))
            .into_iter()
            .collect()
    }
}
