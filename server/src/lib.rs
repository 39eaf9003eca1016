//! The Cultivar server: routes above, services in the middle, SQL below. Stateless; run one or ten.

mod audit;
pub mod auth;
pub mod blobs;
pub mod config;
pub mod error;
mod extract;
pub mod hot;
mod http;
pub mod limits;
mod listen;
pub mod live;
pub mod metrics;
pub mod openapi;
mod routes;
pub mod service;
pub mod state;
pub mod store;
mod tls;
pub mod tx;
mod visit;
mod web;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

pub use crate::config::Config;
pub use crate::state::AppState;

/// How long open requests may take to end after a shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(10);

/// The whole HTTP surface.
pub fn app(state: AppState) -> Router {
    let (router, api) = openapi::describe(routes::api());
    let api = serde_json::to_string(&api).expect("the description serializes");
    let compressible =
        DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"));
    router
        .route("/api/openapi.json", get(openapi_json))
        .layer(Extension(Arc::<str>::from(api)))
        .fallback(web::serve)
        .method_not_allowed_fallback(http::no_such_method)
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(CatchPanicLayer::custom(http::panicked))
        .layer(from_fn_with_state(state.clone(), audit::record))
        .layer(from_fn_with_state(state.clone(), http::admit))
        .layer(from_fn_with_state(state.clone(), http::check_host))
        .layer(from_fn_with_state(state.clone(), http::observe))
        .with_state(state)
}

async fn openapi_json(Extension(api): Extension<Arc<str>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        api.to_string(),
    )
}

/// Connects, migrates and serves until `shutdown`. `ready` runs once requests are about to be answered.
///
/// # Errors
/// The database, the blob store or the certificate cannot be opened.
pub async fn serve<F, R>(
    mut config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    ready: F,
) -> anyhow::Result<()>
where
    F: FnOnce(AppState) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    config.local_addr = listener
        .local_addr()
        .context("the listener has no address")?;
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let state = AppState::open(config, shutdown.clone()).await?;
    service::tokens::ensure_local(&state).await?;
    let loops = [
        tokio::spawn(service::reaper::reap_lost(state.clone())),
        tokio::spawn(service::reaper::watch_queue(state.clone())),
        tokio::spawn(service::reaper::prune(state.clone())),
        tokio::spawn(service::collect::run(state.clone())),
        tokio::spawn(live::run(state.clone())),
    ];
    ready(state.clone()).await?;
    let pace = state.config.pace;
    let server = listen::run(listener, tls, pace, app(state.clone()), shutdown.clone());
    let drained_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = server => {}
        () = drained_late => tracing::warn!("requests still open after {DRAIN:?} were cut"),
    }
    for running in loops {
        running.await.ok();
    }
    state.hot.close().await;
    state.pool.close().await;
    Ok(())
}
