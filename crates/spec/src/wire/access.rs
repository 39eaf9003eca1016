use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{TokenId, WorkerId};

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

/// `POST /api/v1/tokens/{id}/rotate`: a successor of the same name, scope and lifetime.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Seconds for which the old secret works beside the new one. Zero: it ends at once.
    #[schemars(range(max = 31536000))]
    pub overlap_s: u64,
}

/// `POST /api/v1/workers/enrolments`: a token that one worker exchanges, once, for its own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolment {
    /// What it is for; the worker's token gets this name.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Seconds until it expires.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 1, max = 2592000))]
    pub expires_in_s: u64,
}

fn an_hour() -> u64 {
    3600
}

/// `POST /api/v1/workers/enroll`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    pub enrol_token: String,
    /// The worker that the token will be good for, and no other.
    pub worker: WorkerId,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An API token.
    Access,
    /// Waits for a worker to exchange it.
    Enrolment,
}

/// A token without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    pub id: TokenId,
    pub kind: TokenKind,
    pub name: String,
    pub scope: Scope,
    /// The only worker it is good for, if it came from an enrolment.
    pub worker: Option<WorkerId>,
    /// The token it took over from, if it came from a rotation.
    pub replaces: Option<TokenId>,
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

/// `POST /api/v1/session/links`: the only time the link is shown.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LoginLink {
    /// The page's address with a login token in its fragment: opened once, it logs a browser in as an admin.
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

/// `GET /api/v1/session`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    pub scope: Scope,
    pub server_version: String,
    pub protocol_version: u32,
}

/// `GET /api/v1/audit`: who did what to which id, from where. Newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    /// Pass it as `cursor` for what came before; none: that is all.
    pub next_cursor: Option<u64>,
}

/// A write that was answered, refusals included.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    pub id: u64,
    pub at: DateTime<Utc>,
    /// The caller's token; none before anybody is recognised, as at a login.
    pub token: Option<TokenId>,
    pub token_name: Option<String>,
    pub scope: Option<Scope>,
    /// Method and route, such as `POST /api/v1/trials/{id}/cancel`.
    pub action: String,
    /// The id in the path, or that of what was made.
    pub target: Option<String>,
    /// HTTP status of the answer.
    pub status: u16,
    /// The caller's address.
    pub ip: String,
    /// The answer's `x-request-id`.
    pub request_id: String,
}
