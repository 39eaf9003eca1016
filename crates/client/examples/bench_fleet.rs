//! Thousands of workers in one process, without trainers: they ask for jobs and beat as daemons do: `bench/fleet/run.py`.
//!
//! Commands come on standard input, one a line; each is answered by one line of JSON, which tells what happened since
//! the line before. `measure SECONDS` waits; `await beats SECONDS` and `await polls SECONDS` wait at most that long until
//! a heartbeat, or a claim, of every worker that was sent after the command is answered. The end of the input ends it.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cultivar_client::{Backoff, Client, Error};
use cultivar_spec::wire::{Claim, DeviceInfo, Heartbeat, WorkerIdentity};
use cultivar_spec::{BootId, WorkerId};
use rand::Rng;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

/// These three as in the worker daemon: how long a claim may be held, the longest pause between tries to reach the
/// server, and the time between heartbeats until the server has said what it wants.
const CLAIM_WAIT_S: f64 = 20.0;
const MAX_WAIT: Duration = Duration::from_secs(5);
const FIRST_PERIOD: Duration = Duration::from_secs(10);
/// A real fleet has an address a machine. From a single one, the system looks longer and longer for a port that is not yet
/// connected to the server.
const N_ADDRESSES: usize = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, n_workers, n_sockets] = args.as_slice() else {
        panic!("want URL TOKEN N_WORKERS N_SOCKETS, not {args:?}");
    };
    let n_workers: usize = n_workers.parse().expect("a number of workers");
    let n_sockets: usize = n_sockets.parse().expect("a number of sockets");
    let connect = |idx: usize| {
        let address = Ipv4Addr::new(127, 0, 0, 1 + (idx % N_ADDRESSES) as u8);
        let client = Client::from_address(url, token.as_str(), address.into());
        client.expect("a server").with_patience(Duration::ZERO)
    };
    let fleet = Arc::new(Fleet::new(n_workers, n_sockets, connect));
    for idx in 0..n_workers {
        let worker = Worker {
            idx,
            identity: WorkerIdentity {
                id: WorkerId::new(),
                boot: BootId::new(),
                name: format!("worker-{idx}"),
                device: DeviceInfo {
                    kind: "cpu".into(),
                    name: "cpu".into(),
                    n_threads: 2,
                    memory_bytes: Some(1 << 33),
                },
                version: env!("CARGO_PKG_VERSION").into(),
            },
            client: connect(idx),
            period_ms: AtomicU64::new(FIRST_PERIOD.as_millis() as u64),
            fleet: fleet.clone(),
        };
        tokio::spawn(worker.run());
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.expect("commands are text") {
        let n_missing = obey(&fleet, &line).await;
        let report = fleet.report(n_missing);
        println!("{}", serde_json::to_string(&report).expect("it serializes"));
    }
}

/// Does what a command says; returns how many workers were waited for in vain.
async fn obey(fleet: &Fleet, command: &str) -> usize {
    let seconds = |text: &str| Duration::from_secs_f64(text.parse().expect("a number of seconds"));
    match *command.split_whitespace().collect::<Vec<_>>() {
        ["measure", s] => tokio::time::sleep(seconds(s)).await,
        ["await", "beats", s] => return fleet.wait_for_all(Call::Beat, seconds(s)).await,
        ["await", "polls", s] => return fleet.wait_for_all(Call::Poll, seconds(s)).await,
        _ => panic!("want measure or await, not {command:?}"),
    }
    0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Beat,
    Poll,
}

/// What the workers share.
struct Fleet {
    n_workers: usize,
    /// For heartbeats; a client is taken from the front and put back at the end, so that each keeps its connection.
    beating: Mutex<VecDeque<Client>>,
    /// Heartbeats that may be under way at once: one a client.
    turns: Semaphore,
    tally: Mutex<Tally>,
}

/// What happened since the last report.
struct Tally {
    since: Instant,
    /// From sending to the answer; of a heartbeat without one, the time until the next.
    beats_ms: Vec<f64>,
    n_polls: u64,
    retried: BTreeMap<String, u64>,
    fatal: BTreeMap<String, u64>,
    waiting: Option<Waiting>,
}

struct Waiting {
    call: Call,
    /// Calls sent earlier do not count.
    since: Instant,
    is_answered: Vec<bool>,
    n_missing: usize,
    /// Woken when nobody is missing.
    complete: Arc<Notify>,
}

#[derive(Serialize)]
struct Report {
    seconds: f64,
    n_missing: usize,
    n_beats: usize,
    beat_p50_ms: Option<f64>,
    beat_p99_ms: Option<f64>,
    beat_max_ms: Option<f64>,
    n_polls: u64,
    /// Errors after which a worker tries again, by kind.
    retried: BTreeMap<String, u64>,
    /// All others.
    fatal: BTreeMap<String, u64>,
}

impl Tally {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            beats_ms: Vec::new(),
            n_polls: 0,
            retried: BTreeMap::new(),
            fatal: BTreeMap::new(),
            waiting: None,
        }
    }
}

impl Fleet {
    /// Each worker keeps two connections, as a daemon does. Where the system has not that many sockets for a process,
    /// only the claims have one each, and heartbeats take turns on the rest.
    fn new(n_workers: usize, n_sockets: usize, connect: impl Fn(usize) -> Client) -> Self {
        let n_left = n_sockets.checked_sub(n_workers);
        let n_left = n_left.expect("a socket each at least");
        // A connection that was given up lingers beside its successor.
        let n_beating = match n_left >= n_workers {
            true => n_workers,
            false => n_left / 2,
        };
        Self {
            n_workers,
            beating: Mutex::new((0..n_beating).map(connect).collect()),
            turns: Semaphore::new(n_beating),
            tally: Mutex::new(Tally::new()),
        }
    }

    /// Sends a heartbeat when it is its turn.
    async fn heartbeat(&self, beat: &Heartbeat, period: Duration) -> Result<(), Error> {
        let beating = || self.beating.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turns.acquire().await;
        let client = beating().pop_front().expect("a client for each turn");
        let answer = client.heartbeat(beat, period).await;
        beating().push_back(client);
        drop(turn);
        answer.map(drop)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_answer(&self, worker_idx: usize, call: Call, sent: Instant) {
        let mut tally = self.tally();
        match call {
            Call::Beat => tally.beats_ms.push(sent.elapsed().as_secs_f64() * 1e3),
            Call::Poll => tally.n_polls += 1,
        }
        let Some(waiting) = &mut tally.waiting else {
            return;
        };
        if waiting.call == call && sent >= waiting.since && !waiting.is_answered[worker_idx] {
            waiting.is_answered[worker_idx] = true;
            waiting.n_missing -= 1;
            if waiting.n_missing == 0 {
                waiting.complete.notify_one();
            }
        }
    }

    fn note_error(&self, call: Call, error: &Error) {
        let kind = match error {
            Error::NoServer { reason, .. } => format!("{call:?}: no server: {reason}"),
            Error::Broken { reason, .. } => format!("{call:?}: broken: {reason}"),
            Error::Refused { status, body, .. } => format!("{call:?}: {status} {}", body.code),
            _ => format!("{call:?}: {error}"),
        };
        let mut tally = self.tally();
        let kinds = match error.is_transient() {
            true => &mut tally.retried,
            false => &mut tally.fatal,
        };
        *kinds.entry(kind).or_default() += 1;
    }

    /// Waits until a call of every worker is answered; returns how many were not in time.
    async fn wait_for_all(&self, call: Call, at_most: Duration) -> usize {
        let complete = Arc::new(Notify::new());
        self.tally().waiting = Some(Waiting {
            call,
            since: Instant::now(),
            is_answered: vec![false; self.n_workers],
            n_missing: self.n_workers,
            complete: complete.clone(),
        });
        // In vain or not: the number tells.
        let _ = tokio::time::timeout(at_most, complete.notified()).await;
        let waiting = self.tally().waiting.take();
        waiting.map_or(0, |waiting| waiting.n_missing)
    }

    fn report(&self, n_missing: usize) -> Report {
        let tally = std::mem::replace(&mut *self.tally(), Tally::new());
        let mut beats_ms = tally.beats_ms;
        beats_ms.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let rank = (q * beats_ms.len() as f64).ceil() as usize;
            beats_ms.get(rank.saturating_sub(1)).copied()
        };
        Report {
            seconds: tally.since.elapsed().as_secs_f64(),
            n_missing,
            n_beats: beats_ms.len(),
            beat_p50_ms: quantile(0.5),
            beat_p99_ms: quantile(0.99),
            beat_max_ms: quantile(1.0),
            n_polls: tally.n_polls,
            retried: tally.retried,
            fatal: tally.fatal,
        }
    }
}

struct Worker {
    idx: usize,
    identity: WorkerIdentity,
    client: Client,
    period_ms: AtomicU64,
    fleet: Arc<Fleet>,
}

impl Worker {
    async fn run(self) {
        // Daemons start when they start.
        let late = FIRST_PERIOD.mul_f64(rand::rng().random_range(0.0..1.0));
        tokio::time::sleep(late).await;
        tokio::join!(self.poll(), self.beat());
    }

    /// Asks for a job, again and again. Every try of a claim has the same name.
    async fn poll(&self) {
        loop {
            let claim = Claim {
                worker: self.identity.clone(),
                request: Uuid::new_v4(),
                max: 1,
                wait_s: CLAIM_WAIT_S,
                labels: Vec::new(),
                memory_bytes: self.identity.device.memory_bytes,
                datasets: Vec::new(),
            };
            let mut backoff = Backoff::new(MAX_WAIT);
            loop {
                let sent = Instant::now();
                match self.client.claim(&claim).await {
                    Ok(reply) => {
                        let period_ms = (reply.heartbeat_s * 1e3) as u64;
                        self.period_ms.store(period_ms, Ordering::Relaxed);
                        self.fleet.note_answer(self.idx, Call::Poll, sent);
                        break;
                    }
                    Err(error) => self.fleet.note_error(Call::Poll, &error),
                }
                let wait = backoff.next(&mut rand::rng());
                tokio::time::sleep(wait).await;
            }
        }
    }

    async fn beat(&self) {
        let beat = Heartbeat {
            worker: self.identity.clone(),
            leases: Vec::new(),
        };
        loop {
            let period = Duration::from_millis(self.period_ms.load(Ordering::Relaxed));
            let sent = Instant::now();
            match self.fleet.heartbeat(&beat, period).await {
                Ok(()) => self.fleet.note_answer(self.idx, Call::Beat, sent),
                Err(error) => {
                    self.fleet.note_error(Call::Beat, &error);
                    let missed_ms = period.as_secs_f64() * 1e3;
                    self.fleet.tally().beats_ms.push(missed_ms);
                }
            }
            // As a worker does.
            let pause = period.mul_f64(rand::rng().random_range(0.8..=1.0));
            tokio::time::sleep(pause).await;
        }
    }
}
