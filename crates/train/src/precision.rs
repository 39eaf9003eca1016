//! Number formats of the forward and backward passes.
//!
//! Weights, gradients, optimizer state and losses are f32 whatever the format; only what autocast runs in sixteen
//! bits is. `bf16` has f32's range; `f16` has not, so that its loss is scaled up before the backward pass, as in
//! Micikevicius et al. 2018, <https://arxiv.org/abs/1710.03740>. Evaluation never autocasts.

mod binding;
mod scaler;

use std::env;

use cultivar_spec::trial::Precision;
use tch::Device;

pub use scaler::Scaler;

/// What the passes compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    F32,
    Tf32,
    Bf16,
    F16,
}

/// The device cannot do what the spec asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrecisionError {
    #[error("precision {wanted} needs a GPU, and this device is the {device}; use {instead}")]
    NeedsGpu {
        wanted: &'static str,
        device: &'static str,
        instead: &'static str,
    },
    #[error(
        "deterministic training on a GPU needs CUBLAS_WORKSPACE_CONFIG=:4096:8 in the worker's environment"
    )]
    Workspace,
}

impl Format {
    /// What a spec's precision means on a device.
    ///
    /// # Errors
    /// The device has no such format.
    pub fn of(precision: Precision, device: Device) -> Result<Self, PrecisionError> {
        let on_gpu = device.is_cuda();
        let needs_gpu = |wanted, instead| PrecisionError::NeedsGpu {
            wanted,
            device: "CPU",
            instead,
        };
        match precision {
            Precision::Auto if on_gpu => Ok(Self::Tf32),
            Precision::Auto | Precision::F32 => Ok(Self::F32),
            Precision::Tf32 if on_gpu => Ok(Self::Tf32),
            Precision::Tf32 => Err(needs_gpu("tf32", "f32 or auto")),
            Precision::Bf16 => Ok(Self::Bf16),
            Precision::F16 if on_gpu => Ok(Self::F16),
            Precision::F16 => Err(needs_gpu("f16", "f32 or bf16")),
        }
    }

    /// As in the spec and in a job's cost.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Runs a forward pass in this format. The backward pass follows the formats that the forward pass chose, so it
    /// belongs outside. What comes out may be of sixteen bits.
    pub fn autocast<T>(self, device: Device, pass: impl FnOnce() -> T) -> T {
        match self {
            Self::F32 | Self::Tf32 => pass(),
            Self::Bf16 => binding::autocast(device, binding::BF16, pass),
            Self::F16 => binding::autocast(device, binding::F16, pass),
        }
    }
}

/// Sets the switches of this process that a job's numbers depend on. They are CUDA's: the CPU has one way.
///
/// # Errors
/// Determinism is asked for and cuBLAS was not told at the start of the process.
pub fn set_up(format: Format, deterministic: bool, device: Device) -> Result<(), PrecisionError> {
    if !device.is_cuda() {
        return Ok(());
    }
    let workspace = env::var("CUBLAS_WORKSPACE_CONFIG").unwrap_or_default();
    if deterministic && ![":4096:8", ":16:8"].contains(&workspace.as_str()) {
        return Err(PrecisionError::Workspace);
    }
    binding::allow_tf32(format == Format::Tf32);
    binding::be_deterministic(deterministic);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn a_device_is_asked_for_what_it_has() {
        let on = |precision, device| Format::of(precision, device);
        let gpu = Device::Cuda(0);
        assert_eq!(on(Precision::Auto, Device::Cpu), Ok(Format::F32));
        assert_eq!(on(Precision::Auto, gpu), Ok(Format::Tf32));
        assert_eq!(on(Precision::F32, gpu), Ok(Format::F32));
        assert_eq!(on(Precision::F16, gpu), Ok(Format::F16));
        assert_eq!(on(Precision::Bf16, Device::Cpu), Ok(Format::Bf16));
        let refused = on(Precision::F16, Device::Cpu).unwrap_err().to_string();
        assert!(refused.contains("f16 needs a GPU"), "{refused}");
        let refused = on(Precision::Tf32, Device::Cpu).unwrap_err().to_string();
        assert!(refused.contains("tf32 needs a GPU"), "{refused}");
    }

    #[test]
    fn autocast_sets_the_kind_of_products_and_leaves_gradients_f32() {
        let options = (Kind::Float, Device::Cpu);
        let weight = Tensor::ones([3, 4], options).set_requires_grad(true);
        let x = Tensor::ones([2, 4], options);
        let product = || x.linear(&weight, None::<&Tensor>);
        let y = Format::Bf16.autocast(Device::Cpu, product);
        assert_eq!(y.kind(), Kind::BFloat16);
        assert_eq!(product().kind(), Kind::Float, "it ends with the pass");
        assert_eq!(
            Format::F32.autocast(Device::Cpu, product).kind(),
            Kind::Float
        );
        y.to_kind(Kind::Float).sum(Kind::Float).backward();
        assert_eq!(weight.grad(), weight.ones_like() * 2.0);
    }

    #[test]
    fn a_changed_weight_is_cast_anew() {
        let mut weight = Tensor::ones([1, 1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let x = Tensor::ones([1, 1], (Kind::Float, Device::Cpu));
        let seen = |weight: &Tensor| {
            let product = || x.linear(weight, None::<&Tensor>);
            Format::Bf16
                .autocast(Device::Cpu, product)
                .double_value(&[0, 0])
        };
        assert_eq!(seen(&weight), 1.0);
        let _ = tch::no_grad(|| weight.fill_(2.0));
        assert_eq!(seen(&weight), 2.0);
    }

    #[test]
    fn a_panicking_pass_ends_autocast() {
        let panicked = std::panic::catch_unwind(|| {
            let misshapen = || Tensor::ones([2], (Kind::Float, Device::Cpu)).view([3, 3]);
            Format::Bf16.autocast(Device::Cpu, misshapen)
        });
        assert!(panicked.is_err());
        let x = Tensor::ones([1, 1], (Kind::Float, Device::Cpu));
        assert_eq!(x.linear(&x, None::<&Tensor>).kind(), Kind::Float);
    }
}
