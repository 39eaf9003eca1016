//! A dataset made on the spot, and one helper that runs a job on it.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cultivar_dataset::parquet::{self, ParquetError, Row};
use cultivar_spec::manifest::{DataFile, ImageEntry, Manifest, Split};
use cultivar_spec::trainer::{EvaluateJob, FromTrainer, JobFiles, JobResult, TrainJob};
use cultivar_spec::wire::{MetricPoint, Progress};
use cultivar_spec::{Outcome, Sha256Digest, TrialSpec, canonical_json, check};
use cultivar_train::{Control, Device, weights};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use tch::Tensor;
use tempfile::TempDir;

pub const N_IMAGES: usize = 60;
const CLASSES: [&str; 3] = ["disc", "square", "ring"];

/// A dataset version on disk, with a cache and work folders beside it.
pub struct Mini {
    folder: TempDir,
    pub manifest: Manifest,
}

impl Mini {
    /// 60 images of three classes, two to a group; 36 train, 12 validate, 12 test.
    pub fn new() -> Self {
        let images: Vec<Bytes> = (0..N_IMAGES).map(|idx| png(&draw(idx))).collect();
        Self::of(&images)
    }

    /// The same labels and splits over other encoded images.
    pub fn of(images: &[Bytes]) -> Self {
        // Sums on one thread: tests share the machine, and its cores are no part of what they check.
        tch::set_num_threads(1);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let classes: Vec<String> = CLASSES.map(str::to_owned).into();
        let data = folder.path().join("data.parquet");
        let rows = images.iter().enumerate().map(|(idx, bytes)| {
            Ok::<_, ParquetError>(Row {
                bytes: bytes.clone(),
                path: format!("{idx}.png"),
                label: label(idx),
                group: group(idx),
            })
        });
        parquet::write(&data, &classes, rows).expect("a Parquet file");
        let stored = fs::read(&data).expect("the file just written");
        let manifest = Manifest {
            name: "mini".into(),
            title: String::new(),
            classes,
            images: images
                .iter()
                .enumerate()
                .map(|(idx, bytes)| ImageEntry {
                    sha256: Sha256Digest::of(bytes),
                    label: label(idx),
                    split: split(idx),
                    group: Some(group(idx)),
                })
                .collect(),
            files: vec![DataFile {
                sha256: Sha256Digest::of(&stored),
                n_bytes: stored.len() as u64,
                n_rows: images.len() as u64,
            }],
            sources: Vec::new(),
            split_rule: String::new(),
        };
        fs::write(
            folder.path().join("manifest.json"),
            canonical_json(&manifest),
        )
        .expect("a manifest");
        Self { folder, manifest }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn cache_dir(&self) -> PathBuf {
        self.path("cache")
    }

    fn files(&self, tag: &str) -> JobFiles {
        JobFiles {
            manifest: self.path("manifest.json"),
            data: vec![self.path("data.parquet")],
            cache_dir: self.cache_dir(),
            module: None,
            work_dir: self.path(tag),
        }
    }

    /// A job with a work folder of its own.
    pub fn job(&self, tag: &str, spec: &TrialSpec) -> TrainJob {
        TrainJob {
            tag: tag.to_owned(),
            spec: spec.clone(),
            files: self.files(tag),
            weights: None,
            resume: None,
            resume_spec: None,
        }
    }

    pub fn evaluation(
        &self,
        tag: &str,
        spec: &TrialSpec,
        model: &Path,
        split: Split,
    ) -> EvaluateJob {
        EvaluateJob {
            tag: tag.to_owned(),
            spec: spec.clone(),
            files: self.files(tag),
            model: model.to_owned(),
            split,
        }
    }
}

/// The smallest backbone from random weights at 32 px, with `changes` laid over.
pub fn spec(changes: Value) -> TrialSpec {
    check::trial(&raw(changes)).unwrap_or_else(|violations| panic!("{violations}"))
}

/// The same, not checked yet.
pub fn raw(changes: Value) -> Value {
    let mut raw = json!({
        "data": {"dataset": "mini"},
        "backbone": {"weights": "random"},
        "input": {"crop_pct": 1.0},
        "fit": {"epochs": 3, "batch_size": 12, "resolution": 32, "seed": 1},
    });
    lay_over(&mut raw, changes);
    raw
}

/// Puts `changes` into a document, field by field.
pub fn lay_over(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, change) in changes {
                lay_over(base.entry(key).or_insert(Value::Null), change);
            }
        }
        (base, change) => *base = change,
    }
}

/// All that a job said.
#[derive(Default)]
pub struct Said {
    pub progress: Vec<Progress>,
    pub points: Vec<MetricPoint>,
    /// Path, epoch and step of each checkpoint.
    pub checkpoints: Vec<(PathBuf, u32, u64)>,
}

impl Said {
    pub fn hear(&mut self, event: FromTrainer) {
        match event {
            FromTrainer::Progress { progress, .. } => self.progress.push(progress),
            FromTrainer::Metrics { points, .. } => self.points.extend(points),
            FromTrainer::Checkpoint {
                path, epoch, step, ..
            } => self.checkpoints.push((path, epoch, step)),
            FromTrainer::Ready { .. } | FromTrainer::Done { .. } => {
                panic!("a job says neither that the trainer is ready nor that it is done")
            }
        }
    }

    /// The values of a metric, epoch by epoch.
    pub fn series(&self, metric: &str) -> Vec<f64> {
        self.points
            .iter()
            .filter(|point| point.metric == metric)
            .map(|point| point.value)
            .collect()
    }

    pub fn phases(&self) -> Vec<&str> {
        let mut phases: Vec<_> = self.progress.iter().map(|p| p.phase.as_str()).collect();
        phases.dedup();
        phases
    }
}

/// Runs a training job on the CPU to its end.
pub fn run(job: &TrainJob) -> (JobResult, Said) {
    let mut said = Said::default();
    let result = cultivar_train::train(job, Device::Cpu, &Control::new(), &mut |event| {
        said.hear(event);
    });
    (result, said)
}

/// Runs a training job that must complete.
pub fn complete(job: &TrainJob) -> (JobResult, Said) {
    let (result, said) = run(job);
    assert_eq!(result.outcome, Outcome::Completed, "{:?}", result.error);
    (result, said)
}

/// The tensors of a safetensors file.
pub fn tensors(path: &Path) -> HashMap<String, Tensor> {
    weights::read(path).expect("a safetensors file").tensors
}

fn label(idx: usize) -> u32 {
    (idx / 2 % CLASSES.len()) as u32
}

fn group(idx: usize) -> String {
    format!("g{}", idx / 2)
}

fn split(idx: usize) -> Split {
    match idx / 6 % 5 {
        0 => Split::Val,
        1 => Split::Test,
        _ => Split::Train,
    }
}

/// An image of 32 to 48 px a side: its class's shape, mostly in its class's colour, on a ground that
/// tells nothing.
fn draw(idx: usize) -> RgbImage {
    let wobble = |n: usize, of: usize| (idx * 7919 + n * 104_729) % of;
    let (width, height) = (32 + wobble(1, 17) as u32, 32 + wobble(2, 17) as u32);
    let ground = [3, 4, 5].map(|n| 90 + wobble(n, 60) as u8);
    let class = label(idx) as usize;
    let mut colour = [6, 7, 8].map(|n| 20 + wobble(n, 60) as u8);
    colour[class] = 190 + wobble(9, 60) as u8;
    let centre = [f64::from(width) / 2.0, f64::from(height) / 2.0];
    let radius = 9.0 + wobble(10, 5) as f64;
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (f64::from(x) - centre[0], f64::from(y) - centre[1]);
        let distance = dx.hypot(dy);
        let inside = match class {
            0 => distance < radius,
            1 => dx.abs().max(dy.abs()) < radius * 0.9,
            _ => (radius * 0.5..radius * 1.1).contains(&distance),
        };
        Rgb(if inside { colour } else { ground })
    })
}

fn png(image: &RgbImage) -> Bytes {
    let mut out = Cursor::new(Vec::new());
    image
        .write_to(&mut out, ImageFormat::Png)
        .expect("encoding to memory");
    out.into_inner().into()
}
