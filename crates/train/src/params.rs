//! The named tensors of a model: parameters, which are trained, and buffers, which are not.
//!
//! Before training, [`ParamStore::flatten`] moves all trainable parameters into one flat tensor and
//! their gradients into another, so that an optimizer step is a few operations over whole buffers
//! whatever the number of layers. Each parameter stays an autograd leaf of its own, viewing its
//! part of the flat values; autograd accumulates in place into its part of the flat gradients.

mod flat;
mod load;

use std::collections::HashMap;

use tch::{Device, Kind, Tensor, no_grad};

pub use flat::{Flat, Segment};
pub use load::{LoadError, LoadPolicy, LoadReport};

/// What a parameter is, as far as weight decay is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Of a convolution or linear layer: more than one dimension.
    Weight,
    /// Added by a convolution or linear layer.
    Bias,
    /// Scale or shift of a BatchNorm.
    BatchNorm,
    /// Scale or shift of another normalisation, or the scale of a residual branch.
    Norm,
    /// A token or positions: does not decay, whatever its dimensions.
    Embedding,
}

/// Which learning rate a parameter follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    Backbone,
    Head,
}

/// A trainable tensor. Layers keep shallow clones of `tensor`, so it is only ever changed in place.
pub struct Param {
    /// timm's name.
    pub name: String,
    pub kind: ParamKind,
    pub group: Group,
    /// 0 at the stem, growing towards the head: the key of layer-wise learning rates.
    pub depth: u32,
    pub tensor: Tensor,
    /// Its learning rate over its group's: see [`ParamStore::decay_rates`].
    lr_scale: f64,
    is_trained: bool,
}

/// A tensor that forward passes keep, such as BatchNorm's running mean.
pub struct Buffer {
    /// timm's name.
    pub name: String,
    pub tensor: Tensor,
}

/// All tensors of a model, in the order it defines them.
pub struct ParamStore {
    device: Device,
    params: Vec<Param>,
    buffers: Vec<Buffer>,
    flat: Option<Flat>,
    is_outline: bool,
}

impl ParamStore {
    pub fn new(device: Device) -> Self {
        Self {
            device,
            params: Vec::new(),
            buffers: Vec::new(),
            flat: None,
            is_outline: false,
        }
    }

    /// A store whose tensors have shapes and take no memory: [`named`](Self::named),
    /// [`load`](Self::load) and [`flatten`](Self::flatten) are not for it.
    pub fn outline() -> Self {
        Self {
            is_outline: true,
            ..Self::new(Device::Cpu)
        }
    }

    pub(crate) fn is_outline(&self) -> bool {
        self.is_outline
    }

    /// Turns every parameter and buffer into numbers of another kind, f64 for instance.
    ///
    /// # Panics
    /// After [`flatten`](Self::flatten).
    pub fn to_kind(&mut self, kind: Kind) {
        assert!(self.flat.is_none(), "turn before flattening");
        let params = self.params.iter_mut().map(|param| &mut param.tensor);
        let buffers = self.buffers.iter_mut().map(|buffer| &mut buffer.tensor);
        no_grad(|| {
            for tensor in params.chain(buffers) {
                let turned = tensor.to_kind(kind);
                tensor.set_data(&turned);
            }
        });
    }

    pub fn device(&self) -> Device {
        self.device
    }

    pub fn params(&self) -> &[Param] {
        &self.params
    }

    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Takes `values` in as a parameter and gives the handle its layer computes with.
    ///
    /// `values`: of one floating kind for all, on any device; a 4-d weight is laid out channels-last.
    pub fn add_param(
        &mut self,
        name: String,
        kind: ParamKind,
        group: Group,
        depth: u32,
        values: &Tensor,
    ) -> Tensor {
        debug_assert!(self.flat.is_none(), "{name} is added after flattening");
        let values = values.to_device(self.device).detach();
        let tensor = match self.is_outline {
            true => values,
            false => channels_last(&values).set_requires_grad(true),
        };
        let handle = tensor.shallow_clone();
        self.adopt_param(name, kind, group, depth, tensor);
        handle
    }

    /// Takes in a parameter that computes already, as it lies: an autograd leaf on the store's device.
    pub fn adopt_param(
        &mut self,
        name: String,
        kind: ParamKind,
        group: Group,
        depth: u32,
        tensor: Tensor,
    ) {
        self.params.push(Param {
            name,
            kind,
            group,
            depth,
            tensor,
            lr_scale: 1.0,
            is_trained: true,
        });
    }

    /// Takes `values` in as a buffer and gives the handle its layer updates.
    pub fn add_buffer(&mut self, name: String, values: &Tensor) -> Tensor {
        let tensor = values.to_device(self.device).detach();
        let handle = tensor.shallow_clone();
        self.adopt_buffer(name, tensor);
        handle
    }

    /// Takes in a buffer that is moved already, as it lies.
    pub fn adopt_buffer(&mut self, name: String, tensor: Tensor) {
        self.buffers.push(Buffer { name, tensor });
    }

    /// Stops gradients to a group. Frozen parameters stay out of the flat buffers.
    ///
    /// # Panics
    /// After [`flatten`](Self::flatten).
    pub fn freeze(&mut self, group: Group) {
        assert!(self.flat.is_none(), "freeze before flattening");
        self.train_only(|param| param.group != group);
    }

    /// Trains the parameters that are `wanted` and freezes all others. The flat buffers are given up:
    /// an optimizer over them has come to its end, and [`flatten`](Self::flatten) makes new ones.
    pub fn train_only(&mut self, wanted: impl Fn(&Param) -> bool) {
        let was_flat = self.flat.take().is_some();
        for param in &mut self.params {
            param.is_trained = wanted(param);
            if was_flat {
                let own = param.tensor.detach().copy();
                param.tensor.set_data(&own);
            }
            let _ = param.tensor.requires_grad_(param.is_trained);
        }
    }

    /// Whether a parameter is trained.
    pub fn is_trainable(&self, param: &Param) -> bool {
        param.is_trained
    }

    /// Layer-wise learning rates (Clark et al. 2020, <https://arxiv.org/abs/2003.10555>): those of a depth
    /// are `decay` times those of the next; those of the deepest stay. As timm's
    /// `param_groups_layer_decay`, whose layers our depths are.
    ///
    /// # Panics
    /// After [`flatten`](Self::flatten).
    pub fn decay_rates(&mut self, decay: f64) {
        assert!(self.flat.is_none(), "set rates before flattening");
        let deepest = self.params.iter().map(|param| param.depth).max();
        for param in &mut self.params {
            let n_steps = deepest.unwrap_or(0) - param.depth;
            param.lr_scale = decay.powi(n_steps as i32);
        }
    }

    /// Moves trainable parameters, their gradients and the buffers into flat tensors. Once is enough; a second
    /// call does nothing.
    pub fn flatten(&mut self) {
        if self.flat.is_none() {
            let params = self.params.iter_mut();
            let trainable = params.filter(|param| param.is_trained).collect();
            self.flat = Some(Flat::new(trainable, &mut self.buffers, self.device));
        }
    }

    /// The flat buffers, once [`flatten`](Self::flatten)ed.
    pub fn flat(&self) -> Option<&Flat> {
        self.flat.as_ref()
    }

    /// Clears the gradients.
    pub fn zero_grad(&mut self) {
        match &self.flat {
            Some(flat) => {
                let _ = flat.grads.shallow_clone().zero_();
            }
            None => self
                .params
                .iter_mut()
                .for_each(|param| param.tensor.zero_grad()),
        }
    }

    /// Number of scalars in parameters, frozen ones included.
    pub fn n_scalars(&self) -> usize {
        self.params.iter().map(|param| param.tensor.numel()).sum()
    }

    /// Copies of every parameter and buffer under timm's names: row-major, on the CPU.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let copy = |tensor: &Tensor| {
            let row_major = tensor.detach().to_device(Device::Cpu).contiguous();
            if row_major.data_ptr() == tensor.data_ptr() {
                row_major.copy()
            } else {
                row_major
            }
        };
        let params = self.params.iter().map(|param| (&param.name, &param.tensor));
        let buffers = self
            .buffers
            .iter()
            .map(|buffer| (&buffer.name, &buffer.tensor));
        params
            .chain(buffers)
            .map(|(name, tensor)| (name.clone(), copy(tensor)))
            .collect()
    }

    /// Copies named tensors into the parameters and buffers of the same names.
    ///
    /// # Errors
    /// A name that the policy does not excuse is missing or has another shape. Nothing is changed then.
    pub fn load(
        &mut self,
        tensors: &HashMap<String, Tensor>,
        policy: LoadPolicy,
    ) -> Result<LoadReport, LoadError> {
        load::load(self, tensors, policy)
    }

    fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        let params = self.params.iter().map(|param| Slot {
            name: &param.name,
            group: param.group,
            tensor: &param.tensor,
        });
        let buffers = self.buffers.iter().map(|buffer| Slot {
            name: &buffer.name,
            group: Group::Backbone,
            tensor: &buffer.tensor,
        });
        params.chain(buffers)
    }
}

/// A parameter or buffer that can be loaded into.
struct Slot<'a> {
    name: &'a str,
    group: Group,
    tensor: &'a Tensor,
}

/// The same values with channels last in memory, where there are four dimensions. Convolutions on
/// the CPU are three to four times as fast that way.
///
/// `tensor`: `[N, C, H, W]` or any other shape, which is left alone.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    if tensor.dim() == 4 {
        no_grad(|| {
            tensor
                .permute([0, 2, 3, 1])
                .contiguous()
                .permute([0, 3, 1, 2])
        })
    } else {
        tensor.shallow_clone()
    }
}
