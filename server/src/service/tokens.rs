//! Handing out access: tokens, the one-time login, the machine's own admin token.

use std::io;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cultivar_spec::TokenId;
use cultivar_spec::wire::{CreatedToken, NewToken, Scope};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::fs;

use crate::auth::{Principal, Secret};
use crate::error::ApiError;
use crate::service::replay::{IdempotencyKey, Replay, once};
use crate::state::AppState;
use crate::store;
use crate::store::token::NewRow;
use crate::tx::run_tx;

/// How long a browser stays logged in, in seconds.
pub const SESSION_S: u64 = 30 * 24 * 3600;
/// How long a printed login URL works, in seconds.
const LOGIN_S: u64 = 24 * 3600;

/// What is kept of a token's creation: enough to tell its secret again to the caller who made it, and
/// to nobody else.
#[derive(Serialize, Deserialize)]
struct Minted {
    id: TokenId,
    salt: String,
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
    let label = key.0.clone().unwrap_or_default();
    let replay = Replay::new(&principal, key, "POST /api/v1/tokens", &new);
    let scope = new.scope;
    let derive = {
        let principal = principal.clone();
        move |salt: &[u8; 16]| Secret::from_bytes(principal.derive(salt, &label))
    };
    let derive_again = derive.clone();
    let minted = run_tx("create_token", &state.pool, move |conn| {
        Box::pin(once(conn, replay, move |conn| {
            Box::pin(async move {
                let salt: [u8; 16] = rand::rng().random();
                let row = NewRow {
                    name: &new.name,
                    scope: new.scope,
                    secret_hash: derive(&salt).hash(),
                    single_use: false,
                    expires_in_s: new.expires_in_s,
                };
                Ok(Minted {
                    id: store::token::insert(conn, row).await?,
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
        scope,
    })
}

/// Exchanges a login token for a session's secret.
///
/// # Errors
/// The token was used before, ran out or never was.
pub async fn login(state: &AppState, login_token: &str) -> Result<(Scope, Secret), ApiError> {
    const REFUSED: ApiError = ApiError::Unauthorized(
        "this login link was used before or ran out: restart the server for a fresh one",
    );
    let login = Secret::parse(login_token).ok_or(REFUSED)?;
    run_tx("login", &state.pool, move |conn| {
        Box::pin(async move {
            let scope = store::token::consume(conn, &login.hash())
                .await?
                .ok_or(REFUSED)?;
            let session = Secret::generate();
            let row = NewRow {
                name: "session",
                scope,
                secret_hash: session.hash(),
                single_use: false,
                expires_in_s: Some(SESSION_S),
            };
            store::token::insert(conn, row).await?;
            Ok((scope, session))
        })
    })
    .await
}

/// A login token for the page, good for one use.
///
/// # Errors
/// The database is out of reach.
pub async fn new_login(state: &AppState) -> Result<Secret, ApiError> {
    mint(state, "login", true, Some(LOGIN_S)).await
}

async fn mint(
    state: &AppState,
    name: &'static str,
    single_use: bool,
    expires_in_s: Option<u64>,
) -> Result<Secret, ApiError> {
    run_tx("mint_token", &state.pool, move |conn| {
        Box::pin(async move {
            let secret = Secret::generate();
            let row = NewRow {
                name,
                scope: Scope::Admin,
                secret_hash: secret.hash(),
                single_use,
                expires_in_s,
            };
            store::token::insert(conn, row).await?;
            Ok(secret)
        })
    })
    .await
}

/// Makes sure that this machine's admin token exists and works, in a file only its owner can read.
///
/// # Errors
/// The file cannot be written, or the database is out of reach.
pub async fn ensure_admin(state: &AppState) -> anyhow::Result<()> {
    let path = state.config.admin_token_file();
    if let Ok(text) = fs::read_to_string(&path).await
        && let Some(secret) = Secret::parse(text.trim())
        && let Some(token) = store::token::find(&state.pool, &secret.hash()).await?
        && token.scope == Scope::Admin
    {
        return Ok(());
    }
    let secret = mint(state, "admin token of this machine", false, None).await?;
    write_private(&path, &format!("{}\n", secret.reveal()))
        .await
        .with_context(|| format!("cannot write the admin token to {}", path.display()))
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
