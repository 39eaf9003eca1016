//! A space read as the set of the overlays that lie inside it: what forbidden combinations are.
//!
//! An object names some fields and leaves the others free, so `{"optimizer": {"kind": "sgd"}}` holds
//! every overlay with that optimizer, whatever its learning rate.

use cultivar_spec::space::Node;
use serde_json::Value;

use super::n_quanta;

/// Whether `value` lies inside `region`.
pub(crate) fn contains(region: &Node, value: &Value) -> bool {
    match region {
        Node::Fixed(wanted) => same(wanted, value),
        Node::Object(fields) => fields
            .iter()
            .all(|(key, field)| value.get(key).is_some_and(|value| contains(field, value))),
        Node::Choice(items) => items.iter().any(|item| contains(item, value)),
        Node::Uniform { low, high } | Node::LogUniform { low, high } => {
            value.as_f64().is_some_and(|x| (*low..=*high).contains(&x))
        }
        Node::Int { low, high } => value
            .as_f64()
            .is_some_and(|x| x.fract() == 0.0 && (*low as f64..=*high as f64).contains(&x)),
        Node::Quantized { low, high, step } => value
            .as_f64()
            .is_some_and(|x| level_of(x, *low, *high, *step).is_some()),
    }
}

/// Whether any overlay of `space` lies inside `region`. Ranges that overlap count, though a quantized one
/// may step over what they share.
pub(crate) fn overlaps(space: &Node, region: &Node) -> bool {
    match (space, region) {
        (_, Node::Choice(items)) => items.iter().any(|item| overlaps(space, item)),
        (Node::Choice(items), _) => items.iter().any(|item| overlaps(item, region)),
        (Node::Fixed(value), _) => contains(region, value),
        (Node::Object(fields), Node::Object(wanted)) => wanted
            .iter()
            .all(|(key, region)| fields.get(key).is_some_and(|space| overlaps(space, region))),
        (Node::Object(_), _) | (_, Node::Object(_)) => false,
        (_, Node::Fixed(value)) => contains(space, value),
        _ => match (bounds(space), bounds(region)) {
            (Some(a), Some(b)) => a.0.max(b.0) <= a.1.min(b.1),
            _ => false,
        },
    }
}

fn bounds(node: &Node) -> Option<(f64, f64)> {
    match node {
        Node::Uniform { low, high } | Node::LogUniform { low, high } => Some((*low, *high)),
        Node::Quantized { low, high, .. } => Some((*low, *high)),
        Node::Int { low, high } => Some((*low as f64, *high as f64)),
        Node::Fixed(_) | Node::Object(_) | Node::Choice(_) => None,
    }
}

/// Index of the quantized level that `x` is, but for rounding.
pub(crate) fn level_of(x: f64, low: f64, high: f64, step: f64) -> Option<f64> {
    let level = ((x - low) / step).round();
    let inside = level >= 0.0 && level < n_quanta(low, high, step) as f64;
    (inside && (low + level * step - x).abs() <= 1e-9 * step.max(x.abs())).then_some(level)
}

/// Equal values; numbers compare by what they are worth, since `1` and `1.0` are one number in JSON.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(raw: Value) -> Node {
        Node::parse(&raw).unwrap()
    }

    #[test]
    fn a_region_leaves_unnamed_fields_free() {
        let region = node(json!({"optimizer": {"kind": "sgd", "lr": {"uniform": [0.5, 1.0]}}}));
        let inside = |lr: f64, kind: &str| {
            contains(
                &region,
                &json!({"optimizer": {"kind": kind, "lr": lr}, "epochs": 3}),
            )
        };
        assert!(inside(0.5, "sgd") && inside(0.7, "sgd"));
        assert!(!inside(0.4, "sgd") && !inside(0.7, "adamw"));
        assert!(!contains(&region, &json!({"epochs": 3})));
    }

    #[test]
    fn regions_overlap_where_some_overlay_is_inside() {
        let space = node(json!({
            "optimizer": {"choice": [{"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}}, {"kind": "adamw"}]},
            "epochs": {"int": [1, 5]},
        }));
        let reaches = |region: Value| overlaps(&space, &node(region));
        assert!(reaches(
            json!({"optimizer": {"kind": "adamw"}, "epochs": {"choice": [5, 9]}})
        ));
        assert!(reaches(
            json!({"optimizer": {"lr": {"uniform": [0.9, 3.0]}}})
        ));
        assert!(!reaches(
            json!({"optimizer": {"kind": "adamw", "lr": {"uniform": [0.0, 1.0]}}})
        ));
        assert!(!reaches(json!({"epochs": 6})));
        assert!(!reaches(json!({"width": 6})));
    }

    #[test]
    fn numbers_compare_by_worth() {
        assert!(contains(
            &node(json!({"a": [1, 2.0]})),
            &json!({"a": [1.0, 2]})
        ));
        assert!(contains(
            &node(json!({"quantized": [0.0, 0.3, 0.1]})),
            &json!(0.1 + 0.2)
        ));
        assert!(!contains(
            &node(json!({"quantized": [0.0, 0.3, 0.1]})),
            &json!(0.25)
        ));
    }
}
