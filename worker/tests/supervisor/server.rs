//! A server that does as the test says: hands out given leases, takes what workers write, and can be
//! away.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cultivar_spec::wire::{
    ArtifactView, CheckpointRef, Claim, ClaimReply, DatasetFiles, ErrorBody, Finish, Heartbeat,
    HeartbeatReply, Job, Lease, LeaseReply, Order,
};
use cultivar_spec::{LeaseId, PROTOCOL_HEADER, Sha256Digest, TrialId, TrialSpec};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const TOKEN: &str = "cvt_for_tests";

/// What the test sets and what the worker did.
#[derive(Default)]
pub struct Script {
    queue: VecDeque<Lease>,
    /// Leases by the claim they were given to.
    granted: HashMap<uuid::Uuid, Vec<Lease>>,
    /// What heartbeats and writes are answered; to continue if absent.
    pub orders: BTreeMap<LeaseId, Order>,
    /// Leases whose writes are refused as superseded.
    pub superseded: Vec<LeaseId>,
    /// Terms of the leases; a minute if absent, so that a pause of a busy machine costs nobody the lease.
    pub lease_s: Option<f64>,
    /// Every call is answered 503.
    pub is_away: bool,
    /// That many calls whose path ends so are answered 500.
    pub faults: HashMap<&'static str, u32>,
    /// That many calls whose path ends so take effect, and are answered 503.
    pub lose_answers: HashMap<&'static str, u32>,
    pub n_claims: u32,
    /// The version of the protocol that claims speak.
    pub protocol: Option<String>,
    pub heartbeats: Vec<Heartbeat>,
    /// What was written: lease, kind and body, in order.
    pub writes: Vec<(LeaseId, String, Value)>,
    pub artifacts: HashMap<Sha256Digest, Bytes>,
    /// Downloads by artifact.
    pub downloads: HashMap<Sha256Digest, u32>,
}

impl Script {
    pub fn finish(&self, lease: LeaseId) -> Option<Finish> {
        let body = self.write(lease, "finish")?;
        Some(serde_json::from_value(body.clone()).expect("a finish"))
    }

    pub fn checkpoint(&self, lease: LeaseId) -> Option<CheckpointRef> {
        let body = self.write(lease, "checkpoint")?;
        Some(serde_json::from_value(body.clone()).expect("a checkpoint"))
    }

    /// The first write of a kind.
    pub fn write(&self, lease: LeaseId, kind: &str) -> Option<&Value> {
        let mut writes = self.writes.iter();
        let found = writes.find(|(of, what, _)| *of == lease && what == kind);
        found.map(|(_, _, body)| body)
    }

    /// Everything of one kind that a lease wrote, in order.
    pub fn all(&self, lease: LeaseId, kind: &str) -> Vec<&Value> {
        let of_lease = |(of, what, _): &&(LeaseId, String, Value)| *of == lease && what == kind;
        let writes = self.writes.iter().filter(of_lease);
        writes.map(|(_, _, body)| body).collect()
    }

    pub fn text(&self, sha256: Option<Sha256Digest>) -> &str {
        let sha256 = sha256.expect("an artifact is named");
        let bytes = self
            .artifacts
            .get(&sha256)
            .expect("a named artifact was uploaded before");
        std::str::from_utf8(bytes).expect("a text")
    }
}

/// Whether a call is one of those that are still to be met.
fn is_met(still: &mut HashMap<&'static str, u32>, path: &str) -> bool {
    let mut still = still.iter_mut();
    match still.find(|(end, n)| path.ends_with(**end) && **n > 0) {
        Some((_, n)) => {
            *n -= 1;
            true
        }
        None => false,
    }
}

type Shared = Arc<Mutex<Script>>;

/// A running server. Ends when dropped.
pub struct Server {
    script: Shared,
    pub address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Server {
    pub async fn start() -> Self {
        let mut server = Self::absent().await;
        server.arrive().await;
        server
    }

    /// A server with an address at which nothing listens yet.
    pub async fn absent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self {
            script: Shared::default(),
            address: listener.local_addr().expect("an address"),
            task: None,
        }
    }

    pub async fn arrive(&mut self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the port is still free");
        let app = Router::new()
            .route("/api/v1/leases", post(claim))
            .route("/api/v1/heartbeats", post(heartbeat))
            .route("/api/v1/leases/{lease}/{kind}", post(write))
            .route("/api/v1/artifacts/{sha256}", get(download).put(upload))
            .layer(middleware::from_fn_with_state(self.script.clone(), gate))
            .with_state(self.script.clone());
        self.task = Some(tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the listener holds");
        }));
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues a training job; the fake trainer reads its behaviour from the dataset's name.
    pub fn queue(&self, behaviour: &str) -> LeaseId {
        let mut script = self.script.lock().unwrap();
        let mut store = |text: &'static str| {
            let sha256 = Sha256Digest::of(text.as_bytes());
            script
                .artifacts
                .insert(sha256, Bytes::from_static(text.as_bytes()));
            sha256
        };
        let manifest = store("a manifest");
        let mut spec = TrialSpec::example();
        spec.data.dataset = behaviour.into();
        let lease = Lease {
            id: LeaseId::new(),
            trial: TrialId::new(),
            epoch: 1,
            job: Job::Train {
                spec: Box::new(spec),
                dataset: DatasetFiles {
                    name: behaviour.into(),
                    version: manifest,
                    manifest,
                    data: vec![store("some rows"), store("more rows")],
                },
                weights: Some(store("weights")),
                resume: Some(CheckpointRef {
                    sha256: store("an earlier checkpoint"),
                    epoch: 0,
                    step: 1,
                }),
                resume_spec: None,
            },
        };
        let id = lease.id;
        script.queue.push_back(lease);
        id
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().unwrap())
    }

    /// Waits until the worker has done what `probe` looks for.
    pub async fn until<T>(&self, what: &str, probe: impl Fn(&Script) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = probe(&self.script.lock().unwrap()) {
                return found;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "waited in vain for {what}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn finish(&self, lease: LeaseId) -> Finish {
        self.until("a finish", |script| script.finish(lease)).await
    }

    /// Waits until the job is under way.
    pub async fn progress(&self, lease: LeaseId) {
        self.until("progress", |script| {
            script.write(lease, "metrics").map(drop)
        })
        .await;
    }
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = ErrorBody {
        error: format!("the test says {code}"),
        code: code.into(),
        violations: Vec::new(),
        request_id: None,
    };
    (status, Json(body)).into_response()
}

/// Refuses strangers, everybody while away, fails, and loses answers.
async fn gate(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let expected = format!("Bearer {TOKEN}");
    let token = request.headers().get("authorization");
    if token.is_none_or(|token| token.as_bytes() != expected.as_bytes()) {
        return error(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    if shared.lock().unwrap().is_away {
        return error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    let path = request.uri().path().to_owned();
    if is_met(&mut shared.lock().unwrap().faults, &path) {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "internal");
    }
    let answer = next.run(request).await;
    if is_met(&mut shared.lock().unwrap().lose_answers, &path) {
        return error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    answer
}

async fn claim(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(claim): Json<Claim>,
) -> Json<ClaimReply> {
    let arrived = Instant::now();
    let deadline = arrived + Duration::from_secs_f64(claim.wait_s);
    let lease_s = {
        let mut script = shared.lock().unwrap();
        script.n_claims += 1;
        let protocol = headers.get(PROTOCOL_HEADER);
        script.protocol = protocol.map(|value| value.to_str().expect("ASCII").to_owned());
        script.lease_s.unwrap_or(60.0)
    };
    let leases = loop {
        {
            let mut script = shared.lock().unwrap();
            if let Some(again) = script.granted.get(&claim.request) {
                break again.clone();
            }
            if let Some(lease) = script.queue.pop_front() {
                script.granted.insert(claim.request, vec![lease.clone()]);
                break vec![lease];
            }
        }
        if Instant::now() >= deadline {
            break Vec::new();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    Json(ClaimReply {
        quarantine: None,
        leases,
        lease_s,
        heartbeat_s: 0.1,
        granted_after_s: arrived.elapsed().as_secs_f64(),
    })
}

async fn heartbeat(
    State(shared): State<Shared>,
    Json(beat): Json<Heartbeat>,
) -> Json<HeartbeatReply> {
    let mut script = shared.lock().unwrap();
    let order = |lease: &LeaseId| script.orders.get(lease).copied().unwrap_or(Order::Continue);
    let orders = beat
        .leases
        .iter()
        .map(|lease| (*lease, order(lease)))
        .collect();
    script.heartbeats.push(beat);
    Json(HeartbeatReply { orders })
}

async fn write(
    State(shared): State<Shared>,
    Path((lease, kind)): Path<(LeaseId, String)>,
    Json(body): Json<Value>,
) -> Response {
    let mut script = shared.lock().unwrap();
    if script.superseded.contains(&lease) {
        return error(StatusCode::CONFLICT, "superseded");
    }
    script.writes.push((lease, kind, body));
    let order = script
        .orders
        .get(&lease)
        .copied()
        .unwrap_or(Order::Continue);
    Json(LeaseReply { order }).into_response()
}

async fn download(State(shared): State<Shared>, Path(sha256): Path<Sha256Digest>) -> Response {
    let mut script = shared.lock().unwrap();
    match script.artifacts.get(&sha256).cloned() {
        Some(bytes) => {
            *script.downloads.entry(sha256).or_default() += 1;
            bytes.into_response()
        }
        None => error(StatusCode::NOT_FOUND, "not_found"),
    }
}

async fn upload(
    State(shared): State<Shared>,
    Path(sha256): Path<Sha256Digest>,
    bytes: Bytes,
) -> Response {
    if Sha256Digest::of(&bytes) != sha256 {
        return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
    let n_bytes = bytes.len() as u64;
    shared.lock().unwrap().artifacts.insert(sha256, bytes);
    Json(ArtifactView { sha256, n_bytes }).into_response()
}
