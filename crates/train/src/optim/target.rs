//! What an optimizer works on: the flat buffers, and how fast each part of them may move.

use tch::{Kind, Tensor};

use crate::params::{Flat, Group, Segment};

/// Flat values and gradients with their rates.
pub(super) struct Target {
    /// `[n]` f32, shared with the model.
    pub values: Tensor,
    /// `[n]` f32, shared with autograd.
    pub grads: Tensor,
    /// Runs of one row length, for centralization.
    pub segments: Vec<Segment>,
    rates: Vec<Rate>,
    clip: Option<f64>,
}

/// How a run moves.
struct Rate {
    run: Segment,
    /// Over the backbone's learning rate.
    lr_mult: f64,
}

impl Target {
    pub fn new(flat: &Flat, head_lr_mult: f64, clip: Option<f64>) -> Self {
        let rates = flat
            .rate_segments()
            .into_iter()
            .map(|run| Rate {
                lr_mult: run.lr_scale
                    * match run.group {
                        Group::Backbone => 1.0,
                        Group::Head => head_lr_mult,
                    },
                run,
            })
            .collect();
        Self {
            values: flat.values.shallow_clone(),
            grads: flat.grads.shallow_clone(),
            segments: flat.segments().to_vec(),
            rates,
            clip,
        }
    }

    /// Scales all gradients so that their joint L2 norm is at most the clip, as
    /// `torch.nn.utils.clip_grad_norm_` does: by clip / (norm + 1e-6) where that is below 1.
    pub fn clip_grads(&mut self) {
        if let Some(clip) = self.clip {
            let scale = ((self.grads.norm() + 1e-6).reciprocal() * clip).clamp_max(1.0);
            let _ = self.grads.g_mul_(&scale);
        }
    }

    /// Coupled L2 decay: adds `weight_decay` times the values to the gradients that decay.
    pub fn decay_grads(&mut self, weight_decay: f64) {
        if weight_decay != 0.0 {
            for rate in self.rates.iter().filter(|rate| rate.run.decays) {
                let pull = rate.run.of(&self.values) * weight_decay;
                let _ = rate.run.of(&self.grads).g_add_(&pull);
            }
        }
    }

    /// Decoupled decay: shrinks the values that decay by `lr * weight_decay`.
    pub fn decay_values(&mut self, lr: f64, weight_decay: f64) {
        if weight_decay != 0.0 {
            for rate in self.rates.iter().filter(|rate| rate.run.decays) {
                let keep = 1.0 - lr * rate.lr_mult * weight_decay;
                let _ = rate.run.of(&self.values).g_mul_scalar_(keep);
            }
        }
    }

    /// Moves the values by `-lr` times `direction` `[n]`, which is used up.
    pub fn descend(&mut self, mut direction: Tensor, lr: f64) {
        let _ = direction.g_mul_scalar_(-lr);
        for rate in self.rates.iter().filter(|rate| rate.lr_mult != 1.0) {
            let _ = rate.run.of(&direction).g_mul_scalar_(rate.lr_mult);
        }
        let _ = self.values.g_add_(&direction);
    }

    /// Zeros of the shape of the flat values: a fresh moment.
    pub fn zeros(&self) -> Tensor {
        Tensor::zeros(
            self.values.size().as_slice(),
            (Kind::Float, self.values.device()),
        )
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::params::{ParamKind, ParamStore};

    #[test]
    fn each_layer_moves_at_its_own_rate() {
        let mut store = ParamStore::new(Device::Cpu);
        for (depth, group) in [(0, Group::Backbone), (1, Group::Backbone), (2, Group::Head)] {
            let ones = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
            let _ = store.add_param(
                format!("layer{depth}"),
                ParamKind::Weight,
                group,
                depth,
                &ones,
            );
        }
        store.decay_rates(0.5);
        store.flatten();
        let mut target = Target::new(store.flat().expect("it is flat"), 10.0, None);
        let direction = target.values.ones_like();
        tch::no_grad(|| target.descend(direction, 0.01));
        for (param, rate) in store.params().iter().zip([0.25, 0.5, 10.0]) {
            let wanted = param.tensor.ones_like() * (1.0 - 0.01 * rate);
            assert!(
                param.tensor.allclose(&wanted, 1e-6, 0.0, false),
                "{}",
                param.name
            );
        }
    }
}
