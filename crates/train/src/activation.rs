//! Nonlinearities, swapped into a backbone wherever it has its own.

use cultivar_spec::trial::Activation;
use tch::Tensor;

/// A nonlinearity, ready to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    Relu,
    Relu6,
    LeakyRelu,
    Swish,
    Mish,
    Gelu,
    HardSwish,
}

impl Nonlinearity {
    /// What a spec asks for, in a backbone designed with `native`.
    pub fn of(activation: Activation, native: Self) -> Self {
        match activation {
            Activation::Native => native,
            Activation::Relu => Self::Relu,
            Activation::LeakyRelu => Self::LeakyRelu,
            Activation::Swish => Self::Swish,
            Activation::Mish => Self::Mish,
            Activation::Gelu => Self::Gelu,
            Activation::HardSwish => Self::HardSwish,
        }
    }

    /// Elementwise; any shape.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Relu => x.relu(),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu => x.leaky_relu(),
            Self::Swish => x.silu(),
            Self::Mish => x.mish(),
            Self::Gelu => x.gelu("none"),
            Self::HardSwish => x.hardswish(),
        }
    }
}
