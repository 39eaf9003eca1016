//! One expectation for all tests of checks.

use serde_json::{Value, json};

use super::trial;

/// The default spec with the parts of `overlay` in their place breaks exactly these rules: the pointer of each,
/// and some words of what would be right.
#[track_caller]
pub fn check(overlay: Value, expect: &[(&str, &str)]) {
    let mut raw = json!({"data": {"dataset": "d"}});
    for (key, value) in overlay.as_object().unwrap() {
        raw[key] = value.clone();
    }
    let found = match trial(&raw) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.0,
    };
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (pointer, expected) in expect {
        assert!(
            found
                .iter()
                .any(|v| v.pointer == *pointer && v.expected.contains(expected)),
            "no {pointer} with {expected:?} in {found:#?}"
        );
    }
}
