//! Augmentation of whole batches on the device. Random choices are drawn on the host from
//! (seed, step); pixels never leave the device.

pub mod crop;
pub mod mix;
pub mod resample;
