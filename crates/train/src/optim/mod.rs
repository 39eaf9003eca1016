//! Optimizers over flat buffers: every step is a handful of operations on whole tensors, with no
//! loop over parameters and no wait for the device. One algorithm a file.

mod adamw;
mod ranger;
mod sgd;

use std::collections::HashMap;

use cultivar_spec::trial::Optimizer;
use tch::{Kind, Tensor};

use crate::params::{Flat, Group};

/// What changes from step to step.
#[derive(Clone, Copy, Debug)]
pub struct StepInput {
    /// The backbone's learning rate; the head's is this times its multiplier.
    pub lr: f64,
    /// Replaces momentum or beta1 where the schedule moves it.
    pub momentum: Option<f64>,
}

/// An update rule. Reads `flat.grads`, changes `flat.params`; both `[n]` f32.
pub trait Rule {
    fn step(&mut self, flat: &Flat, grads: &Tensor, scale: &Scales, input: StepInput);
    /// Tensors and counters, by name, for a checkpoint.
    fn state(&self) -> Vec<(String, Tensor)>;
    /// Takes back what [`Rule::state`] gave.
    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), StateError>;
    /// The weights to evaluate, where they are not those being trained.
    fn eval_params(&self) -> Option<&Tensor> {
        None
    }
}

/// Per-element factors, `[n]` f32.
#[derive(Debug)]
pub struct Scales {
    /// On the learning rate; `None` where it is 1 throughout.
    pub lr: Option<Tensor>,
    /// 1 where weight decay applies, 0 on biases and other 1-d parameters.
    pub decay: Tensor,
}

/// A checkpoint does not belong to this optimizer.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint has no optimizer state {0:?} of the right shape")]
pub struct StateError(pub String);

/// An optimizer at work on a model's flat tensors.
pub struct Optim {
    rule: Box<dyn Rule>,
    scales: Scales,
    clip: Option<f64>,
}

impl Optim {
    /// Builds what the spec asks for; this match is the registry.
    pub fn build(spec: &Optimizer, flat: &Flat, head_lr_mult: f64) -> Self {
        let rule: Box<dyn Rule> = match *spec {
            Optimizer::Sgd {
                momentum,
                nesterov,
                weight_decay,
                ..
            } => Box::new(sgd::Sgd::new(flat, momentum, nesterov, weight_decay)),
            Optimizer::Adamw {
                betas,
                eps,
                weight_decay,
                ..
            } => Box::new(adamw::AdamW::new(flat, betas, eps, weight_decay)),
            Optimizer::Ranger {
                betas,
                eps,
                weight_decay,
                lookahead_k,
                lookahead_alpha,
                ..
            } => Box::new(ranger::Ranger::new(
                flat,
                betas,
                eps,
                weight_decay,
                lookahead_k,
                lookahead_alpha,
            )),
        };
        Self {
            rule,
            scales: Scales::of(flat, head_lr_mult),
            clip: spec.clip(),
        }
    }

    /// One update, then gradients back to zero.
    pub fn step(&mut self, flat: &Flat, input: StepInput) {
        tch::no_grad(|| {
            let mut grads = flat.grads.shallow_clone();
            if let Some(max_norm) = self.clip {
                // As torch.nn.utils.clip_grad_norm_: the factor never exceeds 1.
                let factor = (max_norm / (grads.norm() + 1e-6)).clamp_max(1.0);
                let _ = grads.g_mul_(&factor);
            }
            self.rule.step(flat, &grads, &self.scales, input);
            let _ = grads.zero_();
        });
    }

    /// Tensors and counters, by name, for a checkpoint.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.rule.state()
    }

    /// Takes back what [`Optim::state`] gave.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), StateError> {
        self.rule.load_state(state)
    }

    /// Runs `evaluate` on the weights that count: Ranger's slow ones, everybody else's own.
    pub fn with_eval_params<T>(&self, flat: &Flat, evaluate: impl FnOnce() -> T) -> T {
        let Some(slow) = self.rule.eval_params() else {
            return evaluate();
        };
        let fast = flat.params.copy();
        tch::no_grad(|| flat.params.shallow_clone().copy_(slow));
        let result = evaluate();
        tch::no_grad(|| flat.params.shallow_clone().copy_(&fast));
        result
    }
}

impl Scales {
    fn of(flat: &Flat, head_lr_mult: f64) -> Self {
        let ones = flat.params.ones_like();
        let fill = |value: &dyn Fn(&crate::params::Segment) -> f64| {
            let target = ones.copy();
            for segment in &flat.segments {
                let _ = target
                    .narrow(0, segment.offset, segment.n)
                    .fill_(value(segment));
            }
            target
        };
        let lr = (head_lr_mult != 1.0).then(|| {
            fill(&|segment| {
                if segment.group == Group::Head {
                    head_lr_mult
                } else {
                    1.0
                }
            })
        });
        Self {
            lr,
            decay: fill(&|segment| if segment.shape.len() > 1 { 1.0 } else { 0.0 }),
        }
    }

    /// `update * lr`, element by element.
    fn scaled(&self, update: Tensor, lr: f64) -> Tensor {
        match &self.lr {
            Some(factors) => update * factors * lr,
            None => update * lr,
        }
    }
}

/// Copies a saved tensor into a live one.
fn restore(
    state: &HashMap<String, Tensor>,
    name: &str,
    target: &mut Tensor,
) -> Result<(), StateError> {
    let saved = state
        .get(name)
        .filter(|saved| saved.size() == target.size());
    let saved = saved.ok_or_else(|| StateError(name.to_owned()))?;
    tch::no_grad(|| target.copy_(saved));
    Ok(())
}

fn counter(value: u64) -> Tensor {
    Tensor::from_slice(&[value as i64])
}

fn restore_counter(state: &HashMap<String, Tensor>, name: &str) -> Result<u64, StateError> {
    let saved = state
        .get(name)
        .filter(|saved| saved.numel() == 1 && saved.kind() == Kind::Int64);
    Ok(saved
        .ok_or_else(|| StateError(name.to_owned()))?
        .int64_value(&[0]) as u64)
}
