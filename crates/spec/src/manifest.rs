//! A dataset version: what it holds, where it came from, and which images belong together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Sha256Digest, canonical_json};

/// Everything there is to know about a dataset version but the pixels. Its hash is the version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower-case letters, digits and dashes; what specs refer to.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,62}$"))]
    pub name: String,
    #[serde(default)]
    pub title: String,
    /// Class names; a label is an index into this list.
    #[schemars(length(min = 2))]
    pub classes: Vec<String>,
    /// In the order of the rows of the Parquet files: an image is named by its index here.
    pub images: Vec<ImageEntry>,
    /// Parquet files in the Hugging Face image convention, rows in the order of `images`.
    #[schemars(length(min = 1))]
    pub files: Vec<DataFile>,
    #[serde(default)]
    pub sources: Vec<Source>,
    /// How the splits came about, in words.
    #[serde(default)]
    pub split_rule: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// SHA-256 of the encoded image bytes.
    pub sha256: Sha256Digest,
    /// Index into `classes`.
    pub label: u32,
    pub split: Split,
    /// Images of one group are one draw: no split cuts a group. Defaults to the image's own hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl ImageEntry {
    /// The group, or the image itself where it stands alone.
    pub fn group(&self) -> String {
        self.group
            .clone()
            .unwrap_or_else(|| self.sha256.to_string())
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Val,
    Test,
}

impl Split {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// The artifact that holds the file.
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
    pub n_rows: u64,
}

/// Where images came from and what may be done with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    /// SPDX identifier where there is one.
    pub licence: String,
    #[serde(default)]
    pub url: String,
    pub n_images: u64,
}

impl Manifest {
    /// The dataset version: the hash of the canonical manifest.
    pub fn version(&self) -> Sha256Digest {
        Sha256Digest::of(canonical_json(self).as_bytes())
    }

    /// Indices of the images of a split, ascending: the row order of its predictions.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        (0..self.images.len())
            .filter(|&idx| self.images[idx].split == split)
            .collect()
    }

    /// Number of images in a split.
    pub fn n_images(&self, split: Split) -> usize {
        self.images
            .iter()
            .filter(|image| image.split == split)
            .count()
    }
}
