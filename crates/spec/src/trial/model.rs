//! The network: backbone, weights, activation, input geometry, and how much of it is trained.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Sha256Digest, TrialId};

/// A backbone under timm's name, its weights and its regularisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backbone {
    /// timm's model name; see `crate::backbones`.
    pub name: String,
    pub weights: Weights,
    /// SHA-256 of the weights file, pinned at submission. Absent for random weights; to be given with `file:`, whose
    /// content the server does not see.
    pub weights_sha256: Option<Sha256Digest>,
    pub activation: Activation,
    /// Stochastic depth: the last block's drop probability, growing linearly from 0.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub drop_path: f64,
    /// Dropout before the last layer of the classifier.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub dropout: f64,
    pub head: Head,
}

/// The classifier on top of the backbone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Head {
    /// Width of a hidden layer under the backbone's activation. Left out: one linear layer.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: Option<u32>,
}

impl Default for Backbone {
    fn default() -> Self {
        Self {
            name: "efficientnet_lite0".into(),
            weights: Weights::Pretrained,
            weights_sha256: None,
            activation: Activation::Native,
            drop_path: 0.0,
            dropout: 0.0,
            head: Head::default(),
        }
    }
}

/// Where the backbone's weights come from: `pretrained`, `random`, `artifact:SHA256`, `trial:ID` or `file:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The weights registered for this backbone.
    Pretrained,
    /// Fresh random weights, seeded by `fit.seed`.
    Random,
    /// A safetensors artifact under timm's parameter names.
    Artifact(Sha256Digest),
    /// The final model of a completed trial, without its head.
    Trial(TrialId),
    /// A file in the folder that the worker's owner opened for this (`cultivar-worker --files`), by its path below it.
    /// `weights_sha256` says which content.
    File(String),
}

/// A path that stays below the folder it is joined to: plain names, `/` between them.
fn is_plain(path: &str) -> bool {
    let is_name = |name: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && !name.starts_with('.') && name.chars().all(known)
    };
    path.len() <= 200 && path.split('/').all(is_name)
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pretrained => f.write_str("pretrained"),
            Self::Random => f.write_str("random"),
            Self::Artifact(digest) => write!(f, "artifact:{digest}"),
            Self::Trial(id) => write!(f, "trial:{id}"),
            Self::File(name) => write!(f, "file:{name}"),
        }
    }
}

impl FromStr for Weights {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "weights {text:?}: want pretrained, random, artifact:SHA256, trial:ID or file:NAME"
            )
        };
        match text.split_once(':') {
            None if text == "pretrained" => Ok(Self::Pretrained),
            None if text == "random" => Ok(Self::Random),
            Some(("artifact", digest)) => digest.parse().map(Self::Artifact).map_err(|_| wrong()),
            Some(("trial", id)) => id.parse().map(Self::Trial).map_err(|_| wrong()),
            Some(("file", name)) if is_plain(name) => Ok(Self::File(name.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Weights {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Weights".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "pretrained, random, artifact:SHA256, trial:ID or file:NAME",
            "pattern": "^(pretrained|random|artifact:[0-9a-f]{64}|trial:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|file:[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)$",
        })
    }
}

/// The nonlinearity, swapped in wherever the backbone has its own. `silu` and `squish` are read as
/// other names of `swish`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// What the backbone was designed with.
    Native,
    Relu,
    /// Negative slope 0.01.
    LeakyRelu,
    /// x * sigmoid(x).
    #[serde(alias = "silu", alias = "squish")]
    Swish,
    /// x * tanh(softplus(x)).
    Mish,
    Gelu,
    HardSwish,
}

impl JsonSchema for Activation {
    fn schema_name() -> Cow<'static, str> {
        "Activation".into()
    }
    // Written out because the derived schema knows no aliases.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The nonlinearity, swapped in wherever the backbone has its own. silu and squish are other names of swish.",
            "enum": [
                "native", "relu", "leaky_relu", "swish", "silu", "squish", "mish", "gelu", "hard_swish",
            ],
        })
    }
}

/// How pixels reach the network. `null` means: as the checkpoint says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Per-channel mean of pixels in [0, 1].
    pub mean: Option<[f64; 3]>,
    /// Per-channel standard deviation of pixels in [0, 1].
    pub std: Option<[f64; 3]>,
    pub interpolation: Option<Interpolation>,
    /// Share of the resized image the evaluation crop covers, in (0, 1].
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub crop_pct: Option<f64>,
    /// Views an evaluated image is seen in.
    pub tta: Tta,
}

/// Test-time augmentation: an image's logits are the mean of its views' logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tta {
    /// The evaluation crop.
    #[default]
    None,
    /// The evaluation crop and its mirror.
    Flip,
    /// The four corners, the centre, and the mirrors of all five (Krizhevsky et al. 2012).
    MultiCrop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    Bilinear,
    Bicubic,
}

/// How much of the network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Adaptation {
    /// A linear head on frozen features (BatchNorm statistics frozen too).
    /// Admits no image augmentation and no batch mixing.
    HeadOnly {},
    /// Every parameter, unless `fit.phases` say otherwise.
    Full {
        /// The head's learning rate over the backbone's.
        #[serde(default = "one")]
        #[schemars(range(min = 0.01, max = 1000.0))]
        head_lr_mult: f64,
        /// Learning rate of a layer over that of the next towards the head.
        #[serde(default = "one")]
        #[schemars(range(min = 0.1, max = 1.0))]
        layer_decay: f64,
        /// BatchNorm keeps its statistics, scale and shift.
        #[serde(default)]
        freeze_bn: bool,
    },
    /// The head first, then more and more of the backbone, from the head down (Howard and Ruder
    /// 2018). Each unfreezing starts the optimizer afresh; the schedule runs on.
    Gradual {
        /// The backbone's layers are cut into as many like groups as there are numbers here: the first
        /// number is the epoch at whose start the group nearest to the head is unfrozen, the last one
        /// that of the stem's.
        #[schemars(length(min = 1, max = 64))]
        unfreeze_epochs: Vec<u32>,
        #[serde(default = "one")]
        #[schemars(range(min = 0.01, max = 1000.0))]
        head_lr_mult: f64,
        #[serde(default = "one")]
        #[schemars(range(min = 0.1, max = 1.0))]
        layer_decay: f64,
        #[serde(default)]
        freeze_bn: bool,
    },
}

impl Default for Adaptation {
    fn default() -> Self {
        Self::Full {
            head_lr_mult: 1.0,
            layer_decay: 1.0,
            freeze_bn: false,
        }
    }
}

impl Adaptation {
    /// The tag, as in the spec.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::HeadOnly {} => "head_only",
            Self::Full { .. } => "full",
            Self::Gradual { .. } => "gradual",
        }
    }

    /// The head's learning rate over the backbone's.
    pub fn head_lr_mult(&self) -> f64 {
        match self {
            Self::HeadOnly {} => 1.0,
            Self::Full { head_lr_mult, .. } | Self::Gradual { head_lr_mult, .. } => *head_lr_mult,
        }
    }

    /// Learning rate of a layer over that of the next towards the head.
    pub fn layer_decay(&self) -> f64 {
        match self {
            Self::HeadOnly {} => 1.0,
            Self::Full { layer_decay, .. } | Self::Gradual { layer_decay, .. } => *layer_decay,
        }
    }

    /// BatchNorm keeps its statistics, scale and shift.
    pub fn freeze_bn(&self) -> bool {
        match self {
            Self::HeadOnly {} => true,
            Self::Full { freeze_bn, .. } | Self::Gradual { freeze_bn, .. } => *freeze_bn,
        }
    }
}

fn one() -> f64 {
    1.0
}
