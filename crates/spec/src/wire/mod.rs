//! Requests and answers of the HTTP API, one file per resource.

mod access;
mod compare;
mod dataset;
mod error;
mod events;
mod external;
mod importance;
mod leaderboard;
mod lease;
mod pareto;
mod race;
mod recommendation;
mod sweep;
mod transfer;
mod trial;
mod worker;

pub use access::*;
pub use compare::*;
pub use dataset::*;
pub use error::*;
pub use events::*;
pub use external::*;
pub use importance::*;
pub use leaderboard::*;
pub use lease::*;
pub use pareto::*;
pub use race::*;
pub use recommendation::*;
pub use sweep::*;
pub use transfer::*;
pub use trial::*;
pub use worker::*;

/// Header that makes a write replayable: the same key and body get the same answer once more.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Header of an answer with log lines: where the last of them stands. Given back as `after`, it gets those that came since.
pub const LOG_CURSOR: &str = "log-cursor";

/// A finite number, or `"NaN"`, `"Infinity"`, `"-Infinity"` as a string, since JSON has no such numbers.
pub mod number {
    use serde::{Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            value.serialize(serializer)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else if *value > 0.0 {
            serializer.serialize_str("Infinity")
        } else {
            serializer.serialize_str("-Infinity")
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = f64;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }
            fn visit_f64<E>(self, v: f64) -> Result<f64, E> {
                Ok(v)
            }
            fn visit_i64<E>(self, v: i64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_u64<E>(self, v: u64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<f64, E> {
                match v {
                    "NaN" => Ok(f64::NAN),
                    "Infinity" => Ok(f64::INFINITY),
                    "-Infinity" => Ok(f64::NEG_INFINITY),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(v), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }

    /// The schema of such a number.
    pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]
        })
    }
}
