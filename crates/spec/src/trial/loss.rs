//! The training loss: what the logits are held against, and what the embedding is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The training loss: one of the logits, averaged over the batch, plus a metric loss of the embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Softmax cross entropy.
    CrossEntropy {
        /// Label smoothing (Szegedy et al. 2016): this much of the label mass is spread evenly over all classes.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        smoothing: f64,
        #[serde(default)]
        metric: MetricLoss,
    },
    /// A sigmoid cross entropy for each class (Wightman et al. 2021), averaged over classes too.
    Bce {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        smoothing: f64,
        /// Targets above this count as 1, all others as 0; null leaves them soft.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.999))]
        target_threshold: Option<f64>,
        #[serde(default)]
        metric: MetricLoss,
    },
    /// Cross entropy with well classified images weighed down (Lin et al. 2017), in its softmax form.
    Focal {
        /// 0 is cross entropy.
        #[serde(default = "two")]
        #[schemars(range(min = 0.0, max = 10.0))]
        gamma: f64,
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        smoothing: f64,
        #[serde(default)]
        metric: MetricLoss,
    },
    /// The metric loss alone trains the backbone. The head is fitted beside it, by cross entropy whose
    /// gradient stops at the embedding, so that the model still classifies.
    Probe { metric: MetricLoss },
}

impl Default for Loss {
    fn default() -> Self {
        Self::CrossEntropy {
            smoothing: 0.0,
            metric: MetricLoss::None {},
        }
    }
}

impl Loss {
    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CrossEntropy { .. } => "cross_entropy",
            Self::Bce { .. } => "bce",
            Self::Focal { .. } => "focal",
            Self::Probe { .. } => "probe",
        }
    }

    /// The label mass spread over all classes.
    pub fn smoothing(&self) -> f64 {
        match self {
            Self::CrossEntropy { smoothing, .. }
            | Self::Bce { smoothing, .. }
            | Self::Focal { smoothing, .. } => *smoothing,
            Self::Probe { .. } => 0.0,
        }
    }

    /// What is asked of the embedding.
    pub fn metric(&self) -> &MetricLoss {
        match self {
            Self::CrossEntropy { metric, .. }
            | Self::Bce { metric, .. }
            | Self::Focal { metric, .. }
            | Self::Probe { metric } => metric,
        }
    }
}

/// A loss of the pooled embedding, L2-normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MetricLoss {
    None {},
    /// Images of a class closer than a margin, others farther apart than one (Hadsell et al. 2006).
    Contrastive {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 2.0))]
        pos_margin: f64,
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 2.0))]
        neg_margin: f64,
        #[serde(default = "one")]
        #[schemars(range(max = 1000.0), extend("exclusiveMinimum" = 0.0))]
        weight: f64,
    },
    /// An image closer to its class than to any other by a margin (Schroff et al. 2015).
    Triplet {
        #[serde(default)]
        mining: Mining,
        #[serde(default = "default_triplet_margin")]
        #[schemars(range(max = 2.0), extend("exclusiveMinimum" = 0.0))]
        margin: f64,
        #[serde(default = "one")]
        #[schemars(range(max = 1000.0), extend("exclusiveMinimum" = 0.0))]
        weight: f64,
    },
    /// Supervised contrastive (Khosla et al. 2020).
    SupCon {
        #[serde(default = "tenth")]
        #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0.0))]
        temperature: f64,
        #[serde(default = "one")]
        #[schemars(range(max = 1000.0), extend("exclusiveMinimum" = 0.0))]
        weight: f64,
    },
    /// An angular margin (Deng et al. 2019): logits are scaled cosines between embedding and class
    /// weights, the true one's with the margin. Replaces the logits, so it has no weight of its own.
    ArcFace {
        /// In radians.
        #[serde(default = "half")]
        #[schemars(range(min = 0.0, max = 1.5))]
        margin: f64,
        #[serde(default = "default_scale")]
        #[schemars(range(max = 1000.0), extend("exclusiveMinimum" = 0.0))]
        scale: f64,
    },
}

impl Default for MetricLoss {
    fn default() -> Self {
        Self::None {}
    }
}

impl MetricLoss {
    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None {} => "none",
            Self::Contrastive { .. } => "contrastive",
            Self::Triplet { .. } => "triplet",
            Self::SupCon { .. } => "sup_con",
            Self::ArcFace { .. } => "arc_face",
        }
    }

    /// Whether it compares images of a batch with each other.
    pub fn compares_images(&self) -> bool {
        match self {
            Self::None {} | Self::ArcFace { .. } => false,
            Self::Contrastive { .. } | Self::Triplet { .. } | Self::SupCon { .. } => true,
        }
    }
}

/// Which triplets of a batch count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mining {
    /// For each image its farthest of the class and its nearest of the others (Hermans et al. 2017).
    #[default]
    BatchHard,
    /// All whose negative is farther than the positive, by less than the margin.
    SemiHard,
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn half() -> f64 {
    0.5
}

fn tenth() -> f64 {
    0.1
}

fn default_triplet_margin() -> f64 {
    0.2
}

fn default_scale() -> f64 {
    64.0
}
