//! Who is calling, and whether they may: bearer tokens, the browser's session cookie, scopes.

use std::time::Instant;

use aide::OperationInput;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use cultivar_spec::wire::Scope;
use cultivar_spec::{LeaseId, Secret, SecretKind, WorkerId};
use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::Config;
use crate::error::ApiError;
use crate::limits::{Class, Key};
use crate::service::combine::Combiner;
use crate::service::jobs;
use crate::state::AppState;
use crate::store;
use crate::store::token::ValidToken;
use crate::visit::{Caller, Visit};

/// A fresh credential, from the operating system's randomness.
pub fn generate(kind: SecretKind) -> Secret {
    Secret::new(kind, rand::rng().random())
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Principal {
    pub token_id: Uuid,
    pub scope: Scope,
    /// The only worker it may act as, if it came from an enrolment.
    worker: Option<WorkerId>,
    secret: Secret,
}

impl Principal {
    /// Thirty-two bytes that only this caller can ask for again: with the same `salt` and `label` they
    /// are the same, and neither database nor log can tell them.
    pub fn derive(&self, salt: &[u8; 16], label: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"cultivar derived secret v1");
        hash.update(salt);
        hash.update(self.secret.reveal().as_bytes());
        hash.update(label.as_bytes());
        hash.finalize().into()
    }

    fn new(token: ValidToken, secret: Secret) -> Self {
        Self {
            token_id: token.id,
            scope: token.scope,
            worker: token.worker,
            secret,
        }
    }

    /// Tells the layers around the handler who calls.
    ///
    /// # Errors
    /// The caller comes too often.
    fn is_here(&self, visit: Option<&Visit>, state: &AppState) -> Result<(), ApiError> {
        let Some(visit) = visit else {
            return Ok(());
        };
        let caller = Caller {
            token_id: self.token_id,
            scope: self.scope,
        };
        // A second extractor of one handler finds it told already.
        if visit.caller.set(caller).is_ok() {
            draw(state, visit.class, Key::Token(self.token_id))?;
        }
        Ok(())
    }

    /// What kind of credential the caller came with.
    pub fn secret_kind(&self) -> SecretKind {
        self.secret.kind()
    }

    /// Refuses that an enrolled worker's token speaks for another worker.
    ///
    /// # Errors
    /// It is another.
    pub fn act_as(&self, worker: WorkerId) -> Result<(), ApiError> {
        match self.worker {
            Some(own) if own != worker => Err(ApiError::Forbidden(format!(
                "this token was made for worker {own} and cannot speak for {worker}: enrol that one too"
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses that it writes to another worker's attempt: lease ids are no secret.
    ///
    /// # Errors
    /// It is another's, or there is no such lease.
    pub async fn act_on(&self, state: &AppState, lease: LeaseId) -> Result<(), ApiError> {
        match self.worker {
            Some(_) => self.act_as(jobs::of_lease(state, lease).await?.worker),
            None => Ok(()),
        }
    }
}

impl FromRequestParts<AppState> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let visit = parts.extensions.get::<Visit>().cloned();
        match recognise(parts, state).await {
            Ok(principal) => {
                principal.is_here(visit.as_ref(), state)?;
                Ok(principal)
            }
            Err(ApiError::Unauthorized(why)) => {
                // Whoever guesses does it slowly; whoever holds a token is not held up by him.
                if let Some(visit) = visit {
                    draw(state, Class::Door, Key::of_address(visit.ip))?;
                }
                Err(ApiError::Unauthorized(why))
            }
            Err(error) => Err(error),
        }
    }
}

/// Draws one request from a bucket.
///
/// # Errors
/// It is empty.
pub fn draw(state: &AppState, class: Class, key: Key) -> Result<(), ApiError> {
    state
        .buckets
        .take(class, key, Instant::now())
        .map_err(ApiError::TooMany)
}

async fn recognise(parts: &Parts, state: &AppState) -> Result<Principal, ApiError> {
    let secret = match bearer(&parts.headers)? {
        Some(secret) => secret,
        None => {
            let cookie = cookie(&parts.headers, &state.config.session_cookie()).ok_or(
                ApiError::unauthorized(
                    "no token: send Authorization: Bearer cvt_... or open the page's login URL",
                ),
            )?;
            if !matches!(parts.method, Method::GET | Method::HEAD) {
                same_origin(&parts.headers, &state.config)?;
            }
            cookie
        }
    };
    confirmed(state, secret).await
}

/// What a caller hears whose token may not be used.
pub fn refused() -> ApiError {
    ApiError::unauthorized("this token is unknown, expired or revoked")
}

/// Looks the token up.
///
/// # Errors
/// It may not be used.
async fn confirmed(state: &AppState, secret: Secret) -> Result<Principal, ApiError> {
    let token = known(state, &secret).await?;
    let token = token.ok_or_else(refused)?;
    Ok(Principal::new(token, secret))
}

/// A holder of leases whom this replica met a short time ago, or met just now. The token may have ended since: a statement that
/// stores something looks at it by itself, and before anything else is answered it is to be [confirmed](Self::confirm).
pub struct Familiar(LeaseHolder);

impl Familiar {
    pub fn token_id(&self) -> Uuid {
        self.0.0.token_id
    }

    /// What [`Principal::act_as`] says.
    ///
    /// # Errors
    /// It speaks for another worker.
    pub fn act_as(&self, worker: WorkerId) -> Result<(), ApiError> {
        self.0.0.act_as(worker)
    }

    /// Looks the token up.
    ///
    /// # Errors
    /// It may not be used any more.
    pub async fn confirm(&self, state: &AppState) -> Result<(), ApiError> {
        confirmed(state, self.0.0.secret.clone()).await.map(|_| ())
    }

    /// What was answered. An error is told only to somebody whose token may be used.
    ///
    /// # Errors
    /// That one, or that it may not.
    pub async fn unless_gone<T>(
        &self,
        state: &AppState,
        answered: Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        match answered {
            Err(error) => self.confirm(state).await.and(Err(error)),
            answered => answered,
        }
    }
}

impl From<LeaseHolder> for Familiar {
    fn from(holder: LeaseHolder) -> Self {
        Self(holder)
    }
}

impl FromRequestParts<AppState> for Familiar {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(secret) = bearer(&parts.headers)?
            && let Some(token) = state.tokens.recall(&secret)
            && let Ok(holder) = LeaseHolder::admit(Principal::new(token, secret))
        {
            holder.0.is_here(parts.extensions.get::<Visit>(), state)?;
            return Ok(Self(holder));
        }
        LeaseHolder::from_request_parts(parts, state)
            .await
            .map(Self)
    }
}

impl OperationInput for Familiar {}

/// Where callers wait to be recognised, many by one look at the tokens. Only [`Familiar`] counts on what was seen before, so that
/// a revoked token ends at once on every replica.
pub type Door = Combiner<Secret, Option<ValidToken>>;

pub fn door() -> Door {
    Combiner::new(256)
}

/// The token with this secret, if it may be used.
///
/// # Errors
/// The database is out of reach.
pub async fn known(state: &AppState, secret: &Secret) -> Result<Option<ValidToken>, ApiError> {
    let serve = |secrets: Vec<Secret>, turn| {
        let hot = state.hot.clone();
        async move {
            let mut conn = hot.lend().await?;
            let found = store::token::find(&mut conn, &secrets).await?;
            conn.keep();
            drop(turn);
            Ok(found)
        }
    };
    let token = state.door.join(secret.clone()).answered(serve).await?;
    match &token {
        Some(token) => state.tokens.remember(secret, token.clone()),
        None => state.tokens.forget(secret),
    }
    Ok(token)
}

fn bearer(headers: &HeaderMap) -> Result<Option<Secret>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().ok();
    let Some(text) = text.and_then(|text| text.strip_prefix("Bearer ")) else {
        return Err(ApiError::unauthorized(
            "the Authorization header is not \"Bearer cvt_...\"",
        ));
    };
    match Secret::parse(SecretKind::Access, text.trim()) {
        Ok(secret) => Ok(Some(secret)),
        Err(why) => Err(ApiError::unauthorized(why)),
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| Secret::parse(SecretKind::Session, value).ok())
}

/// A browser sends its cookie with requests that other sites make; `Origin` tells them apart. The scheme
/// counts too: a page that came without TLS may be anybody's.
///
/// # Errors
/// The header is missing or names another host.
pub fn same_origin(headers: &HeaderMap, config: &Config) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).unwrap_or_default();
    let scheme = match config.is_secure() {
        true => "https",
        false => "http",
    };
    let own = text(header::HOST).map(|host| format!("{scheme}://{host}"));
    if own.as_deref() == Some(origin) || config.public_url.as_deref() == Some(origin) {
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
                Self::admit(Principal::from_request_parts(parts, state).await?)
            }
        }

        impl $name {
            /// # Errors
            /// The caller's scope does not allow it.
            fn admit(principal: Principal) -> Result<Self, ApiError> {
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
    fn an_origin_must_name_the_host_and_the_scheme() {
        let address = ([127, 0, 0, 1], 7878).into();
        let mut config = Config::new("/".into(), String::new(), address);
        let check = |config: &Config, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:7878".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            same_origin(&headers, config).is_ok()
        };
        assert!(!check(&config, None));
        assert!(!check(&config, Some("null")));
        assert!(!check(&config, Some("http://evil.example")));
        assert!(!check(&config, Some("https://127.0.0.1:7878")));
        assert!(check(&config, Some("http://127.0.0.1:7878")));

        config.public_url = Some("https://cultivar.example".into());
        assert!(check(&config, Some("https://cultivar.example")));
        assert!(check(&config, Some("https://127.0.0.1:7878")));
        assert!(!check(&config, Some("http://127.0.0.1:7878")));
    }
}
