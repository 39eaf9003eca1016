//! Trials to be trained while things break, and people who change their minds about some.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cultivar_client::Client;
use cultivar_spec::SweepSpec;
use cultivar_spec::manifest::{DataFile, ImageEntry, Manifest, Split};
use cultivar_spec::wire::{NewTrial, PauseSweep, WeightsEntry};
use cultivar_spec::{Sha256Digest, SweepId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sqlx::PgPool;

/// How long a call is repeated before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Unsettled trials beyond which nothing is added.
const MAX_BACKLOG: i64 = 60;

/// What was submitted and acknowledged. Every trial has a seed of its own, by which it is known.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The sweep's name; none for a trial by itself.
    pub name: Option<String>,
    pub seeds: Vec<u64>,
    /// Somebody cancelled it.
    pub cancelled: bool,
}

pub fn client(url: &str, token: &str) -> anyhow::Result<Client> {
    Ok(Client::new(url, token)?.with_patience(PATIENCE))
}

/// The dataset and weights that the pretended trainer wants to see downloaded.
pub async fn register(client: &Client, dir: &std::path::Path) -> anyhow::Result<()> {
    let blob = async |text: &str| -> anyhow::Result<Sha256Digest> {
        let path = dir.join("blob");
        std::fs::write(&path, text)?;
        Ok(client.upload(&path).await?)
    };
    let splits = [Split::Train, Split::Val, Split::Test];
    let image = |idx: usize| ImageEntry {
        sha256: Sha256Digest::of(format!("image {idx}").as_bytes()),
        label: (idx % 2) as u32,
        split: splits[idx / 10],
        group: None,
    };
    let parquet = "pretended images";
    let manifest = Manifest {
        name: "works".into(),
        title: "Pretended".into(),
        classes: vec!["even".into(), "odd".into()],
        images: (0..30).map(image).collect(),
        files: vec![DataFile {
            sha256: blob(parquet).await?,
            n_bytes: parquet.len() as u64,
            n_rows: 30,
        }],
        sources: Vec::new(),
        split_rule: "by index".into(),
    };
    client.register_dataset(&manifest).await?;
    let weights = json!({
        "backbone": "efficientnet_lite0", "sha256": blob("pretended weights").await?, "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "crop_pct": 0.9,
    });
    let weights: WeightsEntry = serde_json::from_value(weights)?;
    client.register_weights(&weights).await?;
    Ok(())
}

/// Nothing is held out, so that the model alone is the result.
fn base(seed: u64) -> Value {
    json!({
        "data": {"dataset": "works", "train_on": "train_val"}, "adaptation": {"mode": "head_only"},
        "fit": {"epochs": 2, "seed": seed},
    })
}

/// Submits `n_trials` in step with the faults: `done` counts those of `n_faults` that happened.
pub async fn run(
    client: Client,
    pool: PgPool,
    seed: u64,
    n_trials: usize,
    done: Arc<AtomicUsize>,
    n_faults: usize,
) -> anyhow::Result<Vec<Submitted>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x10ad);
    let mut submitted: Vec<Submitted> = Vec::new();
    let mut n_so_far = 0;
    while n_so_far < n_trials {
        let due = n_trials * (done.load(Ordering::Relaxed) + 8) / n_faults.max(1);
        if n_so_far >= due || backlog(&pool).await >= MAX_BACKLOG {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let is_single = rng.random_bool(0.2);
        let n = match is_single {
            true => 1,
            false => rng.random_range(3..12).min(n_trials - n_so_far),
        };
        let seeds: Vec<u64> = (n_so_far..n_so_far + n).map(|seed| seed as u64).collect();
        n_so_far += n;
        if is_single {
            let new = NewTrial {
                spec: base(seeds[0]),
                needs: Default::default(),
            };
            let trial = client.submit_trial(&new).await?;
            let cancelled = rng.random_bool(0.1);
            if cancelled {
                tolerate(client.cancel_trial(trial.id).await)?;
            }
            submitted.push(Submitted {
                name: None,
                seeds,
                cancelled,
            });
            continue;
        }
        let name = format!("load {}", submitted.len());
        let parallel = rng.random_bool(0.3).then(|| rng.random_range(1..4));
        let spec = json!({"name": name, "base": base(0), "seeds": seeds, "queueing": {"parallel": parallel}});
        let spec: SweepSpec = serde_json::from_value(spec)?;
        let sweep = client.submit_sweep(&spec).await?;
        let cancelled = interfere(&client, sweep.id, &mut rng).await?;
        submitted.push(Submitted {
            name: Some(name),
            seeds,
            cancelled,
        });
    }
    Ok(submitted)
}

/// Now and then somebody pauses a sweep and lets it go on, or cancels it. Whether it was cancelled.
async fn interfere(client: &Client, sweep: SweepId, rng: &mut ChaCha8Rng) -> anyhow::Result<bool> {
    match rng.random_range(0..20) {
        0 | 1 => {
            let drain = rng.random_bool(0.5);
            client.pause_sweep(sweep, PauseSweep { drain }).await?;
            tokio::time::sleep(Duration::from_millis(rng.random_range(100..1500))).await;
            client.resume_sweep(sweep).await?;
            Ok(false)
        }
        2 => {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..600))).await;
            client.cancel_sweep(sweep).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A trial may have settled before somebody could cancel it.
fn tolerate<T>(answer: Result<T, cultivar_client::Error>) -> anyhow::Result<()> {
    match answer {
        Err(error) if error.status() != Some(409) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Unsettled trials; none are said to be while the database is away.
async fn backlog(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM trial WHERE state IN ('queued', 'running', 'paused')")
        .fetch_one(pool)
        .await
        .unwrap_or(0)
}
