//! Predicting a split with a trained model.

use std::path::{Path, PathBuf};

use cultivar_spec::Outcome;
use cultivar_spec::manifest::Split;
use cultivar_spec::trainer::{EvaluateJob, JobResult};

use super::inputs;
use super::report::Reporter;
use super::run::computes_in;
use super::session::{self, Session};
use crate::error::TrainError;
use crate::params::LoadPolicy;
use crate::predict::{self, Scores};

/// Predicts a split with the model of a finished trial.
///
/// # Errors
/// See [`TrainError`].
pub(super) fn evaluate(
    session: &Session<'_>,
    job: &EvaluateJob,
    reporter: &mut Reporter<'_>,
) -> Result<JobResult, TrainError> {
    computes_in(session, reporter)?;
    let split = session::indices(&session.manifest, job.split);
    if split.is_empty() {
        return Err(TrainError::EmptySplit(job.split.name()));
    }
    let mut model = inputs::fresh_model(session)?;
    inputs::load(&mut model, &job.model, LoadPolicy::Exact)?;
    // The saved model is whole, so that of a head-only trial is run on pixels too.
    let pixels = session.evaluation_pixels(reporter)?;
    reporter.phase("validating");
    let logits = inputs::predict(session, &model, &pixels, &split, &mut |done, total| {
        reporter.pulse(done, total)
    })?;
    let scores = Scores::of(&logits, &predict::labels_of(&session.manifest, &split));
    let path = predictions_path(&session.files.work_dir, job.split);
    predict::write(&path, &session.manifest, job.split, &split, &logits)?;
    Ok(JobResult {
        metrics: scores.named(job.split),
        predictions: Some(path),
        ..reporter.result(Outcome::Completed)
    })
}

/// Where the predictions of a split go.
pub(super) fn predictions_path(work_dir: &Path, split: Split) -> PathBuf {
    work_dir.join(format!("predictions-{}.safetensors", split.name()))
}
