//! Clients that report metrics as fast as the server stores them: `bench/metrics/run.py`.

use std::time::Instant;

use cultivar_client::Client;
use cultivar_spec::wire::{Claim, DeviceInfo, MetricBatch, MetricPoint, WorkerIdentity};
use cultivar_spec::{BootId, WorkerId};
use uuid::Uuid;

const N_POINTS: u64 = 1000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, n_clients, n_batches] = args.as_slice() else {
        panic!("want URL TOKEN N_CLIENTS N_BATCHES, not {args:?}");
    };
    let client = Client::new(url, token).expect("a server");
    let n_clients: u64 = n_clients.parse().expect("a number of clients");
    let n_batches: u64 = n_batches.parse().expect("a number of batches");
    let began = Instant::now();
    let clients = (0..n_clients).map(|_| tokio::spawn(report(client.clone(), n_batches)));
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no client fails");
    }
    let seconds = began.elapsed().as_secs_f64();
    let n_points = n_clients * n_batches * N_POINTS;
    println!("{{\"n_points\": {n_points}, \"seconds\": {seconds}}}");
}

async fn report(client: Client, n_batches: u64) {
    let claim = Claim {
        worker: WorkerIdentity {
            id: WorkerId::new(),
            boot: BootId::new(),
            name: "bench".into(),
            device: DeviceInfo::default(),
            version: "0".into(),
        },
        request: Uuid::new_v4(),
        max: 1,
        wait_s: 20.0,
        labels: Vec::new(),
        memory_bytes: None,
        datasets: Vec::new(),
    };
    let reply = client.claim(&claim).await.expect("a claim is answered");
    let lease = reply.leases.first().expect("a trial each").id;
    for n in 0..n_batches {
        let point = |step| MetricPoint {
            metric: "train_loss".into(),
            step,
            epoch: step as f64 / 1000.0,
            value: 1.0 / (step + 1) as f64,
        };
        let batch = MetricBatch {
            points: (n * N_POINTS..(n + 1) * N_POINTS).map(point).collect(),
            progress: None,
        };
        let stored = client.report_metrics(lease, &batch).await;
        stored.expect("a batch is stored");
    }
}
