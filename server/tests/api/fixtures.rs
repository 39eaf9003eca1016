//! A small dataset, weights, and a worker that pretends to train.

use std::collections::HashMap;

use cultivar_spec::manifest::{DataFile, ImageEntry, Manifest, Split};
use cultivar_spec::predictions::{DATASET_VERSION, IMAGE_IDX, LABELS, LOGITS};
use cultivar_spec::wire::{ClaimReply, DeviceInfo, Job, Lease, WorkerIdentity};
use cultivar_spec::{BootId, Sha256Digest, WorkerId};
use reqwest::{Method, StatusCode};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, answer};

/// Two classes; ten images each for training, validation and test.
pub fn manifest() -> Manifest {
    let splits = [Split::Train, Split::Val, Split::Test];
    let image = |idx: usize| ImageEntry {
        sha256: Sha256Digest::of(format!("image {idx}").as_bytes()),
        label: (idx % 2) as u32,
        split: splits[idx / 10],
        group: None,
    };
    Manifest {
        name: "mini".into(),
        title: "Mini".into(),
        classes: vec!["even".into(), "odd".into()],
        images: (0..30).map(image).collect(),
        files: vec![DataFile {
            sha256: Sha256Digest::of(b"parquet"),
            n_bytes: 7,
            n_rows: 30,
        }],
        sources: Vec::new(),
        split_rule: "by index".into(),
    }
}

/// A predictions file for a split of [`manifest`] that gets the first `n_right` of ten images right.
pub fn predictions(split: Split, n_right: usize) -> Vec<u8> {
    let manifest = manifest();
    let indices = manifest.indices(split);
    let mut logits = Vec::new();
    let mut labels = Vec::new();
    for (row, idx) in indices.iter().enumerate() {
        let label = manifest.images[*idx].label;
        let says = if row < n_right { label } else { 1 - label };
        logits.extend(if says == 0 {
            [1.0_f32, 0.0]
        } else {
            [0.0, 1.0]
        });
        labels.push(i64::from(label));
    }
    let logits: Vec<u8> = logits.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    let labels: Vec<u8> = labels.iter().flat_map(|x| x.to_le_bytes()).collect();
    let image_idx: Vec<u8> = indices
        .iter()
        .flat_map(|x| (*x as i64).to_le_bytes())
        .collect();
    let n = indices.len();
    let tensors = [
        (
            LOGITS,
            TensorView::new(Dtype::F32, vec![n, 2], &logits).unwrap(),
        ),
        (
            LABELS,
            TensorView::new(Dtype::I64, vec![n], &labels).unwrap(),
        ),
        (
            IMAGE_IDX,
            TensorView::new(Dtype::I64, vec![n], &image_idx).unwrap(),
        ),
    ];
    let metadata = HashMap::from([(DATASET_VERSION.to_owned(), manifest.version().to_string())]);
    safetensors::serialize(tensors, Some(metadata)).unwrap()
}

/// A valid head-only trial on the mini dataset.
pub fn trial_spec(seed: u64) -> Value {
    json!({"data": {"dataset": "mini"}, "adaptation": {"mode": "head_only"}, "fit": {"epochs": 2, "seed": seed}})
}

impl App {
    pub async fn upload(&self, bytes: &[u8]) -> Sha256Digest {
        let digest = Sha256Digest::of(bytes);
        let path = format!("/api/v1/artifacts/{digest}");
        let (status, body) = answer(self.request(Method::PUT, &path).body(bytes.to_vec())).await;
        assert_eq!(status, StatusCode::OK, "{body:#}");
        digest
    }

    /// Registers the mini dataset and pretrained weights of the default backbone.
    pub async fn register(&self) {
        self.upload(b"parquet").await;
        self.post_ok("/api/v1/datasets", &manifest()).await;
        let sha256 = self.upload(b"weights").await;
        let entry = json!({
            "backbone": "efficientnet_lite0", "sha256": sha256, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
            "interpolation": "bicubic", "crop_pct": 0.9,
        });
        self.post_ok("/api/v1/weights", &entry).await;
    }

    /// Queues a trial and returns its id.
    pub async fn submit(&self, seed: u64) -> String {
        let trial = self
            .post_ok("/api/v1/trials", &json!({"spec": trial_spec(seed)}))
            .await;
        trial["id"].as_str().unwrap().to_owned()
    }

    pub async fn trial(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/trials/{id}")).await
    }
}

/// A worker daemon, as far as the server can tell.
pub struct Worker {
    pub identity: WorkerIdentity,
}

impl Worker {
    pub fn new() -> Self {
        Self {
            identity: WorkerIdentity {
                id: WorkerId::new(),
                boot: BootId::new(),
                name: "test".into(),
                device: DeviceInfo::default(),
                version: "0".into(),
            },
        }
    }

    pub async fn claim_as(&self, app: &App, request: Uuid, max: u32, wait_s: f64) -> Vec<Lease> {
        let claim =
            json!({"worker": self.identity, "request": request, "max": max, "wait_s": wait_s});
        let reply = app.post_ok("/api/v1/leases", &claim).await;
        serde_json::from_value::<ClaimReply>(reply).unwrap().leases
    }

    pub async fn claim(&self, app: &App, max: u32) -> Vec<Lease> {
        self.claim_as(app, Uuid::new_v4(), max, 0.0).await
    }

    /// Claims exactly one lease; waits for it if need be.
    pub async fn claim_one(&self, app: &App) -> Lease {
        let mut leases = self.claim_as(app, Uuid::new_v4(), 1, 20.0).await;
        leases.pop().expect("there is a job")
    }

    /// The order for each lease held, as words.
    pub async fn beat(&self, app: &App, leases: &[&Lease]) -> Vec<String> {
        let ids: Vec<_> = leases.iter().map(|lease| lease.id).collect();
        let reply = app
            .post_ok(
                "/api/v1/heartbeats",
                &json!({"worker": self.identity, "leases": ids}),
            )
            .await;
        let order = |lease: &&Lease| {
            reply["orders"][lease.id.to_string()]
                .as_str()
                .unwrap()
                .to_owned()
        };
        leases.iter().map(order).collect()
    }
}

/// Posts to a lease.
pub async fn tell(app: &App, lease: &Lease, what: &str, body: Value) -> (StatusCode, Value) {
    app.post(&format!("/api/v1/leases/{}/{what}", lease.id), &body)
        .await
}

/// A completed finish whose artifacts are uploaded: `n_right` of ten images right.
pub async fn completed(app: &App, lease: &Lease, n_right: usize) -> Value {
    let top1 = n_right as f64 / 10.0;
    match &lease.job {
        Job::Train { .. } => {
            let model = app.upload(b"model").await;
            let predictions = app.upload(&predictions(Split::Val, n_right)).await;
            json!({
                "outcome": "completed", "step": 20, "model": model, "predictions": predictions,
                "metrics": {"val_top1": top1, "val_loss": 0.7, "odd": "NaN"},
                "cost": {"images": 20, "seconds": 1.5, "device": "cpu", "precision": "f32", "code_version": "0"},
            })
        }
        Job::Evaluate { split, .. } => {
            let predictions = app.upload(&predictions(*split, n_right)).await;
            json!({"outcome": "completed", "predictions": predictions})
        }
    }
}

/// Finishes a lease as completed.
pub async fn complete(app: &App, lease: &Lease, n_right: usize) {
    let finish = completed(app, lease, n_right).await;
    let (status, body) = tell(app, lease, "finish", finish).await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
}
