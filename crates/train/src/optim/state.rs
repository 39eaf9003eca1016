//! Saving and restoring optimizer state by name.

use std::collections::HashMap;

use tch::{Device, Tensor, no_grad};

use super::OptimError;

/// The step counter's name.
const STEP: &str = "optim.step";

/// A named copy, on the CPU.
pub(super) fn saved(name: &str, tensor: &Tensor) -> (String, Tensor) {
    (name.to_owned(), tensor.copy().to_device(Device::Cpu))
}

/// The number of steps done.
pub(super) fn saved_step(step: u64) -> (String, Tensor) {
    (STEP.to_owned(), Tensor::from_slice(&[step as i64]))
}

/// Reads the number of steps done.
pub(super) fn step(state: &HashMap<String, Tensor>) -> Result<u64, OptimError> {
    Ok(find(state, STEP, &[1])?.int64_value(&[0]) as u64)
}

/// Reads a tensor of a known shape.
pub(super) fn find<'a>(
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

/// Overwrites `target` with what was read.
pub(super) fn restore(target: &mut Tensor, source: &Tensor) {
    no_grad(|| target.copy_(source));
}
