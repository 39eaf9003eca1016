//! Datasets: folders of images in, a manifest and Parquet files out.
//!
//! [`import::dataset`] turns a folder into a dataset version: broken images are named, exact
//! duplicates are kept together, missing splits are carved without cutting a group, and the
//! encoded images are stored in the Hugging Face convention. [`decode`], [`resample`] and [`parquet`] are the
//! way back to pixels. [`openemoji`] builds the image folder of the demo dataset. No network, no
//! tensors.

pub mod decode;
pub mod import;
mod jpeg;
pub mod openemoji;
pub mod parquet;
pub mod progress;
pub mod resample;
pub mod split;
pub mod version;
