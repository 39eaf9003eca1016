//! A point to go on from: weights, buffers, optimizer state, and where the run stood, in one
//! safetensors file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use cultivar_spec::{Sha256Digest, TrialSpec, canonical_json};
use tch::Tensor;

use crate::models::Model;
use crate::optim::{Optim, OptimError};
use crate::params::{LoadError, LoadPolicy};
use crate::weights::{self, WeightsError, WeightsFile};

const MODEL: &str = "model.";
const OPTIM: &str = "optim.";
/// How many checkpoints are kept: the newest, and the one that may still be on its way to the server.
const KEPT: usize = 2;

/// Where a run stands between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Position {
    /// Steps done.
    pub step: u64,
    /// Sum of the training losses of this epoch's steps, and their number.
    pub loss_sum: f64,
    pub n_losses: u64,
}

/// A checkpoint that cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error(transparent)]
    File(#[from] WeightsError),
    #[error("it is of another spec")]
    OtherSpec,
    #[error("its metadata lack {0}")]
    Metadata(&'static str),
    #[error(transparent)]
    Model(#[from] LoadError),
    #[error(transparent)]
    Optim(#[from] OptimError),
}

/// Where the checkpoint after `step` steps lies. Each has its own name: it may be uploaded while the
/// next one is written.
pub(crate) fn path(work_dir: &Path, step: u64) -> PathBuf {
    work_dir.join(format!("checkpoint-{step:09}.safetensors"))
}

/// Writes a checkpoint and removes those before the last but one. It is whole or not there.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(
    path: &Path,
    spec: &TrialSpec,
    model: &Model,
    optim: &dyn Optim,
    position: Position,
) -> Result<(), WeightsError> {
    let named = |prefix: &'static str, tensors: Vec<(String, Tensor)>| {
        tensors
            .into_iter()
            .map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
    };
    let mut tensors: Vec<_> = named(MODEL, model.params.named()).collect();
    tensors.extend(named(OPTIM, optim.state()));
    let metadata = [
        ("spec", digest(spec)),
        ("step", position.step.to_string()),
        // Rust prints the shortest text that reads back as the same number.
        ("loss_sum", position.loss_sum.to_string()),
        ("n_losses", position.n_losses.to_string()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    weights::write(path, &tensors, &HashMap::from(metadata))?;
    if let Err(error) = remove_old(path) {
        tracing::warn!(
            "cannot remove old checkpoints beside {}: {error}",
            path.display()
        );
    }
    Ok(())
}

/// Where the run of a checkpoint stood.
///
/// # Errors
/// The file cannot be read, is damaged, or is of another spec.
pub(crate) fn position(path: &Path, spec: &TrialSpec) -> Result<Position, CheckpointError> {
    position_of(&weights::read(path)?, spec)
}

fn position_of(file: &WeightsFile, spec: &TrialSpec) -> Result<Position, CheckpointError> {
    if file.metadata.get("spec") != Some(&digest(spec)) {
        return Err(CheckpointError::OtherSpec);
    }
    Ok(Position {
        step: number(&file.metadata, "step")?,
        loss_sum: number(&file.metadata, "loss_sum")?,
        n_losses: number(&file.metadata, "n_losses")?,
    })
}

/// Takes model and optimizer back to a checkpoint.
///
/// # Errors
/// The file cannot be read, is damaged, or is of another spec. The model may be half loaded then.
pub(crate) fn read(
    path: &Path,
    spec: &TrialSpec,
    model: &mut Model,
    optim: &mut dyn Optim,
) -> Result<Position, CheckpointError> {
    let file = weights::read(path)?;
    let position = position_of(&file, spec)?;
    let part = |prefix: &str| -> HashMap<String, Tensor> {
        let tensors = file.tensors.iter();
        tensors
            .filter_map(|(name, tensor)| {
                Some((
                    name.strip_prefix(prefix)?.to_owned(),
                    tensor.shallow_clone(),
                ))
            })
            .collect()
    };
    optim.load_state(&part(OPTIM))?;
    model.params.load(&part(MODEL), LoadPolicy::Exact)?;
    Ok(position)
}

fn digest(spec: &TrialSpec) -> String {
    Sha256Digest::of(canonical_json(spec).as_bytes()).to_string()
}

fn number<T: FromStr>(
    metadata: &HashMap<String, String>,
    key: &'static str,
) -> Result<T, CheckpointError> {
    metadata
        .get(key)
        .and_then(|text| text.parse().ok())
        .ok_or(CheckpointError::Metadata(key))
}

fn remove_old(newest: &Path) -> io::Result<()> {
    let folder = newest.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("checkpoint-") && name.ends_with(".safetensors") {
            found.push(path);
        }
    }
    found.sort();
    let newest_at = found.iter().position(|path| path == newest);
    let n_old = newest_at.map_or(0, |at| (at + 1).saturating_sub(KEPT));
    found[..n_old].iter().try_for_each(fs::remove_file)
}
