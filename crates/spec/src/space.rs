//! The search space: a tree laid over a base spec.
//!
//! An object with exactly one of the keys below is a distribution; any other object is descended
//! into field by field; everything else stands for itself.
//!
//! | node | draws |
//! | --- | --- |
//! | `{"choice": [a, b, ...]}` | one of the items, which may hold distributions themselves |
//! | `{"uniform": [low, high]}` | a real number, evenly |
//! | `{"log_uniform": [low, high]}` | a real number, its logarithm evenly |
//! | `{"int": [low, high]}` | a whole number, both bounds included |
//! | `{"quantized": [low, high, step]}` | low, low + step, ... up to high |
//! | `{"fixed": value}` | the value, whatever it looks like |

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::pointer_to;
use crate::{Violation, Violations};

/// Of a quantized range, as a share of its larger bound: a number has some 16 digits.
const FINEST_STEP: f64 = 1e-12;

/// One node of a checked search space.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A value that does not vary.
    Fixed(Value),
    /// Fields, each a node of its own.
    Object(BTreeMap<String, Node>),
    Choice(Vec<Node>),
    Uniform {
        low: f64,
        high: f64,
    },
    LogUniform {
        low: f64,
        high: f64,
    },
    Int {
        low: i64,
        high: i64,
    },
    Quantized {
        low: f64,
        high: f64,
        step: f64,
    },
}

impl Node {
    /// Checks a raw space and reads it.
    ///
    /// # Errors
    /// Every violation, with its pointer into `raw`.
    pub fn parse(raw: &Value) -> Result<Self, Violations> {
        let mut found = Vec::new();
        let node = parse(raw, "", &mut found);
        if found.is_empty() {
            Ok(node)
        } else {
            Err(Violations(found))
        }
    }
}

fn parse(raw: &Value, pointer: &str, found: &mut Vec<Violation>) -> Node {
    let Value::Object(fields) = raw else {
        return Node::Fixed(raw.clone());
    };
    let only = if fields.len() == 1 {
        fields.iter().next()
    } else {
        None
    };
    if let Some((key, argument)) = only {
        let here = format!("{pointer}/{key}");
        match key.as_str() {
            "fixed" => return Node::Fixed(argument.clone()),
            "choice" => return parse_choice(argument, &here, found),
            "uniform" => {
                let [low, high] = numbers(argument, &here, found);
                return Node::Uniform { low, high };
            }
            "log_uniform" => {
                let [low, high] = numbers(argument, &here, found);
                if low <= 0.0 {
                    found.push(Violation::new(
                        here,
                        argument.clone(),
                        "bounds above 0, since it has a logarithm",
                    ));
                }
                return Node::LogUniform { low, high };
            }
            "int" => {
                let [low, high] = numbers(argument, &here, found);
                if low.fract() != 0.0 || high.fract() != 0.0 || low.abs().max(high.abs()) > 9e15 {
                    found.push(Violation::new(
                        here,
                        argument.clone(),
                        "whole numbers below 9e15",
                    ));
                }
                return Node::Int {
                    low: low as i64,
                    high: high as i64,
                };
            }
            "quantized" => {
                let [low, high, step] = numbers(argument, &here, found);
                let finest = FINEST_STEP * low.abs().max(high.abs());
                if step <= 0.0 {
                    found.push(Violation::new(format!("{here}/2"), step, "a step above 0"));
                } else if step < finest {
                    found.push(Violation::new(
                        format!("{here}/2"),
                        step,
                        format!("a step of {finest} or more, so that levels are different numbers"),
                    ));
                }
                return Node::Quantized { low, high, step };
            }
            _ => {}
        }
    }
    let parse_field = |(key, value): (&String, &Value)| {
        let at = pointer_to(pointer, key);
        (key.clone(), parse(value, &at, found))
    };
    Node::Object(fields.iter().map(parse_field).collect())
}

fn parse_choice(argument: &Value, here: &str, found: &mut Vec<Violation>) -> Node {
    let Value::Array(items) = argument else {
        found.push(Violation::new(
            here,
            argument.clone(),
            "an array of alternatives",
        ));
        return Node::Choice(Vec::new());
    };
    if items.is_empty() {
        found.push(Violation::new(
            here,
            argument.clone(),
            "at least one alternative",
        ));
    }
    for (idx, item) in items.iter().enumerate() {
        if items[..idx].contains(item) {
            found.push(Violation::new(
                format!("{here}/{idx}"),
                item.clone(),
                "alternatives that differ",
            ));
        }
    }
    let parse_item = |(idx, item)| parse(item, &format!("{here}/{idx}"), found);
    Node::Choice(items.iter().enumerate().map(parse_item).collect())
}

/// The `N` finite numbers of a distribution, the first two in order.
fn numbers<const N: usize>(argument: &Value, here: &str, found: &mut Vec<Violation>) -> [f64; N] {
    let read = argument.as_array().and_then(|items| {
        let numbers: Option<Vec<f64>> = items.iter().map(Value::as_f64).collect();
        <[f64; N]>::try_from(numbers?).ok()
    });
    let names = ["low", "high", "step"];
    let Some(numbers) = read else {
        found.push(Violation::new(
            here,
            argument.clone(),
            format!("[{}], all numbers", names[..N].join(", ")),
        ));
        return [1.0; N];
    };
    if numbers[0] >= numbers[1] {
        found.push(Violation::new(
            here,
            argument.clone(),
            "the lower bound first, below the upper one",
        ));
    } else if !(numbers[1] - numbers[0]).is_finite() {
        found.push(Violation::new(
            here,
            argument.clone(),
            "bounds whose distance is a finite number",
        ));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(raw: Value, pointer: &str, expected: &str) {
        let found = Node::parse(&raw).unwrap_err().0;
        assert!(
            found
                .iter()
                .any(|v| v.pointer == pointer && v.expected.contains(expected)),
            "no {pointer} with {expected:?} in {found:#?}"
        );
    }

    #[test]
    fn distributions_nest_in_choices() {
        let node = Node::parse(&json!({"optimizer": {"choice": [
            {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}},
            {"kind": "adamw"},
        ]}}))
        .unwrap();
        let Node::Object(fields) = node else {
            panic!("{node:?}")
        };
        let Node::Choice(items) = &fields["optimizer"] else {
            panic!("{fields:?}")
        };
        let Node::Object(sgd) = &items[0] else {
            panic!("{items:?}")
        };
        assert_eq!(
            sgd["lr"],
            Node::LogUniform {
                low: 0.01,
                high: 1.0
            }
        );
        assert_eq!(sgd["kind"], Node::Fixed(json!("sgd")));
    }

    #[test]
    fn bad_distributions_are_refused_where_they_stand() {
        check(
            json!({"lr": {"uniform": [1.0, 0.0]}}),
            "/lr/uniform",
            "lower bound first",
        );
        check(
            json!({"lr": {"log_uniform": [0.0, 1.0]}}),
            "/lr/log_uniform",
            "above 0",
        );
        check(
            json!({"lr": {"uniform": [-1e308, 1e308]}}),
            "/lr/uniform",
            "finite",
        );
        check(
            json!({"lr": {"uniform": [1.0]}}),
            "/lr/uniform",
            "[low, high]",
        );
        check(json!({"n": {"int": [1.5, 3]}}), "/n/int", "whole");
        check(
            json!({"n": {"quantized": [0, 1, 0]}}),
            "/n/quantized/2",
            "above 0",
        );
        check(
            json!({"n": {"quantized": [1e15, 1e16, 1e-3]}}),
            "/n/quantized/2",
            "10000 or more",
        );
        check(
            json!({"n": {"quantized": [0, 1e300, 1e-300]}}),
            "/n/quantized/2",
            "different numbers",
        );
        check(
            json!({"a/b": {"choice": []}}),
            "/a~1b/choice",
            "at least one",
        );
        check(json!({"choice": [1, 2, 1]}), "/choice/2", "differ");
    }
}
