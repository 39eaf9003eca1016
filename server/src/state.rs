//! What handlers and background loops share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Door};
use crate::blobs::Blobs;
use crate::config::Config;
use crate::limits::Buckets;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::service::desk::{self, Desk};
use crate::service::heartbeat::{self, Pulse};
use crate::service::manifests::Manifests;
use crate::service::ranking::Rankings;
use crate::service::scheduling::Schedules;
use crate::service::sota;

const NOT_MIGRATED: &str = "the database schema cannot be brought up to date";

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    pub pool: PgPool,
    pub blobs: Blobs,
    pub manifests: Manifests,
    /// Leaderboards and transfer reports computed before.
    pub rankings: Rankings,
    /// What schedulers have seen.
    pub schedules: Schedules,
    pub metrics: Arc<Metrics>,
    /// What callers may still ask for.
    pub buckets: Arc<Buckets>,
    /// What open pages are told.
    pub live: Live,
    /// Woken when a job may have become claimable.
    pub queue: Arc<Notify>,
    /// Woken when a sweep that waits for room may have got some.
    pub feeder: Arc<Notify>,
    /// Where callers wait to be recognised.
    pub door: Arc<Door>,
    /// Where claims wait for their turn.
    pub desk: Arc<Desk>,
    /// Where heartbeats do.
    pub pulse: Arc<Pulse>,
    /// Ends long polls, streams and loops.
    pub shutdown: CancellationToken,
}

impl AppState {
    /// Connects, migrates, brings the shipped published results up to date and opens the blob store.
    ///
    /// # Errors
    /// The database is out of reach or cannot be migrated, or the blob folder cannot be written.
    pub async fn open(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let pool = connect(&config.database_url).await?;
        MIGRATIONS.run(&pool).await.context(NOT_MIGRATED)?;
        sota::seed(&pool).await?;
        let blobs = Blobs::open(config.blobs_dir()).await?;
        Ok(Self {
            pool,
            manifests: Manifests::new(blobs.clone()),
            rankings: Rankings::default(),
            schedules: Schedules::default(),
            blobs,
            buckets: Arc::new(Buckets::new(config.rate_scale)),
            config: Arc::new(config),
            metrics: Arc::default(),
            live: Live::default(),
            queue: Arc::default(),
            feeder: Arc::default(),
            door: Arc::new(auth::door()),
            desk: Arc::new(desk::open()),
            pulse: Arc::new(heartbeat::pulse()),
            shutdown,
        })
    }
}

/// The number of the newest migration that this server knows.
pub fn newest_schema() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

/// Brings the schema of a database to the migration `target`.
///
/// # Errors
/// A migration fails, or the database has one that this server does not know.
pub async fn migrate_to(conn: &mut PgConnection, target: i64) -> anyhow::Result<()> {
    MIGRATIONS.run_to(target, conn).await.context(NOT_MIGRATED)
}

/// What a Postgres URL says, and what this server adds to it.
///
/// # Errors
/// It is none; the message does not repeat it.
pub fn connect_options(url: &str) -> anyhow::Result<PgConnectOptions> {
    const WANTED: &str = "DATABASE_URL is not a Postgres URL such as postgres://user@host/database";
    anyhow::ensure!(
        url.starts_with("postgres://") || url.starts_with("postgresql://"),
        WANTED
    );
    let options: PgConnectOptions = url.parse().context(WANTED)?;
    Ok(options
        .application_name("cultivar-server")
        .options([("idle_in_transaction_session_timeout", "60s")]))
}

/// Tries once before it makes a pool, since a pool would hide why it cannot connect.
async fn connect(url: &str) -> anyhow::Result<PgPool> {
    let options = connect_options(url)?;
    let place = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options.get_database().unwrap_or("postgres").to_owned();
    let probe = tokio::time::timeout(
        Duration::from_secs(10),
        sqlx::PgConnection::connect_with(&options),
    )
    .await
    .map_err(|_| anyhow::anyhow!("no answer within 10 s"))
    .and_then(|result| result.map_err(anyhow::Error::from))
    .with_context(|| format!("cannot reach the database {database} at {place}"))?;
    probe.close().await.ok();
    Ok(PgPoolOptions::new()
        .max_connections(20)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options))
}
