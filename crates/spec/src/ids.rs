//! One newtype per id, so that a trial id cannot be passed where a lease id belongs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $new:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id.
            pub fn new() -> Self {
                Self(Uuid::$new())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

uuid_id!(
    /// One configuration with one seed, trained once. Time ordered.
    TrialId, now_v7
);
uuid_id!(
    /// A set of trials drawn from one search space. Time ordered.
    SweepId, now_v7
);
uuid_id!(
    /// The fence: unguessable, made anew for every claim. Whoever holds it may write to its attempt.
    LeaseId, new_v4
);
uuid_id!(
    /// A worker daemon, stable over restarts of the process.
    WorkerId, new_v4
);
uuid_id!(
    /// One run of a worker process: a restart has a new one.
    BootId, new_v4
);
uuid_id!(
    /// An API token's public id (never the secret).
    TokenId, now_v7
);
