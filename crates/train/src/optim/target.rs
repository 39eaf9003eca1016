//! What an optimizer works on: the flat buffers, in blocks that each move at one rate.

use tch::{Device, Tensor};

use crate::params::{Flat, Group, Segment};

/// Scalars of a block on the CPU. Half a dozen tensors of that many stay in a core's cache from one operation of a
/// step to the next, so that a step reads and writes memory once.
const CPU_BLOCK: i64 = 1 << 16;

/// Flat values and gradients, and how they are cut.
pub(super) struct Target {
    /// `[n]`, of the parameters' kind, shared with the model.
    pub values: Tensor,
    /// `[n]`, the same, shared with autograd.
    pub grads: Tensor,
    /// All of it.
    pub blocks: Vec<Block>,
    /// The gradients of weights of more than one dimension, `[channels, row_len]` each: views.
    pub rows: Vec<Tensor>,
    clip: Option<f64>,
}

/// A stretch of the flat buffers that moves at one rate.
pub(super) struct Block {
    start: i64,
    len: i64,
    /// Over the backbone's learning rate.
    pub lr_mult: f64,
    decays: bool,
    /// `[len]`: a view of the values.
    pub values: Tensor,
    /// `[len]`: a view of the gradients.
    pub grads: Tensor,
}

impl Target {
    pub fn new(flat: &Flat, head_lr_mult: f64, clip: Option<f64>) -> Self {
        let n_per_block = match flat.values.device() {
            Device::Cpu => CPU_BLOCK,
            // A GPU has no cache to speak of, and kernels cost by the piece.
            _ => i64::MAX,
        };
        let rates = flat.rate_segments();
        let blocks = rates.iter().flat_map(|run| {
            let lr_mult = run.lr_scale
                * match run.group {
                    Group::Backbone => 1.0,
                    Group::Head => head_lr_mult,
                };
            cut(run.start, run.len, n_per_block).map(move |(start, len)| Block {
                start,
                len,
                lr_mult,
                decays: run.decays,
                values: flat.values.narrow(0, start, len),
                grads: flat.grads.narrow(0, start, len),
            })
        });
        let rows = flat.segments().iter().filter(|run| run.decays);
        let rows = rows.flat_map(|run| rows_of(run, &flat.grads, n_per_block));
        Self {
            values: flat.values.shallow_clone(),
            grads: flat.grads.shallow_clone(),
            blocks: blocks.collect(),
            rows: rows.collect(),
            clip,
        }
    }

    /// Scales all gradients so that their joint L2 norm is at most the clip: Pascanu et al. 2013,
    /// <https://arxiv.org/abs/1211.5063>, algorithm 1.
    ///
    /// g <- g min(1, clip / (||g|| + 1e-6)), as `torch.nn.utils.clip_grad_norm_`; the paper has no 1e-6. The norm is
    /// that of the parameters that are trained, before centralization and weight decay touch the gradients.
    pub fn clip_grads(&mut self) {
        if let Some(clip) = self.clip {
            let scale = ((self.grads.norm() + 1e-6).reciprocal() * clip).clamp_max(1.0);
            let _ = self.grads.g_mul_(&scale);
        }
    }

    /// Zeros of the shape of the flat values: a fresh moment.
    pub fn zeros(&self) -> Tensor {
        self.values.zeros_like()
    }
}

impl Block {
    /// This stretch of a moment, as a view.
    pub fn of(&self, moment: &Tensor) -> Tensor {
        moment.narrow(0, self.start, self.len)
    }

    /// Coupled L2 decay: adds `weight_decay` times the values to the gradients, if they decay.
    pub fn decay_grads(&self, weight_decay: f64) {
        if self.decays && weight_decay != 0.0 {
            let pull = &self.values * weight_decay;
            let _ = self.grads.shallow_clone().g_add_(&pull);
        }
    }

    /// Decoupled decay: shrinks the values by `lr * weight_decay`, if they decay.
    pub fn decay_values(&self, lr: f64, weight_decay: f64) {
        if self.decays && weight_decay != 0.0 {
            let keep = 1.0 - lr * weight_decay;
            let _ = self.values.shallow_clone().g_mul_scalar_(keep);
        }
    }

    /// Moves the values by `-lr` times `direction` `[len]`, which is used up.
    pub fn descend(&self, mut direction: Tensor, lr: f64) {
        let _ = direction.g_mul_scalar_(-lr);
        let _ = self.values.shallow_clone().g_add_(&direction);
    }

    /// Moves the values by `-lr * mean / (sqrt(square) / root + eps)`, all `[len]`.
    pub fn descend_adaptively(&self, mean: &Tensor, square: &Tensor, root: f64, eps: f64, lr: f64) {
        if lr == 0.0 {
            return;
        }
        // The denominator takes up the factors of the quotient, which saves passes over memory.
        let mut denominator = square.sqrt();
        let _ = denominator.g_mul_scalar_(-1.0 / (root * lr));
        let _ = denominator.g_add_scalar_(-eps / lr);
        let _ = self.values.shallow_clone().addcdiv_(mean, &denominator);
    }
}

/// Starts and lengths of the pieces of a stretch, `largest` scalars each but the last.
fn cut(start: i64, len: i64, largest: i64) -> impl Iterator<Item = (i64, i64)> {
    let largest = largest.min(len).max(1);
    (0..(len + largest - 1) / largest).map(move |piece| {
        let offset = piece * largest;
        (start + offset, largest.min(len - offset))
    })
}

/// A run of the gradients as matrices of whole output channels.
fn rows_of(run: &Segment, grads: &Tensor, largest: i64) -> impl Iterator<Item = Tensor> {
    let row_len = run.row_len;
    let whole_rows = (largest / row_len).max(1).saturating_mul(row_len);
    cut(run.start, run.len, whole_rows)
        .map(move |(start, len)| grads.narrow(0, start, len).view([-1, row_len]))
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::params::{ParamKind, ParamStore};

    #[test]
    fn pieces_cover_a_stretch() {
        let pieces = |len, largest| cut(5, len, largest).collect::<Vec<_>>();
        assert_eq!(pieces(10, 4), [(5, 4), (9, 4), (13, 2)]);
        assert_eq!(pieces(8, 4), [(5, 4), (9, 4)]);
        assert_eq!(pieces(3, i64::MAX), [(5, 3)]);
        assert!(pieces(0, 4).is_empty());
    }

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
        let target = Target::new(store.flat().expect("it is flat"), 10.0, None);
        tch::no_grad(|| {
            for block in &target.blocks {
                block.descend(block.values.ones_like(), 0.01 * block.lr_mult);
            }
        });
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
