//! Where a trial lies in its sweep's space, and a step away from there.

use cultivar_spec::space::Node;
use cultivar_spec::{Violation, Violations};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::space::n_quanta;
use crate::space::region::contains;

/// Parts of a spec that may change in mid-training: what the weights and the data order depend on may not.
const CHANGEABLE: [&str; 4] = ["optimizer", "schedule", "augment", "loss"];

/// What population based training cannot vary.
pub(super) fn check(space: &Value, found: &mut Vec<Violation>) {
    check_at("/space", space, found);
}

fn check_at(pointer: &str, space: &Value, found: &mut Vec<Violation>) {
    if let (Ok(Node::Choice(_)), Some(items)) = (Node::parse(space), space["choice"].as_array()) {
        for (idx, item) in items.iter().enumerate() {
            check_at(&format!("{pointer}/choice/{idx}"), item, found);
        }
        return;
    }
    for (part, given) in space.as_object().into_iter().flatten() {
        if !CHANGEABLE.contains(&part.as_str()) && !is_fixed(given) {
            found.push(Violation::new(
                format!("{pointer}/{part}"),
                given.clone(),
                format!(
                    "nothing but fixed values: pbt changes a trial in mid-training, and only its {} can change there",
                    CHANGEABLE.join(", ")
                ),
            ));
        }
    }
}

fn is_fixed(raw: &Value) -> bool {
    fn holds_one_value(node: &Node) -> bool {
        match node {
            Node::Fixed(_) => true,
            Node::Object(fields) => fields.values().all(holds_one_value),
            Node::Choice(items) => items.len() == 1 && items.iter().all(holds_one_value),
            _ => false,
        }
    }
    Node::parse(raw).is_ok_and(|node| holds_one_value(&node))
}

/// What a resolved spec is an instance of: the values it has where the space varies. `None` where it is none.
///
/// # Errors
/// The space is malformed.
pub fn point_of(space: &Value, spec: &Value) -> Result<Option<Value>, Violations> {
    Ok(extract(&Node::parse(space)?, spec).map(|found| found.point))
}

/// A point of a node that a spec is an instance of.
struct Found {
    point: Value,
    /// Values that the node fixes: of several alternatives, the one that says most is meant.
    n_fixed: usize,
}

fn extract(node: &Node, spec: &Value) -> Option<Found> {
    let number = |is_inside: &dyn Fn(f64) -> bool| {
        let is_inside = spec.as_f64().is_some_and(is_inside);
        is_inside.then(|| Found {
            point: spec.clone(),
            n_fixed: 0,
        })
    };
    // Numbers come back from a store a little away.
    let slack = |low: f64, high: f64| 1e-9 * (low.abs() + high.abs());
    match node {
        Node::Fixed(value) => holds(spec, value).then(|| Found {
            point: value.clone(),
            n_fixed: n_leaves(value),
        }),
        Node::Object(fields) => {
            let (mut point, mut n_fixed) = (Map::new(), 0);
            for (key, node) in fields {
                let found = extract(node, spec.get(key)?)?;
                point.insert(key.clone(), found.point);
                n_fixed += found.n_fixed;
            }
            let point = Value::Object(point);
            Some(Found { point, n_fixed })
        }
        Node::Choice(items) => meant(items, spec).map(|(_, found)| found),
        Node::Uniform { low, high }
        | Node::LogUniform { low, high }
        | Node::Quantized { low, high, .. } => {
            let slack = slack(*low, *high);
            number(&|x| (low - slack..=high + slack).contains(&x))
        }
        Node::Int { low, high } => {
            number(&|x| x.fract() == 0.0 && (*low as f64..=*high as f64).contains(&x))
        }
    }
}

/// The alternative that a spec is an instance of: the one that fixes most of it, the first of equals.
fn meant(items: &[Node], spec: &Value) -> Option<(usize, Found)> {
    let found = items.iter().map(|item| extract(item, spec)).enumerate();
    let found = found.filter_map(|(place, found)| Some((place, found?)));
    found.reduce(|best, next| match next.1.n_fixed > best.1.n_fixed {
        true => next,
        false => best,
    })
}

fn n_leaves(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(n_leaves).sum(),
        _ => 1,
    }
}

/// Whether a spec says what a space fixes; it may say more, every default being written out.
fn holds(spec: &Value, value: &Value) -> bool {
    match (spec, value) {
        (Value::Object(given), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| given.get(key).is_some_and(|given| holds(given, value))),
        (Value::Number(given), Value::Number(wanted)) => given.as_f64() == wanted.as_f64(),
        _ => spec == value,
    }
}

/// Steps tried before a copy stays where its source is.
const MAX_STEPS: usize = 20;

/// Steps in a space.
pub(super) struct Explore {
    pub space: Node,
    /// Where no step may lead.
    pub forbid: Vec<Node>,
    /// What a number is multiplied or divided by.
    pub factor: f64,
    /// Probability of a fresh draw instead.
    pub resample: f64,
}

impl Explore {
    /// A point near `point` that is not forbidden, or the point itself where none was found: every number multiplied or
    /// divided by the factor, or moved to the next larger or smaller one of a list, or drawn anew. What is no number
    /// stays what it is: a checkpoint belongs to its optimizer.
    pub fn near(&self, point: &Value, rng: &mut ChaCha8Rng) -> Value {
        let is_allowed = |step: &Value| !self.forbid.iter().any(|region| contains(region, step));
        let mut steps = (0..MAX_STEPS).map(|_| self.walk(&self.space, point, rng));
        steps.find(is_allowed).unwrap_or_else(|| point.clone())
    }

    fn walk(&self, node: &Node, point: &Value, rng: &mut ChaCha8Rng) -> Value {
        // Drawn whether used or not, so that one parameter's fate does not shift another's.
        let (fresh, up, u) = (
            rng.random::<f64>() < self.resample,
            rng.random::<bool>(),
            rng.random::<f64>(),
        );
        let at = point.as_f64();
        let factor = if up { self.factor } else { 1.0 / self.factor };
        match (node, at) {
            (Node::Object(fields), _) => {
                let field = |(key, node): (&String, &Node)| {
                    let below = point.get(key)?;
                    Some((key.clone(), self.walk(node, below, rng)))
                };
                Value::Object(fields.iter().filter_map(field).collect())
            }
            (Node::Choice(items), _) => {
                let place = meant(items, point).map(|(place, _)| place);
                match (place, numbers(items), at) {
                    (Some(_), Some(numbers), Some(at)) => {
                        let last = numbers.len() - 1;
                        let place = numbers.iter().position(|number| worth(number) >= at);
                        let place = place.unwrap_or(last);
                        let place = match (fresh, up) {
                            (true, _) => ((u * numbers.len() as f64) as usize).min(last),
                            (false, true) => (place + 1).min(last),
                            (false, false) => place.saturating_sub(1),
                        };
                        numbers[place].clone()
                    }
                    (Some(place), ..) => self.walk(&items[place], point, rng),
                    (None, ..) => point.clone(),
                }
            }
            (Node::Uniform { low, high }, Some(at)) => {
                let drawn = low + u * (high - low);
                let value = if fresh { drawn } else { at * factor };
                short(value).clamp(*low, *high).into()
            }
            (Node::LogUniform { low, high }, Some(at)) => {
                let drawn = low * (u * (high / low).ln()).exp();
                let value = if fresh { drawn } else { at * factor };
                short(value).clamp(*low, *high).into()
            }
            (Node::Int { low, high }, Some(at)) => {
                let drawn = *low as f64 + (u * (high - low + 1) as f64).floor();
                let moved = match up {
                    true => (at * factor).round().max(at + 1.0),
                    false => (at * factor).round().min(at - 1.0),
                };
                let value = if fresh { drawn } else { moved } as i64;
                value.clamp(*low, *high).into()
            }
            (Node::Quantized { low, high, step }, Some(at)) => {
                let last = (n_quanta(*low, *high, *step) - 1) as f64;
                let place = ((at - low) / step).round();
                let moved = if up { place + 1.0 } else { place - 1.0 };
                let drawn = (u * (last + 1.0)).floor();
                let place = if fresh { drawn } else { moved }.clamp(0.0, last);
                (low + place * step).into()
            }
            _ => point.clone(),
        }
    }
}

/// The items of a choice between numbers, ascending.
fn numbers(items: &[Node]) -> Option<Vec<&Value>> {
    fn number(item: &Node) -> Option<&Value> {
        match item {
            Node::Fixed(value) if value.is_number() => Some(value),
            _ => None,
        }
    }
    let mut numbers: Vec<&Value> = items.iter().map(number).collect::<Option<_>>()?;
    numbers.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
    Some(numbers)
}

fn worth(number: &Value) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// Six digits: nobody needs more of a random step, and a number this short reads back from any store as it was.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use serde_json::json;

    fn space() -> Value {
        json!({
            "optimizer": {"choice": [
                {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}, "momentum": {"choice": [0.0, 0.5, 0.9]}},
                {"kind": "adamw", "lr": {"log_uniform": [1e-4, 1e-2]}},
            ]},
            "loss": {"smoothing": {"quantized": [0.0, 0.3, 0.1]}},
        })
    }

    fn spec() -> Value {
        json!({
            "optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.5, "nesterov": true, "weight_decay": 0.0},
            "loss": {"kind": "cross_entropy", "smoothing": 0.1}, "fit": {"epochs": 3},
        })
    }

    #[test]
    fn a_point_is_what_the_space_says_of_a_spec() {
        let point = point_of(&space(), &spec()).unwrap().unwrap();
        let expect = json!({"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.5}, "loss": {"smoothing": 0.1}});
        assert_eq!(point, expect);
        let other = json!({"optimizer": {"kind": "ranger", "lr": 0.1}, "loss": {"smoothing": 0.1}});
        assert_eq!(point_of(&space(), &other).unwrap(), None);
    }

    #[test]
    fn of_several_alternatives_the_one_that_fits_and_says_most_is_meant() {
        let lr = |low: f64, high: f64| json!({"log_uniform": [low, high]});
        let space = json!({"optimizer": {"choice": [
            {"kind": "sgd", "lr": lr(0.1, 1.0)},
            {"kind": "sgd", "lr": lr(0.001, 0.01)},
            {"kind": "sgd", "lr": lr(0.1, 1.0), "nesterov": true},
        ]}});
        let node = Node::parse(&space).unwrap();
        let check = |spec: Value, alternative: usize| {
            let spec = json!({"optimizer": spec});
            let point = point_of(&space, &spec).unwrap().unwrap();
            let is_nesterov = !point["optimizer"]["nesterov"].is_null();
            assert_eq!(is_nesterov, alternative == 2, "{point}");
            let (space, mut rng) = (node.clone(), ChaCha8Rng::seed_from_u64(1));
            let explore = Explore {
                space,
                forbid: Vec::new(),
                factor: 1.2,
                resample: 0.0,
            };
            let near = explore.near(&point, &mut rng);
            let ratio = near["optimizer"]["lr"].as_f64().unwrap()
                / spec["optimizer"]["lr"].as_f64().unwrap();
            assert!((0.8..=1.25).contains(&ratio), "{near}");
        };
        check(json!({"kind": "sgd", "lr": 0.3, "nesterov": false}), 0);
        check(json!({"kind": "sgd", "lr": 0.005, "nesterov": false}), 1);
        check(json!({"kind": "sgd", "lr": 0.3, "nesterov": true}), 2);
        let outside = json!({"optimizer": {"kind": "sgd", "lr": 0.05, "nesterov": false}});
        assert_eq!(point_of(&space, &outside).unwrap(), None);
    }

    #[test]
    fn a_step_stays_inside_and_moves_a_little() {
        let node = Node::parse(&space()).unwrap();
        let point = point_of(&space(), &spec()).unwrap().unwrap();
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let explore = |resample: f64| Explore {
                space: node.clone(),
                forbid: Vec::new(),
                factor: 1.2,
                resample,
            };
            let near = explore(0.0).near(&point, &mut rng);
            let lr = near["optimizer"]["lr"].as_f64().unwrap();
            assert!(lr == 0.12 || lr == 0.0833333);
            assert!([json!(0.0), json!(0.9)].contains(&near["optimizer"]["momentum"]));
            let smoothing = near["loss"]["smoothing"].as_f64().unwrap();
            assert!(smoothing == 0.0 || (smoothing - 0.2).abs() < 1e-12);
            let anew = explore(1.0).near(&point, &mut rng);
            assert_eq!(anew["optimizer"]["kind"], "sgd");
            assert!((0.01..=1.0).contains(&anew["optimizer"]["lr"].as_f64().unwrap()));
        }
    }

    #[test]
    fn a_step_leaves_words_alone_and_goes_through_numbers_by_their_worth() {
        let space = json!({"optimizer": {"kind": {"choice": ["sgd", "adamw"]}, "nesterov": {"choice": [true, false]},
            "momentum": {"choice": [0.9, 0.5, 0.7]}}});
        let point = json!({"optimizer": {"kind": "sgd", "nesterov": true, "momentum": 0.7}});
        for seed in 0..100 {
            let mut explore = Explore {
                space: Node::parse(&space).unwrap(),
                forbid: Vec::new(),
                factor: 1.2,
                resample: if seed < 50 { 0.0 } else { 1.0 },
            };
            let step = explore.near(&point, &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(
                (&step["optimizer"]["kind"], &step["optimizer"]["nesterov"]),
                (&json!("sgd"), &json!(true))
            );
            let momentum = step["optimizer"]["momentum"].as_f64().unwrap();
            assert!(seed >= 50 || momentum != 0.7, "{momentum}");
            // A step that is forbidden is not taken.
            explore.forbid = vec![Node::parse(&json!({"optimizer": {"momentum": 0.9}})).unwrap()];
            let step = explore.near(&point, &mut ChaCha8Rng::seed_from_u64(seed));
            assert_ne!(step["optimizer"]["momentum"], 0.9);
            explore.forbid = vec![
                Node::parse(&json!({"optimizer": {"momentum": {"choice": [0.5, 0.7, 0.9]}}}))
                    .unwrap(),
            ];
            let step = explore.near(&point, &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(step, point);
        }
    }

    #[test]
    fn only_what_may_change_in_mid_training_is_admitted() {
        let mut found = Vec::new();
        check(&space(), &mut found);
        check(&json!({"fit": {"epochs": 3}}), &mut found);
        assert!(found.is_empty());
        check(
            &json!({"fit": {"batch_size": {"choice": [8, 16]}}}),
            &mut found,
        );
        check(
            &json!({"backbone": {"choice": [{"drop_path": 0.0}, {"drop_path": 0.1}]}}),
            &mut found,
        );
        check(
            &json!({"choice": [{"fit": {"batch_size": 8}}, {"fit": {"batch_size": {"choice": [8, 16]}}}]}),
            &mut found,
        );
        let pointers: Vec<&str> = found.iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/space/fit", "/space/backbone", "/space/choice/1/fit"]
        );
    }
}
