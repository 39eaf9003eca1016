//! Clients that claim a trial and complete it, one after another, as fast as the server answers: `bench/queue/run.py`.

use std::time::Instant;

use cultivar_client::Client;
use cultivar_spec::wire::{Claim, DeviceInfo, Finish, MetricValue, WorkerIdentity};
use cultivar_spec::{BootId, Outcome, Sha256Digest, WorkerId};
use uuid::Uuid;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, model, n_clients] = args.as_slice() else {
        panic!("want URL TOKEN MODEL N_CLIENTS, not {args:?}");
    };
    let client = Client::new(url, token).expect("a server");
    let model: Sha256Digest = model.parse().expect("a SHA-256");
    let n_clients: usize = n_clients.parse().expect("a number of clients");
    let began = Instant::now();
    let clients = (0..n_clients).map(|_| tokio::spawn(drain(client.clone(), model)));
    let mut n_trials = 0;
    for client in clients.collect::<Vec<_>>() {
        n_trials += client.await.expect("no client fails");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{{\"n_trials\": {n_trials}, \"seconds\": {seconds}}}");
}

/// Claims and completes until nothing is left; returns how many.
async fn drain(client: Client, model: Sha256Digest) -> usize {
    let worker = WorkerIdentity {
        id: WorkerId::new(),
        boot: BootId::new(),
        name: "bench".into(),
        device: DeviceInfo::default(),
        version: "0".into(),
    };
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
            return n_trials;
        };
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
            .finish(lease.id, &finish)
            .await
            .expect("a finish is accepted");
        n_trials += 1;
    }
}
