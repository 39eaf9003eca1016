use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Violation;

/// The body of every answer that is not a 2xx.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What was wrong, where, and what would be right.
    pub error: String,
    /// A stable word for programs: `invalid`, `not_found`, `unauthorized`, `forbidden`,
    /// `conflict`, `superseded`, `wrong_offset`, `too_large`, `timeout`, `rate_limited`, `unavailable`, `internal`.
    pub code: String,
    /// For `invalid`: every violation, each with its JSON pointer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Names the request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
