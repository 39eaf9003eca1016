//! Whole jobs on a dataset of three classes of coloured shapes, small enough to train in seconds.

mod caches;
mod combinations;
mod knobs;
mod learning;
mod memory;
mod methods;
pub mod mini;
mod options;
mod phases;
mod predictor;
mod resample;
mod resume;
mod scripted;
mod torchscript;
mod trouble;
