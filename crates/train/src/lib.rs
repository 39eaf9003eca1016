//! Training. The only crate that names libtorch.
//!
//! [`train`] and [`evaluate`] run one job each; [`device`] says on what. Everything a job reads is a
//! file that its caller has verified, and everything it says goes through a callback.

mod activation;
mod augment;
mod checkpoint;
mod control;
mod data;
mod device;
mod error;
mod features;
mod fit;
mod loss;
mod models;
mod optim;
mod params;
mod predict;
mod preprocess;
mod rng;
mod schedule;
mod weights;

pub use control::Control;
pub use device::device;
pub use error::TrainError;
pub use fit::{evaluate, train};
