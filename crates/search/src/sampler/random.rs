//! Independent draws (Bergstra and Bengio 2012). Repeats are drawn again.

use std::collections::HashSet;

use cultivar_spec::canonical_json;
use cultivar_spec::space::Node;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::space::n_quanta;

/// Draws in a row that may repeat an earlier one before the space counts as exhausted.
const MAX_REPEATS: usize = 1_000;

/// Up to `n_configs` distinct points; fewer where the space has no more.
pub fn draw(node: &Node, seed: u64, n_configs: usize) -> Vec<Value> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen = HashSet::new();
    let mut drawn = Vec::new();
    let mut n_repeats = 0;
    while drawn.len() < n_configs && n_repeats < MAX_REPEATS {
        let point = sample(node, &mut rng);
        if seen.insert(canonical_json(&point)) {
            drawn.push(point);
            n_repeats = 0;
        } else {
            n_repeats += 1;
        }
    }
    drawn
}

fn sample(node: &Node, rng: &mut ChaCha8Rng) -> Value {
    match node {
        Node::Fixed(value) => value.clone(),
        Node::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, field)| (key.clone(), sample(field, rng)))
                .collect(),
        ),
        Node::Choice(items) => sample(&items[rng.random_range(0..items.len())], rng),
        Node::Uniform { low, high } => Value::from(rng.random_range(*low..=*high)),
        Node::LogUniform { low, high } => Value::from(
            rng.random_range(low.ln()..=high.ln())
                .exp()
                .clamp(*low, *high),
        ),
        Node::Int { low, high } => Value::from(rng.random_range(*low..=*high)),
        Node::Quantized { low, high, step } => {
            Value::from(low + rng.random_range(0..n_quanta(*low, *high, *step)) as f64 * step)
        }
    }
}
