//! Training: the only crate that names tch.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`models`] | networks under timm's parameter names |
//! | [`params`] | their named tensors, and the flat buffers they train in |
//! | [`optim`], [`schedule`], [`phases`] | how the weights move, and which of them when |
//! | [`ema`] | their moving average |
//! | [`precision`] | the number formats of the passes |
//! | [`loss`] | what they descend |
//! | [`predict`] | what the logits amount to |
//! | [`rng`] | every random draw, from (seed, step, stream) |
//! | [`weights`] | safetensors in and out |
//! | [`torchscript`] | a trained model as a file that any libtorch runs |
//! | [`data`] | the decoded cache, its images on the device, their order |
//! | [`augment`], [`preprocess`] | crops, policies, resampling and mixing of whole batches |
//! | [`neighbours`] | scores of embeddings |
//! | [`preview`] | a picture of what the network will see |
//!
//! The worker needs [`device()`], [`train`] and [`evaluate`], which run one job each, and [`Control`],
//! which stops one; [`Predictor`] runs a trained model on images of no dataset. Everything a job reads is a file that its caller has verified; everything it says
//! goes through a callback.

pub mod activation;
pub mod augment;
mod checkpoint;
mod control;
pub mod data;
mod device;
pub mod ema;
mod error;
mod features;
mod fit;
pub mod loss;
mod memory;
pub mod models;
pub mod neighbours;
pub mod optim;
pub mod params;
pub mod phases;
pub mod precision;
pub mod predict;
mod predictor;
pub mod preprocess;
pub mod preview;
pub mod rng;
#[doc(hidden)]
pub mod scarcity;
pub mod schedule;
pub mod torchscript;
pub mod weights;

pub use control::{Control, Stopped};
pub use device::device;
pub use fit::{evaluate, train};
pub use predictor::{Predictor, PredictorError};
pub use tch::Device;
