use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/sweeps/{id}/importance`: what of a sweep's space decides its objective, by a forest fitted to its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportanceReport {
    /// Configurations with a result.
    pub n_results: usize,
    /// Most important first; empty while there are too few results, or where nothing varies.
    pub params: Vec<ParamImportance>,
    /// Strongest first.
    pub interactions: Vec<Interaction>,
}

/// A share of the forest's variance over the space, and its standard deviation over the trees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VarianceShare {
    pub mean: f64,
    pub deviation: f64,
}

/// What one parameter explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParamImportance {
    /// JSON pointer into what the sweep lays over its base.
    pub pointer: String,
    /// By this parameter alone.
    pub share: VarianceShare,
    /// Increase of the squared error when its values are shuffled, in variances of the results.
    pub permutation: f64,
    /// The expected objective along the parameter, the others averaged out.
    pub curve: Vec<CurvePoint>,
}

/// What two parameters explain together beyond what each explains alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interaction {
    pub pointers: (String, String),
    pub share: VarianceShare,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Share of the range in [0, 1] at the middle of a bin; of a choice the index of the alternative.
    pub at: f64,
    pub mean: f64,
    /// Standard deviation over the trees, each of which saw another sample of the results.
    pub deviation: f64,
}
