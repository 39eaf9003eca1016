//! Who is calling, and whether they may: bearer tokens, the browser's session cookie, scopes.

use aide::OperationInput;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cultivar_spec::wire::Scope;
use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

/// A token's text: `cvt_` and 32 random bytes in base64url. Never stored, never printed by `Debug`.
#[derive(Clone)]
pub struct Secret(String);

const PREFIX: &str = "cvt_";

impl Secret {
    /// A fresh one from the operating system's randomness.
    pub fn generate() -> Self {
        Self::from_bytes(rand::rng().random())
    }

    /// The token whose random part is `bytes`.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a token's text; `None` where it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(PREFIX)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(random).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// What the database keeps. Looking a 256-bit secret up by its hash leaks nothing through timing.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Principal {
    pub token_id: Uuid,
    pub scope: Scope,
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
    secret: Secret,
}

impl Principal {
    /// Thirty-two bytes that only this caller can ask for again: with the same `salt` and `label` they
    /// are the same, and neither database nor log can tell them.
    pub fn derive(&self, salt: &[u8; 16], label: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"cultivar derived secret v1");
        hash.update(salt);
        hash.update(self.secret.0.as_bytes());
        hash.update(label.as_bytes());
        hash.finalize().into()
    }
}

impl FromRequestParts<AppState> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let secret = match bearer(&parts.headers)? {
            Some(secret) => secret,
            None => {
                let cookie = cookie(&parts.headers, &state.config.session_cookie()).ok_or(
                    ApiError::Unauthorized(
                        "no token: send Authorization: Bearer cvt_... or open the page's login URL",
                    ),
                )?;
                if !matches!(parts.method, Method::GET | Method::HEAD) {
                    same_origin(&parts.headers)?;
                }
                cookie
            }
        };
        let token = store::token::find(&state.pool, &secret.hash())
            .await?
            .ok_or(ApiError::Unauthorized(
                "this token is unknown, expired or revoked",
            ))?;
        Ok(Self {
            token_id: token.id,
            scope: token.scope,
            expires_at: token.expires_at,
            secret,
        })
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<Secret>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "))
        .and_then(|text| Secret::parse(text.trim()))
        .map(Some)
        .ok_or(ApiError::Unauthorized(
            "the Authorization header is not \"Bearer cvt_\" and 43 characters",
        ))
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| Secret::parse(value))
}

/// A browser sends its cookie with requests that other sites make; `Origin` tells them apart.
///
/// # Errors
/// The header is missing or names another host.
pub fn same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).unwrap_or_default();
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    if authority.is_some() && authority == text(header::HOST) {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "a write with the session cookie must come from this server's own page, not from {origin:?}"
    )))
}

/// Makes an extractor that admits some scopes only.
macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $what:literal, $($scope:ident)|+) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Principal);

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
                let principal = Principal::from_request_parts(parts, state).await?;
                match principal.scope {
                    $(Scope::$scope)|+ => Ok(Self(principal)),
                    other => Err(ApiError::Forbidden(format!(
                        "a token of scope {} may not {}", other.name(), $what,
                    ))),
                }
            }
        }

        impl OperationInput for $name {}
    };
}

guard!(
    /// May look at everything.
    Reader, "read this", Viewer | Submitter | Admin
);
guard!(
    /// May submit and cancel.
    Submitter, "change this", Submitter | Admin
);
guard!(
    /// May hold leases.
    LeaseHolder, "claim or write leases", Worker | Admin
);
guard!(
    /// May store blobs.
    BlobWriter, "store artifacts", Submitter | Worker | Admin
);
guard!(
    /// May hand out access.
    Admin, "manage access", Admin
);

impl OperationInput for Principal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_43_random_characters_and_stays_out_of_debug() {
        let secret = Secret::generate();
        assert_eq!(secret.reveal().len(), 4 + 43);
        assert!(Secret::parse(secret.reveal()).is_some());
        assert!(Secret::parse(&secret.reveal()[..46]).is_none());
        assert!(!format!("{secret:?}").contains(&secret.reveal()[4..]));
    }

    #[test]
    fn an_origin_must_name_the_host() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:7878".parse().unwrap());
        assert!(same_origin(&headers).is_err());
        headers.insert(header::ORIGIN, "http://evil.example".parse().unwrap());
        assert!(same_origin(&headers).is_err());
        headers.insert(header::ORIGIN, "http://127.0.0.1:7878".parse().unwrap());
        assert!(same_origin(&headers).is_ok());
    }
}
