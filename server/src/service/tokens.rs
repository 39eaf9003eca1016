//! Handing out access: tokens, their rotation, enrolments, the one-time login, the machine's own admin token.

use std::io;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cultivar_spec::wire::{
    CreatedToken, Enrolment, LoginLink, NewEnrolment, NewToken, Rotation, Scope,
};
use cultivar_spec::{Secret, SecretKind, TokenId, WorkerId};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio::fs;

use crate::auth::{self, Principal, generate};
use crate::error::ApiError;
use crate::service::replay::{IdempotencyKey, Replay, once};
use crate::state::AppState;
use crate::store::token::{Inserted, NewRow};
use crate::store::{self, Step};
use crate::tx::run_tx;

/// How long a browser stays logged in, in seconds.
pub const SESSION_S: u64 = 30 * 24 * 3600;
/// How long a login link works, in seconds.
const LOGIN_S: u64 = 24 * 3600;

/// What is kept of a token's creation: enough to tell its secret again to the caller who made it, and
/// to nobody else.
#[derive(Serialize, Deserialize)]
struct Minted {
    id: TokenId,
    scope: Scope,
    salt: String,
}

/// A token but for its secret.
struct Blank {
    name: String,
    scope: Scope,
    expires_in_s: Option<u64>,
    worker: Option<WorkerId>,
    replaces: Option<TokenId>,
}

/// Creates a token.
///
/// # Errors
/// The Idempotency-Key came with another body.
pub async fn create(
    state: &AppState,
    principal: Principal,
    key: IdempotencyKey,
    new: NewToken,
) -> Result<CreatedToken, ApiError> {
    let replay = Replay::new(&principal, key.clone(), "POST /api/v1/tokens", &new);
    mint(
        state,
        principal,
        key,
        replay,
        SecretKind::Access,
        move |_| {
            Box::pin(async move {
                Ok(Blank {
                    name: new.name,
                    scope: new.scope,
                    expires_in_s: new.expires_in_s,
                    worker: None,
                    replaces: None,
                })
            })
        },
    )
    .await
}

/// Gives a token a successor of the same name, scope and lifetime; the old one works for a while longer.
///
/// # Errors
/// There is no such valid token.
pub async fn rotate(
    state: &AppState,
    principal: Principal,
    key: IdempotencyKey,
    id: TokenId,
    rotation: Rotation,
) -> Result<CreatedToken, ApiError> {
    let request = (id, &rotation);
    let replay = Replay::new(
        &principal,
        key.clone(),
        "POST /api/v1/tokens/{id}/rotate",
        &request,
    );
    mint(
        state,
        principal,
        key,
        replay,
        SecretKind::Access,
        move |conn| {
            Box::pin(async move {
                let old = store::token::lock_for_rotation(conn, id).await?;
                let old = old.ok_or_else(|| ApiError::no_such("valid API token", id))?;
                store::token::end_within(conn, id, rotation.overlap_s).await?;
                Ok(Blank {
                    name: old.name,
                    scope: old.scope,
                    expires_in_s: old.lifetime_s,
                    worker: old.worker,
                    replaces: Some(id),
                })
            })
        },
    )
    .await
}

/// Creates a token that one worker exchanges, once, for its own.
///
/// # Errors
/// The Idempotency-Key came with another body.
pub async fn new_enrolment(
    state: &AppState,
    principal: Principal,
    key: IdempotencyKey,
    new: NewEnrolment,
) -> Result<CreatedToken, ApiError> {
    let replay = Replay::new(
        &principal,
        key.clone(),
        "POST /api/v1/workers/enrolments",
        &new,
    );
    mint(
        state,
        principal,
        key,
        replay,
        SecretKind::Enrolment,
        move |_| {
            Box::pin(async move {
                Ok(Blank {
                    name: new.name,
                    scope: Scope::Worker,
                    expires_in_s: Some(new.expires_in_s),
                    worker: None,
                    replaces: None,
                })
            })
        },
    )
    .await
}

/// Makes the secret that only this caller can ask for again, and its row, once per Idempotency-Key.
async fn mint<F>(
    state: &AppState,
    principal: Principal,
    key: IdempotencyKey,
    replay: Replay,
    kind: SecretKind,
    blank: F,
) -> Result<CreatedToken, ApiError>
where
    F: for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, Blank> + Send + 'static,
{
    let label = key.0.unwrap_or_default();
    let derive = move |salt: &[u8; 16]| Secret::new(kind, principal.derive(salt, &label));
    let derive_again = derive.clone();
    let minted = run_tx("mint_token", &state.pool, move |conn| {
        Box::pin(once(conn, replay, move |conn| {
            Box::pin(async move {
                let blank = blank(conn).await?;
                let salt: [u8; 16] = rand::rng().random();
                let row = NewRow {
                    name: &blank.name,
                    scope: blank.scope,
                    secret: &derive(&salt),
                    expires_in_s: blank.expires_in_s,
                    worker: blank.worker,
                    replaces: blank.replaces,
                };
                Ok(Minted {
                    id: store::token::insert(conn, row).await?.id,
                    scope: blank.scope,
                    salt: BASE64_STANDARD.encode(salt),
                })
            })
        }))
    })
    .await?;
    let salt = BASE64_STANDARD
        .decode(&minted.salt)
        .ok()
        .and_then(|salt| salt.try_into().ok());
    let salt: [u8; 16] = salt.context("a stored salt has 16 bytes")?;
    Ok(CreatedToken {
        id: minted.id,
        token: derive_again(&salt).reveal().to_owned(),
        scope: minted.scope,
    })
}

/// Exchanges an enrolment for a worker's own token.
///
/// # Errors
/// It was used before, ran out or never was.
pub async fn enroll(state: &AppState, enrolment: Enrolment) -> Result<CreatedToken, ApiError> {
    let refused = || {
        ApiError::unauthorized(
            "this enrolment was used before or ran out: make another with cultivar worker enroll-token",
        )
    };
    let used = Secret::parse(SecretKind::Enrolment, &enrolment.enrol_token)
        .map_err(ApiError::unauthorized)?;
    run_tx("enroll", &state.pool, move |conn| {
        Box::pin(async move {
            let token = store::token::consume(conn, &used).await?;
            let token = token.ok_or_else(refused)?;
            let own = generate(SecretKind::Access);
            let row = NewRow {
                name: &token.name,
                scope: token.scope,
                secret: &own,
                expires_in_s: None,
                worker: Some(enrolment.worker),
                replaces: None,
            };
            Ok(CreatedToken {
                id: store::token::insert(conn, row).await?.id,
                token: own.reveal().to_owned(),
                scope: token.scope,
            })
        })
    })
    .await
}

/// Exchanges a login link's token for a session's secret.
///
/// # Errors
/// The token was used before, ran out or never was.
pub async fn login(state: &AppState, login_token: &str) -> Result<(Scope, Secret), ApiError> {
    let refused = || {
        ApiError::unauthorized(
            "this login link was used before or ran out: make another with cultivar login-url",
        )
    };
    let login = Secret::parse(SecretKind::Login, login_token).map_err(ApiError::unauthorized)?;
    run_tx("login", &state.pool, move |conn| {
        Box::pin(async move {
            let token = store::token::consume(conn, &login).await?;
            let token = token.ok_or_else(refused)?;
            let session = generate(SecretKind::Session);
            let row = NewRow {
                name: "session",
                scope: token.scope,
                secret: &session,
                expires_in_s: Some(SESSION_S),
                worker: None,
                replaces: None,
            };
            store::token::insert(conn, row).await?;
            Ok((token.scope, session))
        })
    })
    .await
}

/// Ends the session that the caller came with.
///
/// # Errors
/// The caller came with an API token, which is revoked elsewhere.
pub async fn logout(state: &AppState, principal: &Principal) -> Result<(), ApiError> {
    if principal.secret_kind() != SecretKind::Session {
        return Err(ApiError::Conflict(
            "this is no browser session: revoke a token with DELETE /api/v1/tokens/{id}".into(),
        ));
    }
    store::token::revoke(&state.pool, TokenId(principal.token_id)).await?;
    Ok(())
}

/// A login token for the page, good for one use.
///
/// # Errors
/// The database is out of reach.
pub async fn new_login(state: &AppState) -> Result<Secret, ApiError> {
    Ok(mint_login(state).await?.0)
}

/// A link to the page at `origin` that logs a browser in, once; and the id of its token.
///
/// # Errors
/// The database is out of reach.
pub async fn new_link(state: &AppState, origin: &str) -> Result<(TokenId, LoginLink), ApiError> {
    let (login, made) = mint_login(state).await?;
    let link = LoginLink {
        url: login_url(origin, &login),
        expires_at: made.expires_at.context("a login token runs out")?,
    };
    Ok((made.id, link))
}

/// The page at `origin`, with a login token in the fragment: no request and no log of requests has it.
pub fn login_url(origin: &str, login: &Secret) -> String {
    format!("{origin}/#login={}", login.reveal())
}

async fn mint_login(state: &AppState) -> Result<(Secret, Inserted), ApiError> {
    mint_own(
        state,
        "login",
        Scope::Admin,
        SecretKind::Login,
        Some(LOGIN_S),
    )
    .await
}

async fn mint_own(
    state: &AppState,
    name: &'static str,
    scope: Scope,
    kind: SecretKind,
    expires_in_s: Option<u64>,
) -> Result<(Secret, Inserted), ApiError> {
    run_tx("mint_own", &state.pool, move |conn| {
        Box::pin(async move {
            let secret = generate(kind);
            let row = NewRow {
                name,
                scope,
                secret: &secret,
                expires_in_s,
                worker: None,
                replaces: None,
            };
            let made = store::token::insert(conn, row).await?;
            Ok((secret, made))
        })
    })
    .await
}

/// Makes sure that this machine's tokens exist and work, each in a file that only its owner can read: one for its admin, and one
/// for workers that `cultivar up` starts, which need not be able to do more.
///
/// # Errors
/// A file cannot be written, or the database is out of reach.
pub async fn ensure_local(state: &AppState) -> anyhow::Result<()> {
    let config = &state.config;
    let admin = config.admin_token_file();
    ensure(state, "admin token of this machine", Scope::Admin, &admin).await?;
    let worker = config.worker_token_file();
    ensure(state, "workers of this machine", Scope::Worker, &worker).await
}

async fn ensure(
    state: &AppState,
    name: &'static str,
    scope: Scope,
    path: &Path,
) -> anyhow::Result<()> {
    if let Ok(text) = fs::read_to_string(path).await
        && let Ok(secret) = Secret::parse(SecretKind::Access, text.trim())
        && let Some(token) = auth::known(state, &secret).await?
        && token.scope == scope
    {
        return Ok(());
    }
    let (secret, _) = mint_own(state, name, scope, SecretKind::Access, None).await?;
    write_private(path, &format!("{}\n", secret.reveal()))
        .await
        .with_context(|| format!("cannot write the {name} to {}", path.display()))
}

/// Writes a file that only its owner may read, whole or not at all.
async fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use tokio::io::AsyncWriteExt;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::remove_file(&temporary).await.ok();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .await?;
    file.write_all(text.as_bytes()).await?;
    file.sync_all().await?;
    fs::rename(&temporary, path).await
}
