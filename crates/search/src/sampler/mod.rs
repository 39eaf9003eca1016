//! Samplers: which configurations a sweep tries. One algorithm a file.

mod grid;
mod random;

use cultivar_spec::space::Node;
use cultivar_spec::sweep::Sampler;
use cultivar_spec::{SweepSpec, Violation, Violations};
use serde_json::Value;

use crate::space::size;

/// Most configurations a sweep may hold.
pub const MAX_CONFIGS: u64 = 100_000;

/// The overlays a sweep tries, in order, no two alike.
///
/// # Errors
/// The space is malformed, endless for a grid, larger than [`MAX_CONFIGS`], or a random sweep has no budget.
pub fn overlays(sweep: &SweepSpec) -> Result<Vec<Value>, Violations> {
    let node = Node::parse(&sweep.space).map_err(|violations| prefixed(violations, "/space"))?;
    let budget = sweep.budget.configs;
    let refuse = |pointer: &str, value: Value, expected: String| {
        Err(Violations(vec![Violation::new(pointer, value, expected)]))
    };
    match &sweep.sampler {
        Sampler::Grid {} => match size(&node) {
            None => refuse(
                "/sampler/kind",
                "grid".into(),
                "random, since the space holds a continuous distribution; or write it as choice, int or quantized".into(),
            ),
            Some(n_points) if budget.map_or(n_points, |n| n_points.min(n.into())) > MAX_CONFIGS => refuse(
                "/space",
                n_points.into(),
                format!("at most {MAX_CONFIGS} grid cells; narrow the space, set budget.configs or use sampler random"),
            ),
            Some(n_points) => {
                let wanted = budget.map_or(n_points, |n| n_points.min(n.into()));
                Ok(grid::Grid::new(&node).take(wanted as usize).collect())
            }
        },
        Sampler::Random { seed } => match budget {
            None => refuse("/budget/configs", Value::Null, "how many configurations to draw".into()),
            Some(n_configs) => Ok(random::draw(&node, *seed, n_configs as usize)),
        },
    }
}

fn prefixed(violations: Violations, prefix: &str) -> Violations {
    let prefix_one = |violation: Violation| Violation {
        pointer: format!("{prefix}{}", violation.pointer),
        ..violation
    };
    Violations(violations.0.into_iter().map(prefix_one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sweep(space: Value, sampler: Value, configs: Option<u32>) -> SweepSpec {
        serde_json::from_value(json!({
            "name": "t", "space": space, "sampler": sampler, "budget": {"configs": configs},
        }))
        .unwrap()
    }

    #[test]
    fn a_grid_walks_conditional_spaces_in_order() {
        let space = json!({
            "optimizer": {"choice": [{"kind": "sgd", "momentum": {"choice": [0.8, 0.9]}}, {"kind": "adamw"}]},
            "fit": {"epochs": {"int": [1, 2]}},
        });
        let drawn = overlays(&sweep(space, json!({"kind": "grid"}), None)).unwrap();
        assert_eq!(drawn.len(), 6);
        assert_eq!(
            drawn[0],
            json!({"fit": {"epochs": 1}, "optimizer": {"kind": "sgd", "momentum": 0.8}})
        );
        assert_eq!(
            drawn[5],
            json!({"fit": {"epochs": 2}, "optimizer": {"kind": "adamw"}})
        );
    }

    #[test]
    fn random_draws_are_reproducible_distinct_and_in_range() {
        let space = json!({"a": {"log_uniform": [1e-4, 1.0]}, "b": {"quantized": [0.0, 1.0, 0.25]}, "c": {"int": [3, 4]}});
        let spec = sweep(space, json!({"kind": "random", "seed": 7}), Some(200));
        let drawn = overlays(&spec).unwrap();
        assert_eq!(drawn, overlays(&spec).unwrap());
        assert_eq!(drawn.len(), 200);
        for overlay in &drawn {
            let (a, b, c) = (&overlay["a"], &overlay["b"], &overlay["c"]);
            assert!((1e-4..=1.0).contains(&a.as_f64().unwrap()));
            assert_eq!((b.as_f64().unwrap() * 4.0).fract(), 0.0);
            assert!([3, 4].contains(&c.as_i64().unwrap()));
        }
        let below = drawn
            .iter()
            .filter(|o| o["a"].as_f64().unwrap() < 1e-2)
            .count();
        assert!(
            (70..130).contains(&below),
            "half of the draws lie below the geometric middle, not {below} of 200"
        );
    }

    #[test]
    fn a_small_space_is_never_drawn_twice() {
        let spec = sweep(
            json!({"a": {"choice": [1, 2, 3]}}),
            json!({"kind": "random"}),
            Some(50),
        );
        assert_eq!(overlays(&spec).unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_sampled_is_refused() {
        let refused = |spec: &SweepSpec| overlays(spec).unwrap_err().0.remove(0).pointer;
        let grid = json!({"kind": "grid"});
        assert_eq!(
            refused(&sweep(
                json!({"a": {"uniform": [0, 1]}}),
                grid.clone(),
                None
            )),
            "/sampler/kind"
        );
        assert_eq!(
            refused(&sweep(json!({"a": {"int": [0, 1_000_000]}}), grid, None)),
            "/space"
        );
        assert_eq!(
            refused(&sweep(json!({}), json!({"kind": "random"}), None)),
            "/budget/configs"
        );
        assert_eq!(
            refused(&sweep(
                json!({"a": {"choice": []}}),
                json!({"kind": "grid"}),
                None
            )),
            "/space/a/choice"
        );
    }
}
