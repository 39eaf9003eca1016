//! A configuration as numbers for trees.

use cultivar_spec::Violations;
use cultivar_spec::space::Node;
use serde_json::Value;

use crate::space::points::{Domain, Space};

/// A feature where its parameter is inactive, or where a configuration is no point of the space.
pub(super) const UNKNOWN: f64 = 0.5;

/// Turns a configuration into numbers.
pub(super) struct Encoder {
    space: Space,
    columns: Vec<Column>,
}

enum Column {
    /// A place in [0, 1] within the range. Alternatives may each have a parameter of the same name; one holds.
    Ordered(Vec<usize>),
    /// Whether a choice is made so.
    Is { param: usize, item: usize },
}

impl Encoder {
    /// # Errors
    /// The space is malformed.
    pub fn new(space: &Value) -> Result<Self, Violations> {
        let space = Space::new(&Node::parse(space)?);
        let mut columns: Vec<Column> = Vec::new();
        let params = space.params();
        for (idx, param) in params.iter().enumerate() {
            let is_namesake = |column: &&mut Column| match column {
                Column::Ordered(others) => params[others[0]].pointer == param.pointer,
                Column::Is { .. } => false,
            };
            match param.domain {
                Domain::Categories { n } => {
                    columns.extend((0..n).map(|item| Column::Is { param: idx, item }));
                }
                _ => match columns.iter_mut().find(is_namesake) {
                    Some(Column::Ordered(namesakes)) => namesakes.push(idx),
                    _ => columns.push(Column::Ordered(vec![idx])),
                },
            }
        }
        Ok(Self { space, columns })
    }

    /// `[n_columns]` in [0, 1].
    pub fn features(&self, overlay: &Value) -> Vec<f64> {
        let params = self.space.params();
        let point = self.space.encode(overlay);
        let point = point.unwrap_or_else(|_| vec![None; params.len()]);
        let feature = |column: &Column| match column {
            Column::Ordered(namesakes) => namesakes
                .iter()
                .find_map(|&idx| Some(params[idx].domain.to_unit(point[idx]?))),
            Column::Is { param, item } => point[*param].map(|x| f64::from(x == *item as f64)),
        };
        let features = self.columns.iter().map(feature);
        features.map(|x| x.unwrap_or(UNKNOWN)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn alternatives_share_the_columns_of_their_namesakes() {
        let space = json!({"optimizer": {"choice": [
            {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}, "momentum": {"choice": [0.0, 0.9]}},
            {"kind": "adamw", "lr": {"log_uniform": [1e-4, 1e-2]}},
        ]}});
        let encoder = Encoder::new(&space).unwrap();
        let features = |optimizer: Value| encoder.features(&json!({"optimizer": optimizer}));
        let rounded = |features: Vec<f64>| -> Vec<f64> {
            features.iter().map(|x| (x * 1e9).round() / 1e9).collect()
        };
        let sgd = features(json!({"kind": "sgd", "lr": 0.1, "momentum": 0.9}));
        assert_eq!(rounded(sgd), [1.0, 0.0, 0.5, 0.75]);
        let adamw = features(json!({"kind": "adamw", "lr": 1e-4}));
        assert_eq!(rounded(adamw), [0.0, 1.0, 0.0, UNKNOWN]);
        assert_eq!(features(json!({"kind": "lion"})), [UNKNOWN; 4]);
    }
}
