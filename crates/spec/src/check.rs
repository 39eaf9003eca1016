//! From raw JSON to a checked spec: the schema first, so that every mistake is reported at once
//! with its JSON pointer, then the rules that tie fields together.

mod rules;
mod schema;
#[cfg(test)]
mod testing;

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, RwLock};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{SweepSpec, TrialSpec};
use schema::Schema;

/// Mistakes of a document that are told.
pub const MAX_VIOLATIONS: usize = 100;
/// Characters and parts of a value that are repeated to whoever sent it.
const MAX_GLIMPSE: usize = 1000;
/// Characters of a pointer, and of what would be right.
const MAX_TEXT: usize = 4000;

/// One thing wrong with a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the value.
    pub pointer: String,
    /// The value found there; `null` where nothing was. A large one in a few words.
    pub value: Value,
    /// What would be right.
    pub expected: String,
}

impl Violation {
    pub fn new(
        pointer: impl Into<String>,
        value: impl Into<Value>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            pointer: short(pointer.into(), MAX_TEXT),
            value: glimpse(value.into()),
            expected: short(expected.into(), MAX_TEXT),
        }
    }
}

fn short(text: String, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => text[..end].to_owned() + "…",
        None => text,
    }
}

/// A value as it is shown to whoever sent it: one of any size, in a few words.
fn glimpse(value: Value) -> Value {
    if weight(&value, MAX_GLIMPSE) < MAX_GLIMPSE {
        return value;
    }
    Value::String(match value {
        Value::Array(items) => format!("a list of {} items", items.len()),
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
        Value::String(text) => short(text, MAX_GLIMPSE / 4),
        other => other.to_string(),
    })
}

/// Bytes of the texts in a value and the number of its parts, counted up to a limit.
fn weight(value: &Value, limit: usize) -> usize {
    let mut total = 1;
    let mut add = |text: &str, value: &Value| {
        total += text.len() + weight(value, limit.saturating_sub(total));
        total < limit
    };
    match value {
        Value::String(text) => total += text.len(),
        Value::Array(items) => {
            items.iter().all(|item| add("", item));
        }
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| add(name, value));
        }
        _ => {}
    }
    total
}

/// The JSON pointer to a field of the object at `pointer`.
pub fn pointer_to(pointer: &str, field: &str) -> String {
    format!("{pointer}/{}", field.replace('~', "~0").replace('/', "~1"))
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(
            f,
            "{at}: {} is wrong, expected {}",
            self.value, self.expected
        )
    }
}

/// Everything wrong with a document; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, violation) in self.0.iter().take(MAX_VIOLATIONS).enumerate() {
            let separator = if idx == 0 { "" } else { "\n" };
            write!(f, "{separator}{violation}")?;
        }
        match self.0.len().saturating_sub(MAX_VIOLATIONS) {
            0 => Ok(()),
            n => write!(f, "\nand {n} more"),
        }
    }
}

impl std::error::Error for Violations {}

/// Checks a trial spec and reads it. Defaults that depend on other fields are written out.
///
/// # Errors
/// Every violation of the schema or, if there is none, of the rules between fields.
pub fn trial(raw: &Value) -> Result<TrialSpec, Violations> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<TrialSpec>);
    let mut spec: TrialSpec = SCHEMA.read(raw)?;
    let violations = rules::violations(&spec);
    if !violations.is_empty() {
        return Err(Violations(violations));
    }
    spec.write_out_defaults();
    Ok(spec)
}

/// Checks the frame of a sweep and reads it. Its base and space are checked with the trials they make.
///
/// # Errors
/// Every violation of the schema.
pub fn sweep(raw: &Value) -> Result<SweepSpec, Violations> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<SweepSpec>);
    SCHEMA.read(raw)
}

/// Checks any other document of the API. Each type's schema is compiled once.
///
/// # Errors
/// Every violation of the schema.
pub fn document<T: JsonSchema + DeserializeOwned + 'static>(raw: &Value) -> Result<T, Violations> {
    static COMPILED: LazyLock<RwLock<HashMap<TypeId, &'static Schema>>> =
        LazyLock::new(RwLock::default);
    let id = TypeId::of::<T>();
    let known = COMPILED
        .read()
        .expect("no panic under the lock")
        .get(&id)
        .copied();
    let schema = known.unwrap_or_else(|| {
        let mut compiled = COMPILED.write().expect("no panic under the lock");
        compiled
            .entry(id)
            .or_insert_with(|| Box::leak(Box::new(Schema::of::<T>())))
    });
    schema.read(raw)
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::check;
    use super::*;
    use crate::trial::EvalWeights;

    #[test]
    fn a_minimal_spec_passes_with_defaults_written_out() {
        let spec = trial(&json!({"data": {"dataset": "d"}})).unwrap();
        assert!(spec.augment.is_some());
        assert_eq!(spec.fit.eval_resolution, Some(224));
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let spec = trial(&json!({"data": {"dataset": "d"}, "fit": {"epochs": 12.0}})).unwrap();
        assert_eq!(spec.fit.epochs, 12);
        check(
            json!({"fit": {"epochs": 12.5}}),
            &[("/fit/epochs", "integer")],
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        check(
            json!({
                "optimiser": {},
                "optimizer": {"kind": "sgd", "lr": -1.0, "momentumm": 0.9},
                "fit": {"epochs": "ten", "batch_size": 0},
                "backbone": {"activation": "swoosh"},
            }),
            &[
                ("/optimiser", "the fields here are adaptation"),
                ("/optimizer/lr", "above 0"),
                ("/optimizer/momentumm", "momentum, nesterov"),
                ("/fit/epochs", "integer"),
                ("/fit/batch_size", "at least 1"),
                ("/backbone/activation", "mish"),
            ],
        );
    }

    #[test]
    fn an_unknown_or_missing_tag_names_the_variants() {
        check(
            json!({"optimizer": {"kind": "sgdd"}}),
            &[("/optimizer/kind", "one of sgd, adam, adamw, radam, ranger")],
        );
        check(
            json!({"optimizer": {"lr": 0.1}}),
            &[("/optimizer/kind", "one of sgd, adam, adamw, radam, ranger")],
        );
        check(
            json!({"optimizer": "sgd"}),
            &[("/optimizer", "an object whose kind is one of sgd")],
        );
    }

    #[test]
    fn mistakes_below_an_optional_object_keep_their_pointer() {
        check(
            json!({"augment": {"flip": {"horizontal": 2.0}}}),
            &[("/augment/flip/horizontal", "at most 1")],
        );
        check(
            json!({"augment": {"mix": {"kind": "cutmix", "beta": 1}}}),
            &[("/augment/mix/beta", "alpha")],
        );
    }

    #[test]
    fn the_average_is_evaluated_where_there_is_one() {
        let weights = |fit: Value| {
            let spec = trial(&json!({"data": {"dataset": "d"}, "fit": fit})).unwrap();
            spec.fit.eval_weights
        };
        assert_eq!(weights(json!({})), Some(EvalWeights::Raw));
        assert_eq!(weights(json!({"ema": {}})), Some(EvalWeights::Ema));
        assert_eq!(
            weights(json!({"ema": {}, "eval_weights": "raw"})),
            Some(EvalWeights::Raw)
        );
    }
}
