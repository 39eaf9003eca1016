//! A point to go on from: weights, buffers, optimizer state and the step, in one safetensors file.

use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use crate::TrainError;
use crate::models::Model;
use crate::optim::Optim;
use crate::weights::{self, FileError};

const MODEL: &str = "model.";
const OPTIM: &str = "optim.";
const STEP: &str = "step";

/// Writes a checkpoint after `step` steps; it is whole or not there.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(path: &Path, model: &Model, optim: &Optim, step: u64) -> Result<(), FileError> {
    let prefixed = |prefix: &'static str, tensors: Vec<(String, Tensor)>| {
        tensors
            .into_iter()
            .map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
    };
    let mut tensors: Vec<_> = prefixed(MODEL, model.params.named()).collect();
    tensors.extend(prefixed(OPTIM, optim.state()));
    weights::write(
        path,
        &tensors,
        HashMap::from([(STEP.to_owned(), step.to_string())]),
    )
}

/// Takes model and optimizer back to a checkpoint; returns its step.
///
/// # Errors
/// The file is damaged or belongs to another configuration.
pub(crate) fn read(path: &Path, model: &mut Model, optim: &mut Optim) -> Result<u64, TrainError> {
    let (tensors, metadata) = weights::read(path)?;
    let part = |prefix: &str| -> HashMap<String, Tensor> {
        let of_part = |(name, tensor): (&String, &Tensor)| {
            Some((
                name.strip_prefix(prefix)?.to_owned(),
                tensor.shallow_clone(),
            ))
        };
        tensors.iter().filter_map(of_part).collect()
    };
    model.params.restore(&part(MODEL))?;
    optim.load_state(&part(OPTIM))?;
    let step = metadata.get(STEP).and_then(|step| step.parse().ok());
    step.ok_or_else(|| {
        let reason = "it does not say its step".to_owned();
        FileError::Format {
            path: path.display().to_string(),
            reason,
        }
        .into()
    })
}
