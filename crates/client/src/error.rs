//! What can go wrong between us and the server.

use std::path::Path;

use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::ErrorBody;

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{url:?} is not a server's address: {reason}; want one such as http://127.0.0.1:7878")]
    BadUrl { url: String, reason: String },
    #[error("the token holds characters that no token has: copy it again, without line breaks")]
    BadToken,
    #[error("the HTTP client cannot start")]
    Setup(#[source] reqwest::Error),
    /// Nothing listens there, or it cannot be reached.
    #[error(
        "no server answers at {url} ({reason}); start one with `cultivar up` or set CULTIVAR_URL"
    )]
    NoServer { url: String, reason: String },
    /// The connection broke before the answer was whole.
    #[error("{request}: the connection broke ({reason})")]
    Broken { request: String, reason: String },
    /// The server answered, and not with success.
    #[error("{request}: {} ({status})", body.error)]
    Refused {
        /// Method and path.
        request: String,
        status: u16,
        body: ErrorBody,
    },
    #[error(
        "{request}: the answer is not what this version expects; are client and server of the same release?"
    )]
    Unreadable {
        request: String,
        source: serde_json::Error,
    },
    #[error("{path}: {source}")]
    File {
        path: String,
        source: std::io::Error,
    },
    /// What arrived is not what was asked for.
    #[error("artifact {wanted} arrived damaged: its content hashes to {found}")]
    Damaged {
        wanted: Sha256Digest,
        found: Sha256Digest,
    },
}

impl Error {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What was fetched is not what it is called by, fetched again neither.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What the server said, where it refused.
    pub fn body(&self) -> Option<&ErrorBody> {
        match self {
            Self::Refused { body, .. } => Some(body),
            _ => None,
        }
    }

    /// The lease is not the trial's any more: nothing it writes counts.
    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::Refused { status: 409, body, .. } if body.code == "superseded")
    }

    /// The same call may succeed later without anybody doing anything about it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoServer { .. } | Self::Broken { .. } => true,
            // An upload stands elsewhere once the server has read what was still on its way.
            Self::Refused { body, .. } if body.code == "wrong_offset" => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Something is wrong with the server, not with the call. It may pass, or not.
    pub fn is_server_fault(&self) -> bool {
        self.status().is_some_and(|status| status >= 500) && !self.is_transient()
    }

    /// The call certainly had no effect.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(self, Self::NoServer { .. }) || self.status() == Some(429)
    }
}
