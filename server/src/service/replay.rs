//! Replayable writes: the same Idempotency-Key and body get the same answer, and one effect (I4).

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use cultivar_spec::canonical_json;
use cultivar_spec::wire::IDEMPOTENCY_KEY;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::auth::Principal;
use crate::error::ApiError;
use crate::openapi;
use crate::store::{self, Step};

/// The request's Idempotency-Key, if it has one.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Option<String>);

/// What a replay is recognised by. Keys of different callers never meet.
pub struct Replay {
    key: Option<String>,
    route: &'static str,
    request_hash: [u8; 32],
}

impl Replay {
    pub fn new(
        principal: &Principal,
        key: IdempotencyKey,
        route: &'static str,
        request: &impl Serialize,
    ) -> Self {
        Self {
            key: key.0.map(|key| format!("{}:{key}", principal.token_id)),
            route,
            request_hash: Sha256::digest(canonical_json(request).as_bytes()).into(),
        }
    }
}

/// Runs `effect`, unless it ran before under this key: then returns what it returned.
///
/// # Errors
/// What `effect` returns, and nothing is kept; or a conflict if the key came with another body.
pub async fn once<T, F>(conn: &mut PgConnection, replay: Replay, effect: F) -> Result<T, ApiError>
where
    T: Serialize + DeserializeOwned,
    F: for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, T>,
{
    let Some(key) = replay.key.filter(|_| !cfg!(feature = "broken-idempotency")) else {
        return effect(conn).await;
    };
    store::idempotency::lock(conn, &key, replay.route).await?;
    if let Some((hash, response)) = store::idempotency::find(conn, &key, replay.route).await? {
        if hash != replay.request_hash {
            return Err(ApiError::Conflict(
                "this Idempotency-Key came with another body before: use a fresh key for a new request".into(),
            ));
        }
        return serde_json::from_value(response).map_err(|e| ApiError::Internal(e.into()));
    }
    let value = effect(conn).await?;
    let response = serde_json::to_value(&value).map_err(|e| ApiError::Internal(e.into()))?;
    store::idempotency::keep(conn, &key, replay.route, &replay.request_hash, &response).await?;
    Ok(value)
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(None));
        };
        match value.to_str() {
            Ok(key) if (1..=200).contains(&key.len()) => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::Malformed(
                "an Idempotency-Key has 1 to 200 printable ASCII characters".into(),
            )),
        }
    }
}

impl OperationInput for IdempotencyKey {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        /// Documents the header.
        #[derive(JsonSchema)]
        #[schemars(inline)]
        #[allow(dead_code)]
        struct Header {
            /// Makes the request replayable: the same key and body get the same answer once more. 1 to 200 printable
            /// ASCII characters.
            #[serde(rename = "Idempotency-Key")]
            #[schemars(length(min = 1, max = 200), regex(pattern = "^[ -~]+$"))]
            idempotency_key: Option<String>,
        }
        openapi::add_headers::<Header>(ctx, operation);
    }
}
