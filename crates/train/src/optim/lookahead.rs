//! Lookahead: Zhang et al. 2019, <https://arxiv.org/abs/1907.08610>.
//!
//! Every k steps of another optimizer, the slow weights s move towards the fast ones f, and the fast
//! ones start again from there: s <- s + alpha (f - s);  f <- s.
//!
//! Reference: timm's `Lookahead`, which takes the slow weights to be the fast ones at the *first
//! synchronisation*, not at the start, so that the first one changes nothing. The paper evaluates
//! the slow weights; timm leaves that to the caller.

use tch::Tensor;

/// The slow weights' name in a saved state.
pub(super) const SLOW: &str = "optim.slow";

pub(super) struct Lookahead {
    k: u64,
    alpha: f64,
    /// `[n]`; none before the first synchronisation.
    slow: Option<Tensor>,
}

impl Lookahead {
    pub fn new(k: u32, alpha: f64) -> Self {
        Self {
            k: u64::from(k),
            alpha,
            slow: None,
        }
    }

    /// To be called after fast step number `n_steps` (from 1), with the fast weights.
    pub fn after_step(&mut self, values: &mut Tensor, n_steps: u64) {
        if !n_steps.is_multiple_of(self.k) {
            return;
        }
        match &mut self.slow {
            Some(slow) => {
                let _ = slow.lerp_(values, self.alpha);
                values.copy_(slow);
            }
            None => self.slow = Some(values.copy()),
        }
    }

    /// The slow weights, once there are any.
    pub fn slow(&self) -> Option<&Tensor> {
        self.slow.as_ref()
    }

    /// Whether `n_steps` fast steps are enough for slow weights to be there.
    pub fn synchronises_within(&self, n_steps: u64) -> bool {
        n_steps >= self.k
    }

    /// Takes up slow weights of a saved state, on the device and of the kind of `values`.
    pub fn restore(&mut self, slow: Option<&Tensor>, values: &Tensor) {
        self.slow = slow.map(|slow| {
            slow.to_device(values.device())
                .to_kind(values.kind())
                .copy()
        });
    }
}
