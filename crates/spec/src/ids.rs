//! One newtype per id, so that a trial id cannot be passed where a lease id belongs.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $new:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id.
            pub fn new() -> Self {
                Self($new())
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

/// A version 7 UUID whose 74 bits beside the time are all random: `Uuid::now_v7` counts within a millisecond. Ids of one time lie
/// side by side in an index, so that storing one among millions does not touch a page of its own.
fn unguessable() -> Uuid {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = now.map_or(0, |now| now.as_millis() as u64);
    let noise = Uuid::new_v4().into_bytes();
    let mut random = [0; 10];
    // Without the bytes that hold a version and a variant.
    random[..6].copy_from_slice(&noise[..6]);
    random[6..].copy_from_slice(&noise[12..]);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

uuid_id!(
    /// One configuration with one seed, trained once. Time ordered.
    TrialId, Uuid::now_v7
);
uuid_id!(
    /// A set of trials drawn from one search space. Time ordered.
    SweepId, Uuid::now_v7
);
uuid_id!(
    /// The fence: unguessable, made anew for every claim. Whoever holds it may write to its attempt. Time ordered.
    LeaseId, unguessable
);
uuid_id!(
    /// A worker daemon, stable over restarts of the process.
    WorkerId, Uuid::new_v4
);
uuid_id!(
    /// One run of a worker process: a restart has a new one.
    BootId, Uuid::new_v4
);
uuid_id!(
    /// An API token's public id (never the secret).
    TokenId, Uuid::now_v7
);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn lease_ids_of_one_moment_share_their_time_and_nothing_else() {
        let ids: Vec<_> = (0..2000).map(|_| LeaseId::new().0).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        let millis = |id: &Uuid| id.as_u128() >> 80;
        assert!(millis(&ids[1999]) - millis(&ids[0]) < 10_000);
        // Whoever knows one cannot count on to the next: of 74 bits, half differ.
        let n_differing: u32 = ids
            .windows(2)
            .map(|pair| ((pair[0].as_u128() ^ pair[1].as_u128()) << 48).count_ones())
            .sum();
        let mean = f64::from(n_differing) / 1999.0;
        assert!((36.0..38.0).contains(&mean), "{mean} of 74 bits differ");
        let random: HashSet<_> = ids.iter().map(|id| id.as_u128() << 48).collect();
        assert_eq!(random.len(), ids.len());
    }
}
