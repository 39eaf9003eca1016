//! What every member of a family must do, whoever wrote it. The members are those the checker names, so that a new
//! one is held to the contract from its first day.

mod optimizers;
mod schedules;

use cultivar_spec::check;
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
