//! An exponential moving average of the weights: Polyak and Juditsky 1992; as a habit of image classification,
//! Szegedy et al. 2016, <https://arxiv.org/abs/1512.00567>.
//!
//! After every step, with a the average of values and BatchNorm statistics, and p these as they are now:
//!
//! a <- d a + (1 - d) p,  d = min(2^(-1/h), (1 + t) / (10 + t)),
//!
//! where t updates were made before and h is the half-life in steps. The second term warms the average up: early
//! weights, of which a fresh head's are noise, are soon forgotten even if the half-life is longer than the run. It
//! is the rule of TensorFlow's `ExponentialMovingAverage`. The average starts as the weights before the first step.
//!
//! Under Lookahead p is the slow weights, which are the ones that would be evaluated. Reference:
//! `torch.optim.swa_utils.AveragedModel` with `use_buffers=True` and that decay.

use std::collections::HashMap;

use tch::{Tensor, no_grad};

use crate::optim::OptimError;
use crate::optim::state::{find, saved, saved_step, step};
use crate::params::Flat;

const VALUES: &str = "ema.values";
const BUFFERS: &str = "ema.buffers";

/// The average of everything a model holds.
pub struct Ema {
    /// `[n]` in the order of the flat buffers.
    values: Tensor,
    /// `[m]`, the same.
    buffers: Tensor,
    n_updates: u64,
    /// 2^(-1/h).
    decay: f64,
}

impl Ema {
    /// Starts at the weights as they are. `half_life_steps`: steps after which a step's weights count half.
    pub fn new(flat: &Flat, half_life_steps: f64) -> Self {
        Self {
            values: flat.values.copy(),
            buffers: flat.buffers.copy(),
            n_updates: 0,
            decay: 0.5_f64.powf(1.0 / half_life_steps),
        }
    }

    /// Moves towards `values` `[n]` and `buffers` `[m]`, once after every step.
    pub fn update(&mut self, values: &Tensor, buffers: &Tensor) {
        let t = self.n_updates as f64;
        let share = 1.0 - self.decay.min((1.0 + t) / (10.0 + t));
        self.n_updates += 1;
        no_grad(|| {
            let _ = self.values.lerp_(values, share);
            let _ = self.buffers.lerp_(buffers, share);
        });
    }

    /// The averaged values, `[n]`.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The averaged buffers, `[m]`.
    pub fn buffers(&self) -> &Tensor {
        &self.buffers
    }

    /// All that a resumed run needs, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            saved_step(self.n_updates),
            saved(VALUES, &self.values),
            saved(BUFFERS, &self.buffers),
        ]
    }

    /// Takes up a state that [`state`](Self::state) gave, for the same architecture.
    ///
    /// # Errors
    /// A tensor is missing or has another shape. Nothing is changed then.
    pub fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        let n_updates = step(state)?;
        let values = find(state, VALUES, &self.values.size())?;
        let buffers = find(state, BUFFERS, &self.buffers.size())?;
        self.n_updates = n_updates;
        no_grad(|| {
            self.values.copy_(values);
            self.buffers.copy_(buffers);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::params::{Group, ParamKind, ParamStore};

    fn store() -> ParamStore {
        let mut store = ParamStore::new(Device::Cpu);
        let start = Tensor::ones([4], (Kind::Float, Device::Cpu));
        let _ = store.add_param("p".into(), ParamKind::Bias, Group::Head, 0, &start);
        let _ = store.add_buffer("b".into(), &start.zeros_like());
        store.flatten();
        store
    }

    #[test]
    fn the_average_stays_between_the_weights_seen() {
        let store = store();
        let flat = store.flat().expect("it is flat");
        let mut ema = Ema::new(flat, 3.0);
        for step in 0..50 {
            let value = f64::from(step % 7) - 2.0;
            ema.update(
                &flat.values.full_like(value),
                &flat.buffers.full_like(value),
            );
            let seen = ema.values().double_value(&[0]);
            assert!((-2.0..=4.0).contains(&seen), "{seen} after step {step}");
        }
    }

    #[test]
    fn a_half_life_halves_once_warm() {
        let store = store();
        let flat = store.flat().expect("it is flat");
        let mut ema = Ema::new(flat, 5.0);
        let move_to = |ema: &mut Ema, value: f64, n: usize| {
            for _ in 0..n {
                ema.update(
                    &flat.values.full_like(value),
                    &flat.buffers.full_like(value),
                );
            }
            ema.buffers().double_value(&[0])
        };
        // The first update takes nine tenths.
        assert!((move_to(&mut ema, 1.0, 1) - 0.9).abs() < 1e-6);
        move_to(&mut ema, 1.0, 200);
        assert!((move_to(&mut ema, 0.0, 5) - 0.5).abs() < 1e-5);
    }
}
