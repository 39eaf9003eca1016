//! One text per JSON value, so that equal values have equal hashes.

use serde::Serialize;
use serde_json::Value;

use crate::{Sha256Digest, TrialSpec};

/// JSON with sorted keys and no white space. Independent of serde_json's `preserve_order` feature,
/// which any crate in the build may switch on.
pub fn canonical_json<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("a spec type always serializes");
    let mut text = Vec::new();
    write_canonical(&value, &mut text);
    String::from_utf8(text).expect("JSON is UTF-8")
}

fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push(b'{');
            for (idx, (key, value)) in entries.into_iter().enumerate() {
                if idx > 0 {
                    out.push(b',');
                }
                write_plain(key, out);
                out.push(b':');
                write_canonical(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (idx, item) in items.iter().enumerate() {
                if idx > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        leaf => write_plain(leaf, out),
    }
}

fn write_plain<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a vector takes everything");
}

/// Names a configuration: the hash of the resolved spec without its seed, so that seeds fold together.
pub fn config_id(spec: &TrialSpec) -> Sha256Digest {
    let mut unseeded = spec.clone();
    unseeded.fit.seed = 0;
    Sha256Digest::of(canonical_json(&unseeded).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value =
            serde_json::json!({"b": {"z": 1, "a": [true, {"y": 0.1, "x": "q\"uote"}]}, "a": null});
        assert_eq!(
            canonical_json(&value),
            r#"{"a":null,"b":{"a":[true,{"x":"q\"uote","y":0.1}],"z":1}}"#
        );
    }

    #[test]
    fn other_names_of_swish_are_the_same_configuration() {
        let of = |activation: &str| {
            let mut raw = serde_json::json!({"data": {"dataset": "d"}});
            raw["backbone"]["activation"] = activation.into();
            config_id(&crate::check::trial(&raw).expect("it is valid"))
        };
        assert_eq!(of("silu"), of("swish"));
        assert_eq!(of("squish"), of("swish"));
        assert_ne!(of("mish"), of("swish"));
    }

    #[test]
    fn only_the_seed_leaves_the_config_id_alone() {
        let base = TrialSpec::example();
        let mut reseeded = base.clone();
        reseeded.fit.seed += 1;
        let mut longer = base.clone();
        longer.fit.epochs += 1;
        assert_eq!(config_id(&base), config_id(&reseeded));
        assert_ne!(config_id(&base), config_id(&longer));
    }
}
