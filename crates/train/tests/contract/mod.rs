//! One set of checks for every augmentation and every loss. A new one is a line in a table here.

mod augment;
mod loss;

use cultivar_spec::{TrialSpec, check};
use serde_json::{Value, json};

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
