//! Sweeps with a scheduler: how their trials are driven by hand.

use std::collections::BTreeMap;

use cultivar_search::scheduler::{self, Action, Decision, Event, History};
use cultivar_server::service::search::objective;
use cultivar_server::store;
use cultivar_spec::wire::{Job, Lease};
use cultivar_spec::{SweepId, TrialSpec};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixtures::{Worker, complete, tell, trial_spec};
use crate::harness::{App, Database, eventually, run_async, with_app};
use crate::search::check_replays;

mod sharing;
mod stopping;

pub(super) const N_EPOCHS: u32 = 9;

/// A sweep over `n` learning rates: the higher, the better.
pub(super) fn sweep(scheduler: Value, n: u32) -> Value {
    let mut base = trial_spec(0);
    base["fit"]["epochs"] = json!(N_EPOCHS);
    let lrs: Vec<f64> = (1..=n).map(|n| f64::from(n) / 100.0).collect();
    json!({
        "name": "scheduled", "base": base, "scheduler": scheduler,
        "space": {"optimizer": {"kind": "sgd", "lr": {"choice": lrs}}},
    })
}

pub(super) fn spec(lease: &Lease) -> &TrialSpec {
    match &lease.job {
        Job::Train { spec, .. } => spec,
        Job::Evaluate { .. } => panic!("nobody asked for an evaluation"),
    }
}

/// What a trial of this learning rate has come to after an epoch.
pub(super) fn value(lr: f64, epoch: u32) -> f64 {
    lr + 0.001 * f64::from(epoch)
}

pub(super) fn epochs_done(lease: &Lease) -> u32 {
    match &lease.job {
        Job::Train { resume, .. } => resume.as_ref().map_or(0, |checkpoint| checkpoint.epoch),
        Job::Evaluate { .. } => 0,
    }
}

/// Reports an epoch and answers with the order.
pub(super) async fn report(
    app: &App,
    lease: &Lease,
    epoch: u32,
    value: impl Into<Value>,
) -> String {
    let point =
        json!({"metric": "val_top1", "step": epoch * 10, "epoch": epoch, "value": value.into()});
    let loss = json!({"metric": "val_loss", "step": epoch * 10, "epoch": epoch, "value": 0.5});
    let (status, body) = tell(app, lease, "metrics", json!({"points": [loss, point]})).await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
    body["order"].as_str().unwrap().to_owned()
}

pub(super) async fn finish(app: &App, lease: &Lease, outcome: &str) {
    let (status, body) = tell(app, lease, "finish", json!({"outcome": outcome})).await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
}

/// Gives way with a checkpoint.
pub(super) async fn give_way(app: &App, lease: &Lease, epoch: u32) {
    let sha256 = app
        .upload(format!("checkpoint of {} at {epoch}", lease.trial).as_bytes())
        .await;
    let body = json!({"sha256": sha256, "epoch": epoch, "step": epoch * 10});
    let (status, _) = tell(app, lease, "checkpoint", body).await;
    assert_eq!(status, StatusCode::OK);
    finish(app, lease, "yielded").await;
}

/// Trains a lease until its end or an order; returns the epochs trained.
pub(super) async fn train(app: &App, lease: &Lease) -> u32 {
    let lr = spec(lease).optimizer.lr();
    let first = epochs_done(lease);
    for epoch in first + 1..=N_EPOCHS {
        let order = report(app, lease, epoch, value(lr, epoch)).await;
        match order.as_str() {
            "continue" => {}
            "yield" => {
                give_way(app, lease, epoch).await;
                return epoch - first;
            }
            "prune" => {
                finish(app, lease, "pruned").await;
                return epoch - first;
            }
            other => panic!("nobody asked for {other}"),
        }
    }
    complete(app, lease, 9).await;
    N_EPOCHS - first
}

/// Trains whatever comes until the sweep is finished; returns the epochs trained.
pub(super) async fn work(app: &App, id: &str) -> u32 {
    let worker = Worker::new();
    let mut n_epochs = 0;
    let mut began = tokio::time::Instant::now();
    while app.get(&format!("/api/v1/sweeps/{id}")).await["sweep"]["finished"] != true {
        match worker.claim(app, 1).await.pop() {
            Some(lease) => {
                n_epochs += train(app, &lease).await;
                began = tokio::time::Instant::now();
            }
            None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
        assert!(began.elapsed().as_secs() < 60, "it never ends");
    }
    n_epochs
}

/// Claims `n` trials, oldest first, one by one: a trial whose row somebody has locked at the moment is skipped by a claim.
pub(super) async fn claim_all(app: &App, worker: &Worker, n: usize) -> Vec<Lease> {
    let mut leases = Vec::with_capacity(n);
    while leases.len() < n {
        leases.push(worker.claim_one(app).await);
    }
    leases.sort_by_key(|lease| lease.trial);
    leases
}

pub(super) async fn submit(app: &App, spec: &Value) -> String {
    let made = app.post_ok("/api/v1/sweeps", spec).await;
    made["id"].as_str().unwrap().to_owned()
}

pub(super) async fn counts(app: &App, id: &str) -> Value {
    app.get(&format!("/api/v1/sweeps/{id}")).await["sweep"]["counts"].clone()
}

/// Asks the scheduler again for every decision in its log; answers with how many there are.
pub(super) async fn check_replay(app: &App, id: &str) -> usize {
    let id: SweepId = serde_json::from_value(json!(id)).unwrap();
    let detail = store::sweep::detail(&app.state.pool, id).await.unwrap();
    let spec = detail.unwrap().spec;
    let mut steps: BTreeMap<u64, (Vec<Event>, Vec<Decision>)> = BTreeMap::new();
    for line in store::schedule::log(&app.state.pool, id, 0).await.unwrap() {
        let step = steps.entry(line.step).or_default();
        match line.event {
            Event::Decided { decision } => step.1.push(decision),
            event => {
                assert!(
                    step.1.is_empty(),
                    "what was new comes before what was decided"
                );
                step.0.push(event);
            }
        }
    }
    let steps: Vec<_> = steps.into_values().collect();
    let scheduler = scheduler::build(&spec, N_EPOCHS).unwrap();
    let history = History::new(objective(&spec).direction);
    assert_eq!(scheduler::replay(&*scheduler, history, &steps), Ok(()));
    steps.iter().map(|(_, decisions)| decisions.len()).sum()
}
