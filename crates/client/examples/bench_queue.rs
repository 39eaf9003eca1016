//! Clients that claim a trial and complete it, one after another, as fast as the server answers: `bench/queue/run.py`.
//!
//!     bench_queue URL TOKEN MODEL N_CLIENTS in-turn    the next claim waits for the last result's answer
//!     bench_queue URL TOKEN MODEL N_CLIENTS worker     as a worker's slot: it claims while results are on their way

use std::time::Instant;

use cultivar_client::Client;
use cultivar_spec::wire::{Claim, DeviceInfo, Finish, MetricValue, WorkerIdentity};
use cultivar_spec::{BootId, LeaseId, Outcome, Sha256Digest, WorkerId};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Results that a slot of a worker has on their way while it goes on: `worker/src/supervisor/slot.rs`.
const MAX_DELIVERIES: usize = 2;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, model, n_clients, manner] = args.as_slice() else {
        panic!("want URL TOKEN MODEL N_CLIENTS MANNER, not {args:?}");
    };
    let max_deliveries = match manner.as_str() {
        "in-turn" => 0,
        "worker" => MAX_DELIVERIES,
        _ => panic!("want in-turn or worker, not {manner}"),
    };
    let client = Client::new(url, token).expect("a server");
    let model: Sha256Digest = model.parse().expect("a SHA-256");
    let n_clients: usize = n_clients.parse().expect("a number of clients");
    let began = Instant::now();
    let clients =
        (0..n_clients).map(|_| tokio::spawn(drain(client.clone(), model, max_deliveries)));
    let mut n_trials = 0;
    for client in clients.collect::<Vec<_>>() {
        n_trials += client.await.expect("no client fails");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{{\"n_trials\": {n_trials}, \"seconds\": {seconds}}}");
}

/// Claims and completes until nothing is left; returns how many. So many results may be on their way before the next claim.
async fn drain(client: Client, model: Sha256Digest, max_deliveries: usize) -> usize {
    let worker = WorkerIdentity {
        id: WorkerId::new(),
        boot: BootId::new(),
        name: "bench".into(),
        device: DeviceInfo::default(),
        version: "0".into(),
    };
    let mut deliveries = JoinSet::new();
    let mut n_trials = 0;
    loop {
        let claim = Claim {
            worker: worker.clone(),
            request: Uuid::new_v4(),
            max: 1,
            wait_s: 0.0,
            labels: Vec::new(),
            memory_bytes: None,
            datasets: Vec::new(),
        };
        let reply = client.claim(&claim).await.expect("a claim is answered");
        let Some(lease) = reply.leases.first() else {
            break;
        };
        deliveries.spawn(deliver(client.clone(), lease.id, model));
        n_trials += 1;
        while deliveries.len() > max_deliveries.saturating_sub(1) {
            let delivered = deliveries.join_next().await;
            delivered
                .expect("some are on their way")
                .expect("it is delivered");
        }
    }
    deliveries.join_all().await;
    n_trials
}

async fn deliver(client: Client, lease: LeaseId, model: Sha256Digest) {
    let finish = Finish {
        outcome: Outcome::Completed,
        error: None,
        step: 1,
        metrics: [("val_loss".to_owned(), MetricValue(0.5))].into(),
        model: Some(model),
        predictions: None,
        cost: Default::default(),
    };
    client
        .finish(lease, &finish)
        .await
        .expect("a finish is accepted");
}
