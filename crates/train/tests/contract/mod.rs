//! What every member of a family must do, whoever wrote it. The members are those the checker names, so that a new
//! one is held to the contract from its first day.

mod augment;
mod loss;
mod optimizers;
mod schedules;

use cultivar_spec::{TrialSpec, check};
use serde_json::{Value, json};

/// The kinds of a tagged part of the spec.
fn kinds(part: &str) -> Vec<String> {
    let found = refusals(part, json!({"kind": "?"}));
    let (_, names) = found[0]
        .1
        .split_once("one of ")
        .expect("the kinds there are");
    names.split(", ").map(str::to_owned).collect()
}

/// Pointer and expectation of everything that is wrong with a part of the spec.
fn refusals(part: &str, value: Value) -> Vec<(String, String)> {
    match check::trial(&json!({"data": {"dataset": "d"}, part: value})) {
        Ok(_) => Vec::new(),
        Err(violations) => violations
            .0
            .into_iter()
            .map(|violation| (violation.pointer, violation.expected))
            .collect(),
    }
}

/// Asserts that a part of the spec is refused, at one of its fields.
fn assert_refused(part: &str, value: Value, field: &str) {
    let found = refusals(part, value.clone());
    let pointer = format!("/{part}/{field}");
    assert!(
        found.iter().any(|refusal| refusal.0 == pointer),
        "{value} gave {found:?}"
    );
}

/// An object with some fields set.
fn with(kind: &str, fields: &Value) -> Value {
    let mut object = json!({"kind": kind});
    for (field, value) in fields.as_object().expect("fields") {
        object[field] = value.clone();
    }
    object
}

/// A small spec with `changes` laid over its top level.
fn spec(changes: &Value) -> Result<TrialSpec, String> {
    let mut raw = json!({
        "data": {"dataset": "d"},
        "fit": {"resolution": 32, "batch_size": 8},
    });
    for (key, change) in changes.as_object().expect("an object") {
        raw[key] = change.clone();
    }
    check::trial(&raw).map_err(|violations| violations.to_string())
}

fn valid(changes: &Value) -> TrialSpec {
    spec(changes).unwrap_or_else(|violations| panic!("{changes}: {violations}"))
}
