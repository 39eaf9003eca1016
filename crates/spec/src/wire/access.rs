use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TokenId;

/// What a token may do; each includes the ones before it, but `worker` stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read everything.
    Viewer,
    /// Also submit and cancel.
    Submitter,
    /// Claim leases, read what they need, write their results.
    Worker,
    /// Everything.
    Admin,
}

impl Scope {
    /// As on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Worker => "worker",
            Self::Admin => "admin",
        }
    }
}

/// `POST /api/v1/tokens`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    pub scope: Scope,
    /// Seconds until it expires; left out: never.
    #[serde(default)]
    #[schemars(range(min = 1, max = 315360000))]
    pub expires_in_s: Option<u64>,
}

/// The only time the secret is shown.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    pub id: TokenId,
    pub token: String,
    pub scope: Scope,
}

/// A token without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    pub id: TokenId,
    pub name: String,
    pub scope: Scope,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// `POST /api/v1/session`: exchanges the one-time token of the printed login URL for a cookie.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub login_token: String,
}

/// `GET /api/v1/session`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    pub scope: Scope,
    pub server_version: String,
    pub protocol_version: u32,
}
