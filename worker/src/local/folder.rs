//! The folder of a local run.
//!
//! | | |
//! | --- | --- |
//! | `spec.json` | the resolved spec: as a server would store it |
//! | `series.jsonl` | one metric value a line, as they were measured |
//! | `checkpoint-*.safetensors` | where `--resume` goes on |
//! | `model.safetensors`, `predictions-val.safetensors` | the result |
//! | `metrics.json` | final metrics, cost, outcome, and what they are of |

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cultivar_spec::manifest::Manifest;
use cultivar_spec::trainer::{Cost, FromTrainer, JobResult};
use cultivar_spec::wire::{MetricPoint, MetricValue};
use cultivar_spec::{Outcome, Sha256Digest, TrialSpec, config_id};
use serde::Serialize;

/// The trained model.
pub const MODEL: &str = "model.safetensors";
const SPEC: &str = "spec.json";
const SERIES: &str = "series.jsonl";
const METRICS: &str = "metrics.json";

/// An open folder. Nobody else can open it while this lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    series: File,
    resumes: bool,
}

impl RunFolder {
    /// Opens the folder of a new run, or of one to go on with.
    ///
    /// # Errors
    /// It cannot be written, or holds a run and `resume` is not asked for, or one of another spec.
    pub fn open(path: &Path, spec: &TrialSpec, resume: bool) -> anyhow::Result<Self> {
        let at = || format!("cannot use {}", path.display());
        fs::create_dir_all(path).with_context(at)?;
        let series = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path.join(SERIES))
            .with_context(at)?;
        match series.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another process trains in {}", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(at),
        }
        let spec_file = path.join(SPEC);
        if spec_file.exists() {
            if !resume {
                bail!(
                    "{} holds a run already: go on with --resume, or name another folder with --out",
                    path.display()
                );
            }
            let text = fs::read_to_string(&spec_file).with_context(at)?;
            let before: Option<TrialSpec> = serde_json::from_str(&text).ok();
            if before.as_ref() != Some(spec) {
                bail!(
                    "{} is of another spec, data or weights: a run cannot go on as another one",
                    path.display()
                );
            }
            if path.join(MODEL).exists() {
                bail!("the run in {} has completed", path.display());
            }
        } else {
            let text = serde_json::to_string_pretty(spec)?;
            fs::write(&spec_file, text + "\n").with_context(at)?;
        }
        let mut this = Self {
            path: path.to_owned(),
            series,
            resumes: resume,
        };
        this.forget_after_checkpoint().with_context(at)?;
        Ok(this)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest checkpoint, if this run goes on from one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn checkpoint(&self) -> anyhow::Result<Option<PathBuf>> {
        if !self.resumes {
            return Ok(None);
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            found.extend(step_of(&path).map(|step| (step, path)));
        }
        Ok(found.into_iter().max().map(|(_, path)| path))
    }

    /// What was measured after the checkpoint will be measured again.
    fn forget_after_checkpoint(&mut self) -> anyhow::Result<()> {
        let checkpoint = self.checkpoint()?;
        let step = checkpoint.as_deref().and_then(step_of).unwrap_or(0);
        let text = fs::read_to_string(self.path.join(SERIES))?;
        // A line that was cut short by the end of the process is forgotten too.
        let kept = text.lines().filter(|line| {
            let point = serde_json::from_str::<MetricPoint>(line);
            point.is_ok_and(|point| point.step <= step)
        });
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        self.series.set_len(0)?;
        self.series.write_all(kept.as_bytes())?;
        Ok(())
    }

    /// Writes down what the trainer measured.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn hear(&mut self, event: &FromTrainer) -> anyhow::Result<()> {
        let FromTrainer::Metrics { points, .. } = event else {
            return Ok(());
        };
        let mut lines = String::new();
        for point in points {
            lines.push_str(&serde_json::to_string(point)?);
            lines.push('\n');
        }
        let path = self.path.join(SERIES);
        let written = self.series.write_all(lines.as_bytes());
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the report. A run that completed needs its checkpoints no more.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn finish(&self, report: &Report<'_>, result: &JobResult) -> anyhow::Result<()> {
        let path = self.path.join(METRICS);
        let text = serde_json::to_string_pretty(report)?;
        fs::write(&path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        if result.outcome == Outcome::Completed {
            for entry in fs::read_dir(&self.path)? {
                let path = entry?.path();
                if step_of(&path).is_some() {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }
}

/// The step of a checkpoint, by its name.
fn step_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let step = name
        .strip_prefix("checkpoint-")?
        .strip_suffix(".safetensors")?;
    step.parse().ok()
}

/// What came of a run, and what it is of: `metrics.json`.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    outcome: Outcome,
    error: Option<&'a str>,
    /// The last step done.
    step: u64,
    metrics: BTreeMap<&'a str, MetricValue>,
    /// Of this call: a run that was resumed had others before.
    cost: &'a Cost,
    config_id: Sha256Digest,
    seed: u64,
    dataset: &'a str,
    dataset_version: Sha256Digest,
    weights_sha256: Option<Sha256Digest>,
    model: Option<&'a Path>,
    predictions: Option<&'a Path>,
}

impl<'a> Report<'a> {
    pub fn of(spec: &TrialSpec, manifest: &'a Manifest, result: &'a JobResult) -> Self {
        let metrics = result.metrics.iter();
        Self {
            outcome: result.outcome,
            error: result.error.as_deref(),
            step: result.step,
            metrics: metrics
                .map(|(name, value)| (name.as_str(), MetricValue(*value)))
                .collect(),
            cost: &result.cost,
            config_id: config_id(spec),
            seed: spec.fit.seed,
            dataset: &manifest.name,
            dataset_version: manifest.version(),
            weights_sha256: spec.backbone.weights_sha256,
            model: result.model.as_deref(),
            predictions: result.predictions.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(path: &Path) -> Vec<u64> {
        let text = fs::read_to_string(path.join(SERIES)).unwrap();
        let points = text.lines().map(serde_json::from_str::<MetricPoint>);
        points.map(|point| point.unwrap().step).collect()
    }

    fn measured(step: u64) -> FromTrainer {
        let point = MetricPoint {
            metric: "val_top1".into(),
            step,
            epoch: 1.0,
            value: 0.5,
        };
        FromTrainer::Metrics {
            tag: String::new(),
            points: vec![point],
        }
    }

    #[test]
    fn a_run_goes_on_from_its_newest_checkpoint_and_forgets_what_came_after() {
        let folder = tempfile::tempdir().unwrap();
        let spec = TrialSpec::example();
        let mut run = RunFolder::open(folder.path(), &spec, false).unwrap();
        for step in [3, 6, 9] {
            run.hear(&measured(step)).unwrap();
        }
        for step in [3, 6] {
            let name = format!("checkpoint-{step:09}.safetensors");
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(run.checkpoint().unwrap(), None, "it did not ask to go on");
        let taken = RunFolder::open(folder.path(), &spec, true).unwrap_err();
        assert!(taken.to_string().contains("another process"), "{taken}");
        drop(run);
        let run = RunFolder::open(folder.path(), &spec, true).unwrap();
        let newest = folder.path().join("checkpoint-000000006.safetensors");
        assert_eq!(run.checkpoint().unwrap(), Some(newest));
        assert_eq!(points(folder.path()), [3, 6]);
    }

    #[test]
    fn a_folder_is_of_one_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = TrialSpec::example();
        drop(RunFolder::open(folder.path(), &spec, true).unwrap());
        let open = |spec: &TrialSpec, resume| {
            let error = RunFolder::open(folder.path(), spec, resume).unwrap_err();
            error.to_string()
        };
        assert!(open(&spec, false).contains("holds a run already"));
        fs::write(folder.path().join(MODEL), "").unwrap();
        assert!(open(&spec, true).contains("has completed"));
        spec.fit.epochs += 1;
        assert!(open(&spec, true).contains("of another spec"));
    }
}
