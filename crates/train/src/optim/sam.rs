//! Sharpness-aware minimisation: Foret et al. 2021, <https://arxiv.org/abs/2010.01412>, and its adaptive form ASAM:
//! Kwon et al. 2021, <https://arxiv.org/abs/2102.11600>.
//!
//! With gradient g of the loss, any optimizer then steps from p with the gradient taken at p + e:
//!
//! SAM:   e = rho g / (||g|| + 1e-12);
//! ASAM:  e = rho p^2 g / (|| |p| g || + 1e-12), element by element.
//!
//! Norms are over all trained parameters together. Reference: the conventions of David Samuel's PyTorch version
//! (`davda54/sam`), which most use: weight decay and clipping are left to the optimizer and so do not enter e, ASAM
//! covers biases too, and its scale is |p| without the paper's added constant. Differences: the values are put
//! back from a copy, as there, but by the step itself.

use tch::Tensor;

use super::target::Target;

/// Keeps e finite where the gradient is zero.
const TINY: f64 = 1e-12;

pub(super) struct Sam {
    rho: f64,
    adaptive: bool,
    /// `[n]`: the values to come back to, between the two passes.
    home: Option<Tensor>,
}

impl Sam {
    pub fn new(rho: f64, adaptive: bool) -> Self {
        Self {
            rho,
            adaptive,
            home: None,
        }
    }

    /// Moves the values uphill.
    pub fn climb(&mut self, target: &mut Target) {
        let grads = &target.grads;
        let scaled = match self.adaptive {
            true => target.values.abs() * grads,
            false => grads.shallow_clone(),
        };
        let length = (scaled.norm() + TINY).reciprocal() * self.rho;
        let uphill = match self.adaptive {
            true => target.values.abs() * scaled,
            false => scaled,
        };
        self.home = Some(target.values.copy());
        let _ = target.values.g_add_(&(uphill * length));
    }

    /// Puts the values back, if they have been moved.
    pub fn come_back(&mut self, target: &mut Target) {
        if let Some(home) = self.home.take() {
            target.values.copy_(&home);
        }
    }
}
