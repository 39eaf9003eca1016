//! Every combination of a finite space, the last field turning fastest.

use cultivar_spec::space::Node;
use serde_json::Value;

use crate::space::{n_quanta, size};

/// Iterates over the points of a finite space without holding them all.
pub struct Grid<'a> {
    node: &'a Node,
    next_idx: u64,
    n_points: u64,
}

impl<'a> Grid<'a> {
    /// `node` must be finite: a continuous distribution yields no points.
    pub fn new(node: &'a Node) -> Self {
        Self {
            node,
            next_idx: 0,
            n_points: size(node).unwrap_or(0),
        }
    }
}

impl Iterator for Grid<'_> {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        if self.next_idx == self.n_points {
            return None;
        }
        self.next_idx += 1;
        Some(point(self.node, self.next_idx - 1))
    }
}

/// The point at `idx`, counted in mixed radix.
fn point(node: &Node, mut idx: u64) -> Value {
    match node {
        Node::Fixed(value) => value.clone(),
        Node::Object(fields) => {
            let mut drawn = Vec::with_capacity(fields.len());
            for (key, field) in fields.iter().rev() {
                let n = size(field).unwrap_or(1);
                drawn.push((key.clone(), point(field, idx % n)));
                idx /= n;
            }
            Value::Object(drawn.into_iter().collect())
        }
        Node::Choice(items) => {
            for item in items {
                let n = size(item).unwrap_or(1);
                if idx < n {
                    return point(item, idx);
                }
                idx -= n;
            }
            Value::Null
        }
        Node::Int { low, .. } => Value::from(low + idx as i64),
        Node::Quantized { low, high, step } => {
            debug_assert!(idx < n_quanta(*low, *high, *step));
            Value::from(low + idx as f64 * step)
        }
        Node::Uniform { .. } | Node::LogUniform { .. } => Value::Null,
    }
}
