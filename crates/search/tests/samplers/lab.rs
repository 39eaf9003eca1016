//! Searches whose past is made up: even points of the unit square, and what they are worth.

use cultivar_search::sampler::{Origin, Past, PastState, ask};
use cultivar_spec::SweepSpec;
use serde_json::{Value, json};

/// A point of the unit square.
pub type Xy = [f64; 2];

/// Any number between 0 and 1.
pub fn unit() -> Value {
    json!({"uniform": [0.0, 1.0]})
}

/// A search of the unit square; see [`sweep`].
pub fn square(sampler: Value) -> Value {
    json!({"sampler": sampler, "space": {"x": unit(), "y": unit()}})
}

/// The sweep of `search`, which lacks a name, a budget and a seed.
pub fn sweep(search: &Value, seed: u64) -> SweepSpec {
    let mut raw = search.clone();
    raw["name"] = "t".into();
    raw["budget"] = json!({"configs": 1_000});
    raw["sampler"]["seed"] = seed.into();
    serde_json::from_value(raw).unwrap()
}

/// What is proposed after `past`, by seed.
pub fn next(search: &Value, past: &[Past], n_seeds: u64) -> Vec<Value> {
    let own = past.iter().filter(|past| past.origin == Origin::Own);
    let number = own.count() as u32;
    (0..n_seeds)
        .map(|seed| ask(&sweep(search, seed), past, number).unwrap().unwrap())
        .collect()
}

/// As [`next`], where proposals are points of the unit square.
pub fn next_points(search: &Value, past: &[Past], n_seeds: u64) -> Vec<Xy> {
    next(search, past, n_seeds).iter().map(at).collect()
}

pub fn overlay([x, y]: Xy) -> Value {
    json!({"x": x, "y": y})
}

/// The inverse of [`overlay`].
pub fn at(overlay: &Value) -> Xy {
    ["x", "y"].map(|key| overlay[key].as_f64().unwrap())
}

/// `n` points that lie evenly in the unit square (the additive sequence of the plastic number).
pub fn even(n: u32) -> Vec<Xy> {
    const STEPS: Xy = [0.754_877_666, 0.569_840_291];
    (1..=n)
        .map(|k| STEPS.map(|step| (0.5 + f64::from(k) * step).fract()))
        .collect()
}

/// `n` even points, each followed by its image in the middle of the square.
pub fn mirrored(n: u32) -> Vec<Xy> {
    let points = even(n).into_iter();
    points
        .flat_map(|point| [point, point.map(|x| 1.0 - x)])
        .collect()
}

/// Best at `top`, and smooth.
pub fn peak(top: Xy) -> impl Fn(Xy) -> f64 {
    move |point| -apart(point, top).powi(2)
}

pub fn apart(a: Xy, b: Xy) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Own results, whose costs are not known.
pub fn results(all: impl IntoIterator<Item = (Value, Vec<f64>)>) -> Vec<Past> {
    (0..)
        .zip(all)
        .map(|(number, (overlay, values))| result(number, overlay, values))
        .collect()
}

pub fn result(number: u32, overlay: Value, values: Vec<f64>) -> Past {
    Past {
        number,
        overlay,
        state: PastState::Scored {
            values,
            n_seeds: 1,
            cost_s: 0.0,
        },
        origin: Origin::Own,
    }
}

/// Own results at `points`.
pub fn told(points: &[Xy], value: impl Fn(Xy) -> f64) -> Vec<Past> {
    results(
        points
            .iter()
            .map(|&point| (overlay(point), vec![value(point)])),
    )
}

pub fn pending(number: u32, overlay: Value) -> Past {
    Past {
        state: PastState::Pending {},
        ..result(number, overlay, Vec::new())
    }
}

/// The results as those of another sweep.
pub fn foreign(mut past: Vec<Past>, source: u32, weight: f64) -> Vec<Past> {
    for entry in &mut past {
        entry.origin = Origin::Foreign { source, weight };
    }
    past
}

pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut n, mut sum) = (0.0, 0.0);
    for value in values {
        n += 1.0;
        sum += value;
    }
    sum / n
}

/// How large a part of `all` is so.
pub fn share<T>(all: &[T], is_so: impl Fn(&T) -> bool) -> f64 {
    mean(all.iter().map(|one| f64::from(is_so(one))))
}
