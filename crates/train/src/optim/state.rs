//! Saving and restoring optimizer state by name.

use std::collections::HashMap;

use tch::{Device, Tensor};

use super::OptimError;

/// The step counter's name.
const STEP: &str = "optim.step";

/// A named copy, on the CPU.
pub(crate) fn saved(name: &str, tensor: &Tensor) -> (String, Tensor) {
    (name.to_owned(), tensor.copy().to_device(Device::Cpu))
}

/// The number of steps done.
pub(crate) fn saved_step(step: u64) -> (String, Tensor) {
    (STEP.to_owned(), Tensor::from_slice(&[step as i64]))
}

/// Reads the number of steps done.
pub(crate) fn step(state: &HashMap<String, Tensor>) -> Result<u64, OptimError> {
    Ok(find(state, STEP, &[1])?.int64_value(&[0]) as u64)
}

/// Reads a tensor of a known shape.
pub(crate) fn find<'a>(
    state: &'a HashMap<String, Tensor>,
    name: &str,
    wanted: &[i64],
) -> Result<&'a Tensor, OptimError> {
    let tensor = state.get(name).ok_or_else(|| OptimError::Missing {
        name: name.to_owned(),
    })?;
    if tensor.size() != wanted {
        return Err(OptimError::Shape {
            name: name.to_owned(),
            found: tensor.size(),
            wanted: wanted.to_vec(),
        });
    }
    Ok(tensor)
}
