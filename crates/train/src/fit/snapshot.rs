//! All that a model is, as two flat tensors: to evaluate other weights than those being trained.

use std::collections::HashMap;

use tch::{Tensor, no_grad};

use crate::optim::OptimError;
use crate::optim::state::{find, saved};
use crate::params::Flat;

const VALUES: &str = "values";
const BUFFERS: &str = "buffers";

/// Trained values `[n]` and buffers `[m]`, in the order of the flat buffers.
pub(super) struct Snapshot {
    values: Tensor,
    buffers: Tensor,
}

impl Snapshot {
    /// Shares both tensors with whoever they belong to.
    pub fn of(values: &Tensor, buffers: &Tensor) -> Self {
        Self {
            values: values.shallow_clone(),
            buffers: buffers.shallow_clone(),
        }
    }

    /// The same, on its own.
    pub fn copy(&self) -> Self {
        Self {
            values: self.values.copy(),
            buffers: self.buffers.copy(),
        }
    }

    /// Makes the model what this holds.
    pub fn put_into(&self, flat: &Flat) {
        no_grad(|| {
            flat.values.shallow_clone().copy_(&self.values);
            flat.buffers.shallow_clone().copy_(&self.buffers);
        });
    }

    /// Does something with the model as this holds it. What it was comes back after.
    pub fn lent_to<T>(&self, flat: &Flat, act: impl FnOnce() -> T) -> T {
        let trained = Self::of(&flat.values, &flat.buffers).copy();
        self.put_into(flat);
        let done = act();
        trained.put_into(flat);
        done
    }

    /// Copies, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        vec![saved(VALUES, &self.values), saved(BUFFERS, &self.buffers)]
    }

    /// Reads what [`state`](Self::state) gave, for a model like `flat`.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub fn read(state: &HashMap<String, Tensor>, flat: &Flat) -> Result<Self, OptimError> {
        let device = flat.values.device();
        let read = |name, like: &Tensor| -> Result<Tensor, OptimError> {
            Ok(find(state, name, &like.size())?.to_device(device))
        };
        Ok(Self {
            values: read(VALUES, &flat.values)?,
            buffers: read(BUFFERS, &flat.buffers)?,
        })
    }
}
