//! A database and a server for one test.

use std::path::Path;
use std::str::FromStr;

use cultivar_server::{AppState, Config, serve};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One replica under test.
pub struct App {
    pub url: String,
    pub admin: String,
    pub state: AppState,
    pub database: Database,
    pub home: TempDir,
    client: reqwest::Client,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

/// A database that only one test knows.
#[derive(Clone)]
pub struct Database {
    pub name: String,
    pub url: String,
}

fn cluster() -> String {
    std::env::var("CULTIVAR_TEST_DATABASE_URL")
        .expect("CULTIVAR_TEST_DATABASE_URL names the test cluster; make test sets it")
}

async fn admin_statement(sql: String) {
    let options = PgConnectOptions::from_str(&cluster()).unwrap();
    let mut conn = PgConnection::connect_with(&options)
        .await
        .expect("the test cluster runs");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut conn)
        .await
        .unwrap();
}

impl Database {
    pub async fn create() -> Self {
        let name = format!("api_{}", Uuid::new_v4().simple());
        admin_statement(format!("CREATE DATABASE {name}")).await;
        let url = cluster().replacen("/postgres?", &format!("/{name}?"), 1);
        assert!(
            url.contains(&name),
            "the cluster's URL ends in /postgres?..."
        );
        Self { name, url }
    }

    pub async fn drop(self) {
        admin_statement(format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        ))
        .await;
    }
}

/// Runs a test against a replica with leases of `lease_s` seconds, and cleans up whether it passes or not.
pub fn with_app<F>(lease_s: f64, test: impl FnOnce(App) -> F)
where
    F: Future<Output = App> + Send + 'static,
{
    with_config(lease_s, |_| (), test);
}

/// The same, against a replica whose other settings the test chooses.
pub fn with_config<F>(lease_s: f64, adjust: impl FnOnce(&mut Config), test: impl FnOnce(App) -> F)
where
    F: Future<Output = App> + Send + 'static,
{
    run_async(async {
        let database = Database::create().await;
        let app = App::start_with(database.clone(), lease_s, adjust).await;
        let outcome = tokio::spawn(test(app)).await;
        match outcome {
            Ok(app) => app.stop().await,
            Err(error) => {
                database.drop().await;
                std::panic::resume_unwind(error.into_panic());
            }
        }
        database.drop().await;
    });
}

/// Runs a future to its end on a runtime of its own.
pub fn run_async<F: Future>(test: F) -> F::Output {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(test)
}

impl App {
    pub async fn start(database: Database, lease_s: f64) -> Self {
        Self::start_with(database, lease_s, |_| ()).await
    }

    /// A replica whose blobs are those that lie in `home` by now.
    pub async fn start_at(database: Database, lease_s: f64, home: &Path) -> Self {
        let own = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([home.join("blobs"), own.path().to_owned()])
            .status();
        assert!(copied.unwrap().success());
        Self::start_in(database, lease_s, own, |_| ()).await
    }

    /// A replica whose other settings the test chooses.
    pub async fn start_with(
        database: Database,
        lease_s: f64,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        Self::start_in(database, lease_s, tempfile::tempdir().unwrap(), adjust).await
    }

    async fn start_in(
        database: Database,
        lease_s: f64,
        home: TempDir,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config::new(home.path().to_owned(), database.url.clone(), address);
        config.lease_s = lease_s;
        config.heartbeat_s = lease_s / 6.0;
        adjust(&mut config);
        let shutdown = CancellationToken::new();
        let (sender, receiver) = oneshot::channel();
        let running = tokio::spawn(serve(
            config,
            listener,
            shutdown.clone(),
            async move |state: AppState| {
                sender.send(state).ok();
                Ok(())
            },
        ));
        let Ok(state) = receiver.await else {
            panic!(
                "the server did not start: {:#}",
                running.await.unwrap().unwrap_err()
            );
        };
        Self {
            url: state.config.url(),
            admin: std::fs::read_to_string(state.config.admin_token_file())
                .unwrap()
                .trim()
                .to_owned(),
            state,
            database,
            home,
            client: reqwest::Client::new(),
            shutdown,
            running,
        }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running
            .await
            .unwrap()
            .expect("the server ends without an error");
    }

    /// A request with the admin token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.admin)
    }

    pub fn anonymous(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = answer(self.request(Method::GET, path)).await;
        assert!(status.is_success(), "GET {path}: {status} {body:#}");
        body
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// A POST that must succeed.
    pub async fn post_ok(&self, path: &str, body: &impl Serialize) -> Value {
        let (status, body) = self.post(path, body).await;
        assert!(status.is_success(), "POST {path}: {status} {body:#}");
        body
    }

    /// A POST whose body is refused; answers with the pointer to what is wrong.
    pub async fn post_refused(&self, path: &str, body: &impl Serialize) -> String {
        let (status, body) = self.post(path, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:#}");
        let pointer = body["violations"][0]["pointer"].as_str();
        pointer.unwrap().to_owned()
    }

    /// Changes the database by hand.
    pub async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.state.pool).await.unwrap();
    }

    /// A number the database answers with.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&self.state.pool)
            .await
            .unwrap()
    }
}

/// Status and JSON body; `null` where the body is none.
pub async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Waits until `done` says so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !done().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "never happened: {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
