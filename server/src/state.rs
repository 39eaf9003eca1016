//! What handlers and background loops share.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};
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
use crate::hot::{Hot, PATIENCE, RESTED};
use crate::limits::Buckets;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::service::desk::{self, Desk};
use crate::service::front::Front;
use crate::service::heartbeat::{self, Pulse};
use crate::service::jobs::Jobs;
use crate::service::known::{Tokens, Workers};
use crate::service::ledger::{self, Ledger};
use crate::service::manifests::Manifests;
use crate::service::ranking::Rankings;
use crate::service::scheduling::Schedules;
use crate::service::sota;

const NOT_MIGRATED: &str = "the database schema cannot be brought up to date";

/// Connections of one replica, at most.
const N_CONNECTIONS: u32 = 20;
const N_HOT_CONNECTIONS: u32 = 8;

/// Those that only a newer server knows are left alone: during an upgrade this one may have to start once more beside it.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut known = sqlx::migrate!("../migrations");
    known.set_ignore_missing(true);
    known
});

/// What is shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The parts of [`AppState`].
pub struct Shared {
    pub config: Arc<Config>,
    pub pool: PgPool,
    /// For tokens, claims, heartbeats and finishes. Every statement here finds its rows by key; see [`by_key`].
    pub hot: Hot,
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
    pub front: Front,
    /// Where heartbeats do.
    pub pulse: Arc<Pulse>,
    /// Where finishes do.
    pub ledger: Arc<Ledger>,
    /// What leases are about.
    pub jobs: Arc<Jobs>,
    /// Who has claimed here.
    pub workers: Arc<Workers>,
    /// With what.
    pub tokens: Arc<Tokens>,
    /// Ends long polls, streams and loops.
    pub shutdown: CancellationToken,
}

impl AppState {
    /// Connects, migrates, brings the shipped published results up to date and opens the blob store.
    ///
    /// # Errors
    /// The database is out of reach or cannot be migrated, or the blob folder cannot be written.
    pub async fn open(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let options = connect(&config.database_url).await?;
        // Workers claim and finish in turns.
        let crowd = Arc::default();
        let pool = pool_of(N_CONNECTIONS, options.clone());
        MIGRATIONS.run(&pool).await.context(NOT_MIGRATED)?;
        sota::seed(&pool).await?;
        let blobs = Blobs::open(config.blobs_dir()).await?;
        let shared = Shared {
            pool,
            hot: Hot::new(
                pool_of(N_HOT_CONNECTIONS, by_key(options)),
                N_HOT_CONNECTIONS,
            ),
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
            desk: Arc::new(desk::open(Arc::clone(&crowd))),
            front: Front::default(),
            pulse: Arc::new(heartbeat::pulse()),
            ledger: Arc::new(ledger::open(crowd)),
            jobs: Arc::default(),
            workers: Arc::default(),
            tokens: Arc::default(),
            shutdown,
        };
        Ok(Self(Arc::new(shared)))
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
/// A migration fails.
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

/// Says where it cannot connect; a pool would hide why.
async fn connect(url: &str) -> anyhow::Result<PgConnectOptions> {
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
    Ok(options)
}

/// Statements are planned once, and by index: what the planner knows of a queue is out of date as soon as it is known, and
/// one scan of a long history costs more than all that better plans could save.
fn by_key(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_sort", "off"),
        ("jit", "off"),
    ])
}

/// Connects as it is needed. A connection that rested is tried before it is used.
fn pool_of(n_connections: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(n_connections)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > RESTED {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}
