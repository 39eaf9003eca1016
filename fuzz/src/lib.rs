//! What the targets share.

use cultivar_spec::{Violations, canonical_json, document};
use serde::Serialize;
use serde_json::Value;

/// The fields of a text that people write, YAML or JSON.
pub fn document(bytes: &[u8]) -> Option<Value> {
    document::parse(std::str::from_utf8(bytes).ok()?).ok()
}

/// Takes what was taken once more, from the text that it is written as, and expects the same. Compares texts, since NaN is
/// not equal to itself.
pub fn again<T: Serialize>(taken: &T, read: impl Fn(&Value) -> Result<T, Violations>) {
    let written = canonical_json(taken);
    let raw: Value = serde_json::from_str(&written).expect("it was just written");
    let same = read(&raw).unwrap_or_else(|refused| {
        panic!("{written} is refused when it comes again:\n{refused}");
    });
    assert_eq!(
        canonical_json(&same),
        written,
        "it is read again as another"
    );
}
