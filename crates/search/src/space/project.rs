//! A trial spec seen as a point of a space that it was not drawn from.

use cultivar_spec::space::Node;
use serde_json::{Map, Value};

use super::region::{contains, same};

/// The overlay of `space` that gives what `spec` has; `None` where the space holds no such point. Fields of the spec that
/// the space does not name are free, and of several alternatives that fit, the first is taken.
pub fn project(space: &Node, spec: &Value) -> Option<Value> {
    match space {
        Node::Fixed(wanted) => same(wanted, spec).then(|| wanted.clone()),
        Node::Object(fields) => {
            let field =
                |(key, node): (&String, &Node)| Some((key.clone(), project(node, spec.get(key)?)?));
            let fields: Option<Map<String, Value>> = fields.iter().map(field).collect();
            fields.map(Value::Object)
        }
        Node::Choice(items) => items.iter().find_map(|item| project(item, spec)),
        _ => contains(space, spec).then(|| spec.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_is_found_in_the_space_by_the_fields_that_vary() {
        let space = Node::parse(&json!({
            "optimizer": {"choice": [
                {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}},
                {"kind": "adamw", "lr": {"log_uniform": [0.0001, 0.1]}},
            ]},
            "loss": {"smoothing": {"choice": [0.0, 0.1]}},
        }))
        .unwrap();
        let spec = |kind: &str, lr: f64, smoothing: f64| {
            let optimizer = json!({"kind": kind, "lr": lr, "weight_decay": 0.05});
            json!({"optimizer": optimizer, "loss": {"smoothing": smoothing}, "fit": {"epochs": 3}})
        };
        assert_eq!(
            project(&space, &spec("adamw", 0.001, 0.1)),
            Some(json!({"optimizer": {"kind": "adamw", "lr": 0.001}, "loss": {"smoothing": 0.1}}))
        );
        assert_eq!(
            project(&space, &spec("sgd", 0.001, 0.1)),
            None,
            "too slow for this space"
        );
        assert_eq!(
            project(&space, &spec("adamw", 0.001, 0.2)),
            None,
            "no such level"
        );
        assert_eq!(
            project(&space, &spec("adam", 0.001, 0.1)),
            None,
            "no such alternative"
        );
    }
}
