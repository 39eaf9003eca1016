//! The training loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The training loss, averaged over the batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Softmax cross entropy.
    CrossEntropy {
        /// Label smoothing (Szegedy et al. 2016): this much of the label mass is spread evenly over all classes.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        smoothing: f64,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Self::CrossEntropy { smoothing: 0.0 }
    }
}
