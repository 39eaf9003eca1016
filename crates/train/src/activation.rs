//! Nonlinearities, and the one a spec swaps in for a backbone's own.
//!
//! Reference: the functions of `torch.nn.functional` (`relu6`, `relu`, `leaky_relu`, `silu`, `mish`, `gelu`, `hardswish`), whose
//! kernels these are. Differences to the papers: the slope of leaky ReLU is 0.01 and fixed, Swish's beta is 1 and
//! not learnt, GELU is the exact one. A swap replaces the backbone's own nonlinearity where it has one; gates that are
//! sigmoids, as in squeeze and excitation, stay. Weights trained under another one have to get used to it.

use cultivar_spec::trial::Activation;
use tch::Tensor;

/// An elementwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// min(max(x, 0), 6): Howard et al. 2017, <https://arxiv.org/abs/1704.04861>.
    Relu6,
    /// max(x, 0): Nair and Hinton 2010, <https://icml.cc/Conferences/2010/papers/432.pdf>.
    Relu,
    /// x where positive, else 0.01 x: Maas et al. 2013,
    /// <https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf>.
    LeakyRelu,
    /// x sigmoid(x): Ramachandran et al. 2017, <https://arxiv.org/abs/1710.05941>. PyTorch's SiLU.
    Swish,
    /// x tanh(softplus(x)): Misra 2019, <https://arxiv.org/abs/1908.08681>.
    Mish,
    /// x Phi(x), by the error function, not the tanh approximation: Hendrycks and Gimpel 2016,
    /// <https://arxiv.org/abs/1606.08415>.
    Gelu,
    /// x relu6(x + 3) / 6: Howard et al. 2019, <https://arxiv.org/abs/1905.02244>.
    HardSwish,
}

impl Nonlinearity {
    /// What a spec asks for, in a backbone whose own is `native`.
    pub fn choose(wanted: Activation, native: Self) -> Self {
        match wanted {
            Activation::Native => native,
            Activation::Relu => Self::Relu,
            Activation::LeakyRelu => Self::LeakyRelu,
            Activation::Swish => Self::Swish,
            Activation::Mish => Self::Mish,
            Activation::Gelu => Self::Gelu,
            Activation::HardSwish => Self::HardSwish,
        }
    }

    /// Applies it to `x` of any shape. The piecewise linear ones work in place, since their
    /// gradient needs only the output; nothing else may read `x` afterwards.
    pub fn apply(self, mut x: Tensor) -> Tensor {
        match self {
            Self::Relu6 => x.relu6_(),
            Self::Relu => x.relu_(),
            Self::LeakyRelu => x.leaky_relu_(),
            Self::Swish => x.silu(),
            Self::Mish => x.mish(),
            Self::Gelu => x.gelu("none"),
            Self::HardSwish => x.hardswish(),
        }
    }
}
