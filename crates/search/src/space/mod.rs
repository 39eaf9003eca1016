//! From a checked space to overlays, and from an overlay to a spec.

pub mod points;
pub(crate) mod region;

use cultivar_spec::space::Node;
use serde_json::{Map, Value};

/// Lays `overlay` over `base`: objects merge field by field, everything else replaces. An object
/// whose tag (`kind` or `mode`) differs from the base's replaces it whole, since another variant
/// has other fields.
pub fn lay_over(base: &Value, overlay: &Value) -> Value {
    match (base, overlay) {
        (Value::Object(below), Value::Object(above)) if same_variant(below, above) => {
            let mut merged = below.clone();
            for (key, value) in above {
                let value = merged
                    .get(key)
                    .map_or_else(|| value.clone(), |below| lay_over(below, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        _ => overlay.clone(),
    }
}

fn same_variant(below: &Map<String, Value>, above: &Map<String, Value>) -> bool {
    ["kind", "mode"]
        .into_iter()
        .all(|tag| match (below.get(tag), above.get(tag)) {
            (Some(below), Some(above)) => below == above,
            _ => true,
        })
}

/// Number of points of a finite space; `None` where it holds a continuous distribution. Saturates.
pub fn size(node: &Node) -> Option<u64> {
    match node {
        Node::Fixed(_) => Some(1),
        Node::Object(fields) => fields
            .values()
            .try_fold(1_u64, |n, node| Some(n.saturating_mul(size(node)?))),
        Node::Choice(items) => items
            .iter()
            .try_fold(0_u64, |n, node| Some(n.saturating_add(size(node)?))),
        Node::Int { low, high } => Some(high.abs_diff(*low).saturating_add(1)),
        Node::Quantized { low, high, step } => Some(n_quanta(*low, *high, *step)),
        Node::Uniform { .. } | Node::LogUniform { .. } => None,
    }
}

/// Points of a quantized range. The slack forgives the rounding of `0.1 + 0.1 + 0.1`.
pub(crate) fn n_quanta(low: f64, high: f64, step: f64) -> u64 {
    ((high - low) / step + 1e-9).floor() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_variant_replaces_and_the_same_one_merges() {
        let base =
            json!({"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.9}, "fit": {"epochs": 2}});
        assert_eq!(
            lay_over(&base, &json!({"optimizer": {"kind": "adamw", "lr": 1e-3}})),
            json!({"optimizer": {"kind": "adamw", "lr": 1e-3}, "fit": {"epochs": 2}})
        );
        assert_eq!(
            lay_over(&base, &json!({"optimizer": {"lr": 0.2}}))["optimizer"],
            json!({"kind": "sgd", "lr": 0.2, "momentum": 0.9})
        );
    }

    #[test]
    fn sizes_multiply_over_fields_and_add_over_choices() {
        let node = Node::parse(&json!({
            "a": {"choice": [1, 2, {"b": {"int": [1, 3]}}]},
            "c": {"quantized": [0.0, 0.3, 0.1]},
        }));
        assert_eq!(size(&node.unwrap()), Some(5 * 4));
        assert_eq!(
            size(&Node::Uniform {
                low: 0.0,
                high: 1.0
            }),
            None
        );
    }
}
