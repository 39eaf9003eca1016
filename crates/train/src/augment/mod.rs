//! Augmentation of whole batches on the device. Random choices are drawn on the host from
//! (seed, step); pixels never leave the device.

mod crop;
mod mix;

pub(crate) use crop::{View, evaluation_views, render, training_views};
pub(crate) use mix::cutmix;
