//! A point to go on from: weights, buffers, the state of everything that has one, and where the run stood, in
//! one safetensors file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use cultivar_spec::{Sha256Digest, TrialSpec, canonical_json};
use tch::Tensor;

use crate::optim::OptimError;
use crate::params::LoadError;
use crate::weights::{self, WeightsError};

/// How many checkpoints are kept: the newest, and the one that may still be on its way to the server.
const KEPT: usize = 2;

/// Only where it is not what the spec says.
const MICRO_BATCH: &str = "micro_batch";

/// Left out by versions that did not count them.
const SECONDS: &str = "seconds";

/// Where a run stands between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Position {
    /// Steps done.
    pub step: u64,
    /// Epochs done, validation included.
    pub epochs: u32,
    /// Sum of the training losses of this epoch's steps, and their number.
    pub loss_sum: f64,
    pub n_losses: u64,
    /// Images taken at once, where those that the spec asks for had no room.
    pub micro_batch: Option<u32>,
    /// Wall-clock seconds of the training that led here, over all attempts.
    pub seconds: f64,
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

/// A checkpoint in memory.
pub(crate) struct Checkpoint {
    pub position: Position,
    tensors: HashMap<String, Tensor>,
}

/// Tensors under the name of the part of a run they belong to.
pub(crate) fn named(part: &str, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    tensors
        .into_iter()
        .map(|(name, tensor)| (format!("{part}.{name}"), tensor))
        .collect()
}

/// Writes a checkpoint and removes those before the last but one. It is whole or not there.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(
    path: &Path,
    spec: &TrialSpec,
    tensors: &[(String, Tensor)],
    position: Position,
) -> Result<(), WeightsError> {
    let metadata = [
        ("spec", digest(spec).to_string()),
        ("step", position.step.to_string()),
        ("epochs", position.epochs.to_string()),
        // Rust prints the shortest text that reads back as the same number.
        ("loss_sum", position.loss_sum.to_string()),
        ("n_losses", position.n_losses.to_string()),
        (SECONDS, position.seconds.to_string()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    let mut metadata = HashMap::from(metadata);
    if let Some(micro_batch) = position.micro_batch {
        metadata.insert(MICRO_BATCH.to_owned(), micro_batch.to_string());
    }
    weights::write(path, tensors, &metadata)?;
    if let Err(error) = remove_old(path) {
        tracing::warn!(
            "cannot remove old checkpoints beside {}: {error}",
            path.display()
        );
    }
    Ok(())
}

/// Reads a checkpoint that was written under a spec with this digest.
///
/// # Errors
/// The file cannot be read, is damaged, or is of another spec.
pub(crate) fn read(path: &Path, of_spec: Sha256Digest) -> Result<Checkpoint, CheckpointError> {
    let file = weights::read(path)?;
    if file.metadata.get("spec") != Some(&of_spec.to_string()) {
        return Err(CheckpointError::OtherSpec);
    }
    let has = |key| file.metadata.contains_key(key);
    let position = Position {
        step: number(&file.metadata, "step")?,
        epochs: number(&file.metadata, "epochs")?,
        loss_sum: number(&file.metadata, "loss_sum")?,
        n_losses: number(&file.metadata, "n_losses")?,
        micro_batch: match has(MICRO_BATCH) {
            true => Some(number(&file.metadata, MICRO_BATCH)?),
            false => None,
        },
        seconds: match has(SECONDS) {
            true => number(&file.metadata, SECONDS)?,
            false => 0.0,
        },
    };
    Ok(Checkpoint {
        position,
        tensors: file.tensors,
    })
}

impl Checkpoint {
    /// The tensors of a part of the run, under the names it gave them.
    pub fn part(&self, part: &str) -> HashMap<String, Tensor> {
        let of_part = |(name, tensor): (&String, &Tensor)| {
            let name = name.strip_prefix(part)?.strip_prefix('.')?;
            Some((name.to_owned(), tensor.shallow_clone()))
        };
        self.tensors.iter().filter_map(of_part).collect()
    }
}

/// What a checkpoint is known by.
pub(crate) fn digest(spec: &TrialSpec) -> Sha256Digest {
    Sha256Digest::of(canonical_json(spec).as_bytes())
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
