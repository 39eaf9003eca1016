//! A server on a database of its own, with a dataset and completed trials put straight into it.

use std::panic::{AssertUnwindSafe, resume_unwind};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use cultivar_server::config::Config;
use cultivar_server::state::AppState;
use cultivar_spec::manifest::{DataFile, ImageEntry, Manifest, Split};
use cultivar_spec::wire::DatasetView;
use cultivar_spec::{
    Secret, SecretKind, Sha256Digest, TrialId, TrialSpec, canonical_json, config_id,
};
use futures::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

pub const DATASET: &str = "open-emoji";
/// Images of the validation and of the test split.
pub const N_HELD_OUT: usize = 120;

pub struct Board {
    pub state: AppState,
    router: Router,
    pub admin: String,
    pub version: Sha256Digest,
    _home: tempfile::TempDir,
}

/// Runs a test on a fresh database and drops it afterwards, whatever happens.
pub async fn on_board(test: impl AsyncFnOnce(&mut Board)) {
    let admin_url = std::env::var("CULTIVAR_TEST_DATABASE_URL")
        .expect("CULTIVAR_TEST_DATABASE_URL is not set: run the tests with `make test`");
    let name = format!("ranking_{}", Uuid::new_v4().simple());
    let url = admin_url.replacen("/postgres?", &format!("/{name}?"), 1);
    assert_ne!(
        url, admin_url,
        "CULTIVAR_TEST_DATABASE_URL must name the database postgres"
    );
    let mut admin = PgConnection::connect(&admin_url)
        .await
        .expect("the test cluster answers");
    // The name is hex digits of our own making.
    admin
        .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .expect("a fresh database");
    let result = AssertUnwindSafe(async {
        let mut board = Board::open(url).await;
        test(&mut board).await;
    })
    .catch_unwind()
    .await;
    admin
        .execute(sqlx::AssertSqlSafe(format!(
            "DROP DATABASE {name} WITH (FORCE)"
        )))
        .await
        .expect("the database goes");
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

impl Board {
    async fn open(database_url: String) -> Self {
        let home = tempfile::tempdir().expect("a home folder");
        let address = ([127, 0, 0, 1], 0).into();
        let config = Config::new(home.path().to_owned(), database_url, address);
        let state = AppState::open(config, CancellationToken::new())
            .await
            .expect("a server");
        let mut board = Self {
            router: cultivar_server::app(state.clone()),
            admin: String::new(),
            version: Sha256Digest([0; 32]),
            state,
            _home: home,
        };
        board.admin = board.token("admin").await;
        board.version = board.dataset(|_| None).await;
        board
    }

    /// Makes a token of a scope.
    pub async fn token(&self, scope: &str) -> String {
        let random = std::array::from_fn(|_| rand::random());
        let secret = Secret::new(SecretKind::Access, random);
        let hash = secret.hash();
        sqlx::query("INSERT INTO token (id, name, scope, secret_hash) VALUES ($1, 'test', $2, $3)")
            .bind(Uuid::new_v4())
            .bind(scope)
            .bind(&hash[..])
            .execute(&self.state.pool)
            .await
            .expect("a token");
        secret.reveal().to_owned()
    }

    /// Registers a version of [`DATASET`] whose held-out images have these groups, and makes it the
    /// one that trials are added to.
    pub async fn dataset(&mut self, group: impl Fn(usize) -> Option<String>) -> Sha256Digest {
        let image = |split: Split, idx: usize, group: Option<String>| ImageEntry {
            sha256: Sha256Digest::of(format!("{} {idx}", split.name()).as_bytes()),
            label: (idx % 2) as u32,
            split,
            group,
        };
        let held_out = [Split::Val, Split::Test].into_iter().flat_map(|split| {
            let group = &group;
            (0..N_HELD_OUT).map(move |idx| image(split, idx, group(idx)))
        });
        let images: Vec<ImageEntry> = (0..10)
            .map(|idx| image(Split::Train, idx, None))
            .chain(held_out)
            .collect();
        let manifest = Manifest {
            name: DATASET.into(),
            title: "Emoji".into(),
            classes: vec!["cat".into(), "dog".into()],
            files: vec![DataFile {
                sha256: Sha256Digest::of(b"parquet"),
                n_bytes: 1,
                n_rows: images.len() as u64,
            }],
            images,
            sources: Vec::new(),
            split_rule: String::new(),
        };
        let version = manifest.version();
        let bytes = Bytes::from(canonical_json(&manifest));
        let body = futures::stream::iter([Ok::<_, String>(bytes)]);
        let patience = std::time::Duration::from_secs(5);
        let staged = self.state.blobs.stage(&version, body, patience).await;
        let staged = staged.expect("the manifest is written");
        self.state
            .blobs
            .publish(&staged)
            .await
            .expect("the manifest is stored");
        self.artifact(&version).await;
        let view = DatasetView {
            name: DATASET.into(),
            title: manifest.title,
            version,
            n_classes: 2,
            n_train: 10,
            n_val: N_HELD_OUT as u64,
            n_test: N_HELD_OUT as u64,
            n_groups: 0,
            n_bytes: 1,
            sources: Vec::new(),
            created_at: Default::default(),
        };
        sqlx::query("INSERT INTO dataset (version, name, title, summary) VALUES ($1, $2, $3, $4)")
            .bind(&version.0[..])
            .bind(&view.name)
            .bind(&view.title)
            .bind(Json(&view))
            .execute(&self.state.pool)
            .await
            .expect("a dataset");
        self.version = version;
        version
    }

    async fn artifact(&self, digest: &Sha256Digest) {
        sqlx::query("INSERT INTO artifact (sha256, n_bytes) VALUES ($1, 1) ON CONFLICT DO NOTHING")
            .bind(&digest.0[..])
            .execute(&self.state.pool)
            .await
            .expect("an artifact");
    }

    /// A completed trial that took 10 s and got these validation images right.
    pub async fn trial(&self, spec: &TrialSpec, correct: impl Fn(usize) -> bool) -> TrialId {
        let mut spec = spec.clone();
        spec.data.dataset = DATASET.into();
        spec.data.version = Some(self.version);
        spec.write_out_defaults();
        let id = TrialId::new();
        sqlx::query(
            "INSERT INTO trial (id, config_id, seed, label, dataset, dataset_version, spec, spec_version, state, cost, finished_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 'completed', '{\"seconds\": 10.0}', clock_timestamp())",
        )
        .bind(id.0)
        .bind(&config_id(&spec).0[..])
        .bind(spec.fit.seed as i64)
        .bind(format!("lr={}", spec.optimizer.lr()))
        .bind(DATASET)
        .bind(&self.version.0[..])
        .bind(Json(&spec))
        .execute(&self.state.pool)
        .await
        .expect("a trial");
        self.predict(id, Split::Val, correct).await;
        id
    }

    /// Makes a trial one that a scheduler stopped.
    pub async fn prune(&self, trial: TrialId) {
        sqlx::query("UPDATE trial SET state = 'pruned' WHERE id = $1")
            .bind(trial.0)
            .execute(&self.state.pool)
            .await
            .expect("a pruned trial");
    }

    /// Accepted predictions of a split.
    pub async fn predict(&self, trial: TrialId, split: Split, correct: impl Fn(usize) -> bool) {
        let mut bits = vec![0_u8; N_HELD_OUT.div_ceil(8)];
        let mut n_correct = 0;
        for idx in (0..N_HELD_OUT).filter(|&idx| correct(idx)) {
            bits[idx / 8] |= 1 << (idx % 8);
            n_correct += 1;
        }
        let digest = Sha256Digest::of(b"predictions");
        self.artifact(&digest).await;
        sqlx::query(
            "INSERT INTO prediction (trial_id, split, sha256, n_images, top1, correct) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(trial.0)
        .bind(split.name())
        .bind(&digest.0[..])
        .bind(N_HELD_OUT as i32)
        .bind(f64::from(n_correct) / N_HELD_OUT as f64)
        .bind(bits)
        .execute(&self.state.pool)
        .await
        .expect("a prediction");
    }

    /// What a GET answers.
    pub async fn ask(&self, path: &str) -> (StatusCode, String) {
        self.send("GET", path, &self.admin, String::new()).await
    }

    /// The JSON a successful GET answers.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, text) = self.ask(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    /// What a POST answers.
    pub async fn ask_with(&self, path: &str, body: &Value) -> (StatusCode, String) {
        self.send("POST", path, &self.admin, body.to_string()).await
    }

    /// The JSON a successful POST answers.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> T {
        let (status, text) = self.ask_with(path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: String,
    ) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 16 << 20)
            .await
            .expect("a body");
        (status, String::from_utf8(bytes.into()).expect("text"))
    }
}

/// An example spec with this learning rate and seed.
pub fn spec(lr: f64, seed: u64) -> TrialSpec {
    let mut spec = TrialSpec::example();
    spec.optimizer.set_lr(lr);
    spec.fit.seed = seed;
    spec
}
