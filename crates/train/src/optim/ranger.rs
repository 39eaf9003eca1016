//! Ranger (Wright 2019; Wright and Demeure 2021): gradient centralization (Yong et al. 2020), RAdam
//! (Liu et al. 2020) and Lookahead (Zhang et al. 2019).
//!
//! The RAdam inside is timm's: the rectified step from a simple moving average length of 5 on
//! (PyTorch's is above 5), decoupled decay, epsilon added to the uncorrected square root. Until then
//! the step is momentum SGD's. Lookahead is timm's too: the slow weights are first taken at the
//! first synchronisation. The slow weights are the ones to evaluate.

use std::collections::HashMap;

use tch::Tensor;

use super::{Rule, Scales, StateError, StepInput, counter, restore, restore_counter};
use crate::params::Flat;

pub(super) struct Ranger {
    mean: Tensor,
    square: Tensor,
    slow: Tensor,
    rows: Rows,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    lookahead_k: u64,
    lookahead_alpha: f64,
    n_steps: u64,
}

/// Which output channel each element belongs to, for parameters of more than one dimension.
struct Rows {
    /// Row of each element, `[n]` i64; 1-d parameters share row 0.
    idx: Tensor,
    /// 1 / elements of each row, `[n_rows]` f32; 0 for row 0, which is not centralized.
    inverse_size: Tensor,
}

impl Rows {
    fn of(flat: &Flat) -> Self {
        let mut idx = Vec::with_capacity(flat.params.numel());
        let mut inverse_size = vec![0.0_f32];
        for segment in &flat.segments {
            if segment.shape.len() < 2 {
                idx.extend(std::iter::repeat_n(0_i64, segment.n as usize));
                continue;
            }
            let row_size = segment.n / segment.shape[0];
            for _ in 0..segment.shape[0] {
                idx.extend(std::iter::repeat_n(
                    inverse_size.len() as i64,
                    row_size as usize,
                ));
                inverse_size.push(1.0 / row_size as f32);
            }
        }
        let device = flat.params.device();
        Self {
            idx: Tensor::from_slice(&idx).to_device(device),
            inverse_size: Tensor::from_slice(&inverse_size).to_device(device),
        }
    }

    /// g - mean of g over its output channel.
    fn centralized(&self, grads: &Tensor) -> Tensor {
        let sums = self
            .inverse_size
            .zeros_like()
            .index_add(0, &self.idx, grads);
        grads - (sums * &self.inverse_size).index_select(0, &self.idx)
    }
}

impl Ranger {
    pub(super) fn new(
        flat: &Flat,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
        lookahead_k: u32,
        lookahead_alpha: f64,
    ) -> Self {
        Self {
            mean: flat.params.zeros_like(),
            square: flat.params.zeros_like(),
            slow: flat.params.copy(),
            rows: Rows::of(flat),
            betas,
            eps,
            weight_decay,
            lookahead_k: lookahead_k.into(),
            lookahead_alpha,
            n_steps: 0,
        }
    }

    fn radam(&mut self, flat: &Flat, grads: &Tensor, scales: &Scales, input: StepInput) {
        let [beta1, beta2] = [input.momentum.unwrap_or(self.betas[0]), self.betas[1]];
        let t = self.n_steps as i32;
        let _ = self.mean.lerp_(grads, 1.0 - beta1);
        let _ = self
            .square
            .g_mul_scalar_(beta2)
            .g_add_(&(grads * grads * (1.0 - beta2)));
        let mut params = flat.params.shallow_clone();
        if self.weight_decay > 0.0 {
            let shrink = scales.scaled(&params * &scales.decay, input.lr * self.weight_decay);
            let _ = params.g_sub_(&shrink);
        }
        let decay2 = beta2.powi(t);
        let length_max = 2.0 / (1.0 - beta2) - 1.0;
        let length = length_max - 2.0 * f64::from(t) * decay2 / (1.0 - decay2);
        let correction1 = 1.0 - beta1.powi(t);
        let update = if length >= 5.0 {
            let rectification =
                ((1.0 - decay2) * (length - 4.0) / (length_max - 4.0) * (length - 2.0) / length
                    * length_max
                    / (length_max - 2.0))
                    .sqrt();
            &self.mean / (self.square.sqrt() + self.eps) * (rectification / correction1)
        } else {
            &self.mean / correction1
        };
        let _ = params.g_sub_(&scales.scaled(update, input.lr));
    }

    fn look_ahead(&mut self, flat: &Flat) {
        if self.n_steps % self.lookahead_k != 0 {
            return;
        }
        if self.n_steps == self.lookahead_k {
            self.slow.copy_(&flat.params);
        }
        let _ = self.slow.lerp_(&flat.params, self.lookahead_alpha);
        flat.params.shallow_clone().copy_(&self.slow);
    }
}

impl Rule for Ranger {
    fn step(&mut self, flat: &Flat, grads: &Tensor, scales: &Scales, input: StepInput) {
        self.n_steps += 1;
        let centralized = self.rows.centralized(grads);
        self.radam(flat, &centralized, scales, input);
        self.look_ahead(flat);
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            ("mean".into(), self.mean.copy()),
            ("square".into(), self.square.copy()),
            ("slow".into(), self.slow.copy()),
            ("n_steps".into(), counter(self.n_steps)),
        ]
    }

    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), StateError> {
        restore(state, "mean", &mut self.mean)?;
        restore(state, "square", &mut self.square)?;
        restore(state, "slow", &mut self.slow)?;
        self.n_steps = restore_counter(state, "n_steps")?;
        Ok(())
    }

    fn eval_params(&self) -> Option<&Tensor> {
        // Before the first synchronisation the slow weights are still the initial ones.
        (self.n_steps >= self.lookahead_k).then_some(&self.slow)
    }
}
