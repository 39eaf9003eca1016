//! A model's named tensors, and the flat buffers that make one optimizer step a handful of operations.
//!
//! Parameters carry timm's names. After [`ParamStore::flatten`] every trainable parameter is a view
//! into one flat tensor and its gradient a view into another, in the same order; autograd then
//! accumulates in place. 4-d weights keep their channels-last memory order inside the flat tensors.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

/// Which learning rate a parameter follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Backbone,
    Head,
}

/// A named tensor of a model.
#[derive(Debug)]
struct Entry {
    name: String,
    tensor: Tensor,
    group: Group,
    /// Learnt, as opposed to a buffer such as a running mean.
    is_parameter: bool,
}

/// Where a trainable parameter lies in the flat tensors.
#[derive(Clone, Debug)]
pub struct Segment {
    pub offset: i64,
    pub n: i64,
    /// Of the parameter, in PyTorch's order.
    pub shape: Vec<i64>,
    pub group: Group,
}

/// All trainable parameters in one tensor, their gradients in another. Both `[n]`, f32.
#[derive(Debug)]
pub struct Flat {
    pub params: Tensor,
    pub grads: Tensor,
    pub segments: Vec<Segment>,
}

/// What a state dict did to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    pub loaded: Vec<String>,
    /// In the file, not in the model, or a head of another shape.
    pub skipped: Vec<String>,
    /// In the model, not in the file: keeps its fresh value.
    pub fresh: Vec<String>,
}

/// The weights do not fit the model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the weights lack {0}, which the backbone needs")]
    Missing(String),
    #[error("{name} has shape {found:?} in the weights and {expected:?} in the backbone")]
    Shape {
        name: String,
        found: Vec<i64>,
        expected: Vec<i64>,
    },
}

/// A model's parameters and buffers, in the order they were made.
#[derive(Debug)]
pub struct ParamStore {
    entries: Vec<Entry>,
    device: Device,
    flat: Option<Flat>,
}

impl ParamStore {
    pub fn new(device: Device) -> Self {
        Self {
            entries: Vec::new(),
            device,
            flat: None,
        }
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Adds a learnt tensor and returns a handle on it. 4-d weights are laid out channels-last.
    pub fn parameter(&mut self, name: &str, value: Tensor, group: Group) -> Tensor {
        let tensor = channels_last(&value.to_device(self.device)).set_requires_grad(true);
        self.push(name, tensor, group, true)
    }

    /// Adds a tensor that is saved but not learnt.
    pub fn buffer(&mut self, name: &str, value: Tensor, group: Group) -> Tensor {
        self.push(name, value.to_device(self.device), group, false)
    }

    fn push(&mut self, name: &str, tensor: Tensor, group: Group, is_parameter: bool) -> Tensor {
        let handle = tensor.shallow_clone();
        self.entries.push(Entry {
            name: name.to_owned(),
            tensor,
            group,
            is_parameter,
        });
        handle
    }

    /// Stops learning in one group.
    pub fn freeze(&mut self, group: Group) {
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.group == group && entry.is_parameter)
        {
            let _ = entry.tensor.set_requires_grad(false);
        }
    }

    /// Learnt values, counted.
    pub fn n_trainable(&self) -> i64 {
        self.trainable()
            .map(|entry| entry.tensor.numel() as i64)
            .sum()
    }

    fn trainable(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.is_parameter && entry.tensor.requires_grad())
    }

    /// Moves every trainable parameter and its gradient into flat tensors. Call once, after loading.
    pub fn flatten(&mut self) -> &Flat {
        let n_all = self.n_trainable();
        let params = Tensor::zeros([n_all], (Kind::Float, self.device));
        let grads = params.zeros_like();
        // A first backward pass makes autograd create the gradient tensors that are then redirected.
        let touched = self
            .trainable()
            .map(|entry| entry.tensor.sum(Kind::Float))
            .fold(
                Tensor::zeros([], (Kind::Float, self.device)),
                |sum, term| sum + term,
            );
        touched.backward();
        let mut segments = Vec::new();
        let mut offset = 0;
        for entry in self.trainable() {
            let n = entry.tensor.numel() as i64;
            let shape = entry.tensor.size();
            let view = view_of(&params, offset, &shape);
            tch::no_grad(|| view.shallow_clone().copy_(&entry.tensor));
            let grad = entry.tensor.grad();
            let mut tensor = entry.tensor.shallow_clone();
            tch::no_grad(|| {
                tensor.set_data(&view);
                let mut grad = grad;
                grad.set_data(&view_of(&grads, offset, &shape));
            });
            segments.push(Segment {
                offset,
                n,
                shape,
                group: entry.group,
            });
            offset += n;
        }
        self.flat.insert(Flat {
            params,
            grads,
            segments,
        })
    }

    /// The flat tensors.
    ///
    /// # Panics
    /// Before [`ParamStore::flatten`].
    pub fn flat(&self) -> &Flat {
        self.flat
            .as_ref()
            .expect("flatten() comes before the first step")
    }

    /// Every tensor under its name: contiguous copies in PyTorch's order, on the CPU, f32.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let copy = |entry: &Entry| {
            let copy = entry
                .tensor
                .detach()
                .to_device(Device::Cpu)
                .to_kind(Kind::Float)
                .contiguous();
            (
                entry.name.clone(),
                if copy.data_ptr() == entry.tensor.data_ptr() {
                    copy.copy()
                } else {
                    copy
                },
            )
        };
        self.entries.iter().map(copy).collect()
    }

    /// Copies `tensors` into the parameters and buffers of the same name. A head of another shape
    /// stays fresh, since another dataset has other classes; anything else must fit.
    ///
    /// # Errors
    /// A backbone tensor is missing or has another shape.
    pub fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<LoadReport, LoadError> {
        let mut report = LoadReport::default();
        for entry in &self.entries {
            let head = entry.group == Group::Head;
            match tensors.get(&entry.name) {
                Some(found) if found.size() == entry.tensor.size() => {
                    tch::no_grad(|| entry.tensor.shallow_clone().copy_(found));
                    report.loaded.push(entry.name.clone());
                }
                Some(_) | None if head => report.fresh.push(entry.name.clone()),
                None => return Err(LoadError::Missing(entry.name.clone())),
                Some(found) => {
                    let (found, expected) = (found.size(), entry.tensor.size());
                    return Err(LoadError::Shape {
                        name: entry.name.clone(),
                        found,
                        expected,
                    });
                }
            }
        }
        let skipped = tensors
            .keys()
            .filter(|name| !report.loaded.contains(name))
            .cloned();
        report.skipped = skipped.collect();
        report.skipped.sort();
        Ok(report)
    }
}

impl ParamStore {
    /// Buffers under their names, on the CPU.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        let buffers = self.entries.iter().filter(|entry| !entry.is_parameter);
        buffers
            .map(|entry| {
                (
                    entry.name.clone(),
                    entry.tensor.to_device(Device::Cpu).copy(),
                )
            })
            .collect()
    }

    /// Copies the buffers that `tensors` names.
    pub fn load_buffers(&mut self, tensors: &HashMap<String, Tensor>) {
        for entry in self.entries.iter().filter(|entry| !entry.is_parameter) {
            if let Some(found) = tensors.get(&entry.name) {
                tch::no_grad(|| entry.tensor.shallow_clone().copy_(found));
            }
        }
    }

    /// Copies every parameter and buffer back from what [`ParamStore::named`] gave.
    ///
    /// # Errors
    /// One is missing or has another shape.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), LoadError> {
        let report = self.load(tensors)?;
        match report.fresh.first() {
            Some(name) => Err(LoadError::Missing(name.clone())),
            None => Ok(()),
        }
    }
}

/// The same values with channels last in memory; 4-d only.
pub fn channels_last(x: &Tensor) -> Tensor {
    if x.dim() == 4 {
        x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
    } else {
        x.contiguous()
    }
}

/// A view of a flat tensor with a parameter's shape.
fn view_of(flat: &Tensor, offset: i64, shape: &[i64]) -> Tensor {
    let range = flat.narrow(0, offset, shape.iter().product());
    match *shape {
        [o, i, h, w] => range.view([o, h, w, i]).permute([0, 3, 1, 2]),
        _ => range.view(shape),
    }
}
