//! A space flattened to coordinates, and the way there and back.
//!
//! Models see a [`Point`]: one coordinate for everything that varies, none where the alternative it
//! belongs to was not chosen. People see overlays.

use cultivar_spec::space::Node;
use serde_json::{Map, Value};

use super::n_quanta;
use super::region::{level_of, same};

/// Coordinates by parameter, in the order of [`Space::params`]; `None` where inactive.
///
/// A continuous coordinate is a share of the range in [0, 1] (of its logarithm, if the range has one).
/// The others are whole numbers: the index of a level or of an alternative.
pub type Point = Vec<Option<f64>>;

/// Something that varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// JSON pointer into the overlay.
    pub pointer: String,
    pub domain: Domain,
    /// The choice, by parameter index, and the alternative of it under which this parameter exists.
    pub parent: Option<(usize, usize)>,
}

/// What a coordinate may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// Any number in [0, 1].
    Continuous,
    /// `n` levels in order, at equal distances: whole and quantized numbers, and choices that are all
    /// numbers, sorted.
    Levels { n: u64 },
    /// `n` alternatives in no order.
    Categories { n: usize },
}

impl Domain {
    /// Where a coordinate lies in [0, 1]; the middle of its level, or of its alternative.
    pub fn to_unit(self, x: f64) -> f64 {
        match self.n() {
            None => x,
            Some(n) => (x + 0.5) / n,
        }
    }

    /// The coordinate at `u` in [0, 1].
    pub fn at_unit(self, u: f64) -> f64 {
        match self.n() {
            None => u.clamp(0.0, 1.0),
            Some(n) => (u * n).floor().clamp(0.0, n - 1.0),
        }
    }

    /// Distance of two coordinates: a share of the range, and 1 between any two alternatives.
    pub fn distance(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Categories { .. } => f64::from(a != b),
            _ => (self.to_unit(a) - self.to_unit(b)).abs(),
        }
    }

    /// How many values there are, unless endless.
    pub fn n(self) -> Option<f64> {
        match self {
            Self::Continuous => None,
            Self::Levels { n } => Some(n as f64),
            Self::Categories { n } => Some(n as f64),
        }
    }
}

/// Why an overlay is not a point of the space.
#[derive(Clone, Debug, PartialEq)]
pub struct Outside {
    pub pointer: String,
    pub value: Value,
    pub expected: String,
}

/// A space with its parameters in a fixed order, those that others depend on first.
#[derive(Clone, Debug)]
pub struct Space {
    shape: Shape,
    params: Vec<Param>,
}

/// The tree, with the index of each parameter where it stands.
#[derive(Clone, Debug)]
enum Shape {
    Fixed(Value),
    Object(Vec<(String, Shape)>),
    /// One alternative needs no parameter.
    Choice(Option<usize>, Vec<Shape>),
    /// A choice of numbers, sorted.
    Sorted(usize, Vec<Value>),
    Number(usize, Node),
}

impl Space {
    pub fn new(node: &Node) -> Self {
        let mut params = Vec::new();
        let shape = flatten(node, "", None, &mut params);
        Self { shape, params }
    }

    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Whether parameter `idx` exists, given the coordinates of those before it.
    pub fn is_active(&self, idx: usize, point: &Point) -> bool {
        match self.params[idx].parent {
            None => true,
            Some((choice, item)) => point[choice] == Some(item as f64),
        }
    }

    /// A point, from a coordinate for each parameter that turns out to be active, asked in order.
    pub fn build(&self, mut coordinate: impl FnMut(usize, &Param, &Point) -> f64) -> Point {
        let mut point = vec![None; self.params.len()];
        for (idx, param) in self.params.iter().enumerate() {
            if self.is_active(idx, &point) {
                point[idx] = Some(coordinate(idx, param, &point));
            }
        }
        point
    }

    /// The overlay at `point`.
    pub fn decode(&self, point: &Point) -> Value {
        decode(&self.shape, point)
    }

    /// The point of an overlay. Fields that do not vary may be left out, but for those of an alternative,
    /// which tell it from the others.
    ///
    /// # Errors
    /// It lies outside the space; says where first.
    pub fn encode(&self, overlay: &Value) -> Result<Point, Outside> {
        let mut point = vec![None; self.params.len()];
        encode(&self.shape, Some(overlay), false, "", &mut point)?;
        Ok(point)
    }
}

fn flatten(
    node: &Node,
    pointer: &str,
    parent: Option<(usize, usize)>,
    params: &mut Vec<Param>,
) -> Shape {
    let param = |domain, params: &mut Vec<Param>| {
        params.push(Param {
            pointer: pointer.to_owned(),
            domain,
            parent,
        });
        params.len() - 1
    };
    match node {
        Node::Fixed(value) => Shape::Fixed(value.clone()),
        Node::Object(fields) => Shape::Object(
            fields
                .iter()
                .map(|(key, field)| {
                    let escaped = key.replace('~', "~0").replace('/', "~1");
                    let field = flatten(field, &format!("{pointer}/{escaped}"), parent, params);
                    (key.clone(), field)
                })
                .collect(),
        ),
        Node::Choice(items) if items.len() == 1 => {
            Shape::Choice(None, vec![flatten(&items[0], pointer, parent, params)])
        }
        Node::Choice(items) => match sorted_numbers(items) {
            Some(numbers) => {
                let n = numbers.len() as u64;
                Shape::Sorted(param(Domain::Levels { n }, params), numbers)
            }
            None => {
                let choice = param(Domain::Categories { n: items.len() }, params);
                let item = |(idx, item)| flatten(item, pointer, Some((choice, idx)), params);
                let items = items.iter().enumerate().map(item).collect();
                Shape::Choice(Some(choice), items)
            }
        },
        Node::Uniform { .. } | Node::LogUniform { .. } => {
            Shape::Number(param(Domain::Continuous, params), node.clone())
        }
        Node::Int { low, high } => {
            let n = high.abs_diff(*low).saturating_add(1);
            Shape::Number(param(Domain::Levels { n }, params), node.clone())
        }
        Node::Quantized { low, high, step } => {
            let n = n_quanta(*low, *high, *step);
            Shape::Number(param(Domain::Levels { n }, params), node.clone())
        }
    }
}

fn sorted_numbers(items: &[Node]) -> Option<Vec<Value>> {
    let numbers = items.iter().map(|item| match item {
        Node::Fixed(value) => Some((value.as_f64()?, value.clone())),
        _ => None,
    });
    let mut numbers: Vec<(f64, Value)> = numbers.collect::<Option<_>>()?;
    numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(numbers.into_iter().map(|(_, value)| value).collect())
}

fn decode(shape: &Shape, point: &Point) -> Value {
    let at = |param: usize| point[param].unwrap_or(0.0);
    match shape {
        Shape::Fixed(value) => value.clone(),
        Shape::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, field)| (key.clone(), decode(field, point)))
                .collect::<Map<_, _>>(),
        ),
        Shape::Choice(param, items) => {
            decode(&items[param.map_or(0, |param| at(param) as usize)], point)
        }
        Shape::Sorted(param, numbers) => numbers[at(*param) as usize].clone(),
        Shape::Number(param, node) => number(node, at(*param)),
    }
}

fn number(node: &Node, x: f64) -> Value {
    match node {
        Node::Uniform { low, high } => Value::from((low + x * (high - low)).clamp(*low, *high)),
        Node::LogUniform { low, high } => {
            let (a, b) = (low.ln(), high.ln());
            Value::from((a + x * (b - a)).exp().clamp(*low, *high))
        }
        Node::Int { low, .. } => Value::from(low + x as i64),
        Node::Quantized { low, step, .. } => Value::from(low + x * step),
        Node::Fixed(_) | Node::Object(_) | Node::Choice(_) => Value::Null,
    }
}

fn encode(
    shape: &Shape,
    value: Option<&Value>,
    is_alternative: bool,
    pointer: &str,
    point: &mut Point,
) -> Result<(), Outside> {
    let outside = |expected: String| Outside {
        pointer: pointer.to_owned(),
        value: value.cloned().unwrap_or(Value::Null),
        expected,
    };
    match shape {
        Shape::Fixed(fixed) => match value {
            Some(value) if same(fixed, value) => Ok(()),
            None if !is_alternative => Ok(()),
            _ => Err(outside(fixed.to_string())),
        },
        Shape::Object(fields) => {
            let given = match value {
                None => None,
                Some(Value::Object(given)) => Some(given),
                Some(_) => return Err(outside("an object".into())),
            };
            for (key, field) in fields {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                let value = given.and_then(|given| given.get(key));
                encode(
                    field,
                    value,
                    is_alternative,
                    &format!("{pointer}/{escaped}"),
                    point,
                )?;
            }
            let known = |key: &String| fields.iter().any(|(known, _)| known == key);
            match given.and_then(|given| given.keys().find(|key| !known(key))) {
                Some(key) => Err(outside(format!("no field {key}, which the space lacks"))),
                None => Ok(()),
            }
        }
        Shape::Choice(None, items) => encode(&items[0], value, is_alternative, pointer, point),
        Shape::Choice(Some(param), items) => {
            for (idx, item) in items.iter().enumerate() {
                if encode(item, value, true, pointer, point).is_ok() {
                    point[*param] = Some(idx as f64);
                    return Ok(());
                }
                // What the failed attempt set belongs to an alternative that was not chosen.
                point[param + 1..].fill(None);
            }
            Err(outside("one of the alternatives".into()))
        }
        Shape::Sorted(param, numbers) => {
            let level = numbers
                .iter()
                .position(|number| value.is_some_and(|value| same(number, value)));
            point[*param] = level.map(|level| level as f64);
            level.map_or_else(
                || Err(outside("one of the alternatives".into())),
                |_| Ok(()),
            )
        }
        Shape::Number(param, node) => {
            point[*param] = value.and_then(Value::as_f64).and_then(|x| share(node, x));
            match point[*param] {
                Some(_) => Ok(()),
                None => Err(outside("a number that the space holds".into())),
            }
        }
    }
}

/// The coordinate of the number `x`, if it is one of the node's.
fn share(node: &Node, x: f64) -> Option<f64> {
    match node {
        Node::Uniform { low, high } => (*low..=*high)
            .contains(&x)
            .then(|| (x - low) / (high - low)),
        Node::LogUniform { low, high } => (*low..=*high).contains(&x).then(|| {
            let (from_low, range) = (x.ln() - low.ln(), high.ln() - low.ln());
            // Of neighbouring numbers the logarithms may be equal.
            match range > 0.0 {
                true => (from_low / range).clamp(0.0, 1.0),
                false => 0.0,
            }
        }),
        Node::Int { low, high } => {
            let inside = x.fract() == 0.0 && (*low as f64..=*high as f64).contains(&x);
            inside.then_some(x - *low as f64)
        }
        Node::Quantized { low, high, step } => level_of(x, *low, *high, *step),
        Node::Fixed(_) | Node::Object(_) | Node::Choice(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn space(raw: Value) -> Space {
        Space::new(&Node::parse(&raw).unwrap())
    }

    fn nested() -> Space {
        space(json!({
            "optimizer": {"choice": [
                {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}, "momentum": {"choice": [0.9, 0.0, 0.5]}},
                {"kind": "adamw", "lr": {"log_uniform": [1e-4, 1e-2]}},
            ]},
            "epochs": {"int": [-1, 5]},
            "drop": {"quantized": [0.0, 0.3, 0.1]},
            "seed": 3,
        }))
    }

    #[test]
    fn overlays_come_back_from_their_points() {
        for overlay in [
            json!({"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.5}, "epochs": 4, "drop": 0.2, "seed": 3}),
            json!({"optimizer": {"kind": "adamw", "lr": 1e-4}, "epochs": -1, "drop": 0.0, "seed": 3}),
        ] {
            let space = nested();
            let point = space.encode(&overlay).unwrap();
            let back = space.decode(&point);
            assert_eq!(space.encode(&back).unwrap(), point);
            assert_eq!(back["optimizer"]["kind"], overlay["optimizer"]["kind"]);
            assert_eq!(back["epochs"], overlay["epochs"]);
            let lr = |overlay: &Value| overlay["optimizer"]["lr"].as_f64().unwrap();
            assert!((lr(&back) / lr(&overlay) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn conditional_parameters_are_inactive_elsewhere() {
        let point = nested()
            .encode(&json!({"optimizer": {"kind": "adamw", "lr": 1e-3}, "epochs": 0, "drop": 0.1}))
            .unwrap();
        let n_active = point.iter().flatten().count();
        assert_eq!((n_active, point.len()), (4, 6));
    }

    #[test]
    fn numeric_choices_are_sorted_levels() {
        let space = space(json!({"a": {"choice": [10, 1, 2.5]}}));
        assert_eq!(space.params()[0].domain, Domain::Levels { n: 3 });
        assert_eq!(space.decode(&vec![Some(2.0)]), json!({"a": 10}));
        assert_eq!(space.encode(&json!({"a": 1.0})).unwrap(), [Some(0.0)]);
    }

    #[test]
    fn neighbours_with_one_logarithm_are_a_point() {
        let space = space(json!({"a": {"log_uniform": [100.0, 100.00000000000001]}}));
        assert_eq!(space.encode(&json!({"a": 100.0})).unwrap(), [Some(0.0)]);
    }

    #[test]
    fn what_lies_outside_says_where() {
        let outside = |overlay: Value| nested().encode(&overlay).unwrap_err().pointer;
        let sgd = json!({"kind": "sgd", "lr": 0.1, "momentum": 0.5});
        assert_eq!(
            outside(json!({"optimizer": {"kind": "rmsprop"}, "epochs": 1, "drop": 0.1})),
            "/optimizer"
        );
        assert_eq!(
            outside(json!({"optimizer": sgd, "epochs": 9, "drop": 0.1})),
            "/epochs"
        );
        assert_eq!(outside(json!({"optimizer": sgd, "epochs": 1})), "/drop");
        assert_eq!(
            outside(json!({"optimizer": sgd, "epochs": 1, "drop": 0.1, "x": 1})),
            ""
        );
    }
}
