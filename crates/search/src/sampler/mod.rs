//! Samplers: which configurations a sweep tries. One algorithm a file, and one question to all of them:
//! given a sweep and its past, what is configuration number n?
//!
//! The answer is a function of the question. Every draw derives from (seed, number), so that a proposal can
//! be replayed from what it had seen, and it does not matter which replica of a server asks.

mod auto;
mod checks;
mod cma_es;
mod evolution;
mod gp;
mod grid;
mod normal;
mod observed;
mod past;
mod random;
mod sobol;
mod study;
mod tpe;

#[cfg(test)]
mod contract;

use cultivar_spec::sweep::Sampler;
use cultivar_spec::{SweepSpec, Violation, Violations};
use serde_json::Value;

pub use past::{Origin, Past, PastState};
pub use study::Study;

/// Most configurations a sweep may hold.
pub const MAX_CONFIGS: u64 = 100_000;

/// Largest space of which `auto` tries every combination when no budget says otherwise.
pub const AUTO_GRID_CONFIGS: u64 = 10_000;

/// The overlay to try as configuration `number` (from 0), given everything seen when it is asked for, what
/// is still running included; `None` where the budget or the space is exhausted.
///
/// It reads the whole past each time; keep a [`Study`] to ask many questions.
///
/// # Errors
/// As for [`check`].
pub fn ask(sweep: &SweepSpec, past: &[Past], number: u32) -> Result<Option<Value>, Violations> {
    Ok(told(sweep, past)?.ask(number))
}

/// Index in `past` of the own configuration to go on with: the one with the best expected value by a
/// Gaussian process through the results, not the luckiest single result. With several objectives, the one
/// that balances them; `None` while nothing is scored.
///
/// # Errors
/// As for [`check`].
pub fn recommend(sweep: &SweepSpec, past: &[Past]) -> Result<Option<usize>, Violations> {
    let number = told(sweep, past)?.recommend();
    Ok(number.and_then(|number| {
        past.iter()
            .rposition(|past| past.number == number && past.origin == Origin::Own)
    }))
}

/// Whether a sweep can be searched at all.
///
/// # Errors
/// Everything wrong with its space, forbidden combinations, warm start, sampler and budget: a malformed or
/// empty space, one that is endless for a grid or larger than [`MAX_CONFIGS`], a forbidden combination that
/// cannot occur, a budget that is missing.
pub fn check(sweep: &SweepSpec) -> Result<(), Violations> {
    Study::new(sweep).map(drop)
}

/// Whether the configurations depend on results. Those of the other sweeps are known ahead: [`overlays`].
///
/// # Errors
/// As for [`check`].
pub fn is_adaptive(sweep: &SweepSpec) -> Result<bool, Violations> {
    Study::new(sweep).map(|study| is_study_adaptive(&study))
}

/// All configurations of a sweep that are known ahead (grid, random, Sobol), in order, no two alike; as
/// [`ask`] gives them one by one.
///
/// # Errors
/// As for [`check`], and for a sampler that needs results.
pub fn overlays(sweep: &SweepSpec) -> Result<Vec<Value>, Violations> {
    let mut study = Study::new(sweep)?;
    if is_study_adaptive(&study) {
        return Err(Violations(vec![Violation::new(
            "/sampler/kind",
            serde_json::to_value(&sweep.sampler)
                .map_or(Value::Null, |sampler| sampler["kind"].clone()),
            "grid, random or sobol, whose configurations do not wait for results",
        )]));
    }
    if matches!(study.sampler, Sampler::Grid {}) {
        let budget = study.budget.map_or(usize::MAX, |budget| budget as usize);
        let of_sweep = study.clone();
        let known = of_sweep.warm_start.iter().cloned();
        let points = known
            .chain(of_sweep.grid())
            .filter(|point| study.remember(point))
            .take(budget);
        return Ok(points.map(|point| of_sweep.space.decode(&point)).collect());
    }
    Ok(first(&mut study, usize::MAX))
}

/// The first `n` configurations while nothing is scored yet: what a preview shows.
///
/// # Errors
/// As for [`check`].
pub fn preview(sweep: &SweepSpec, n: usize) -> Result<Vec<Value>, Violations> {
    Ok(first(&mut Study::new(sweep)?, n))
}

fn first(study: &mut Study, n: usize) -> Vec<Value> {
    let next = |number| {
        let point = study.propose(number)?;
        study.remember(&point);
        Some(study.space.decode(&point))
    };
    (0..u32::MAX).take(n).map_while(next).collect()
}

fn is_study_adaptive(study: &Study) -> bool {
    !matches!(
        study.sampler,
        Sampler::Grid {} | Sampler::Random { .. } | Sampler::Sobol { .. }
    )
}

fn told(sweep: &SweepSpec, past: &[Past]) -> Result<Study, Violations> {
    let mut study = Study::new(sweep)?;
    for past in past {
        study.tell(past);
    }
    Ok(study)
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
    fn what_overlapping_alternatives_share_comes_once() {
        let space = json!({"fit": {"epochs": {"choice": [{"int": [1, 3]}, {"int": [2, 4]}, {"fixed": 4}]}}});
        for kind in ["grid", "random", "sobol"] {
            let spec = sweep(space.clone(), json!({"kind": kind}), Some(9));
            let drawn = overlays(&spec).unwrap();
            let mut epochs: Vec<_> = drawn
                .iter()
                .map(|overlay| overlay["fit"]["epochs"].as_i64().unwrap())
                .collect();
            epochs.sort_unstable();
            assert_eq!(epochs, [1, 2, 3, 4], "{kind}");
        }
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
    fn sobol_draws_fill_every_quarter_evenly() {
        let space = json!({"a": {"uniform": [0.0, 1.0]}, "b": {"uniform": [0.0, 1.0]}});
        let spec = sweep(space, json!({"kind": "sobol"}), Some(64));
        let mut counts = [0; 16];
        for overlay in overlays(&spec).unwrap() {
            let cell = |key: &str| (overlay[key].as_f64().unwrap() * 4.0) as usize;
            counts[cell("a") * 4 + cell("b")] += 1;
        }
        assert_eq!(counts, [4; 16]);
    }

    #[test]
    fn auto_tries_all_of_a_small_space_and_asks_for_a_budget_otherwise() {
        let auto = json!({"kind": "auto"});
        let small = sweep(json!({"a": {"int": [1, 9]}}), auto.clone(), None);
        assert_eq!(overlays(&small).unwrap().len(), 9);
        assert_eq!(is_adaptive(&small), Ok(false));
        let wide = sweep(json!({"a": {"uniform": [0.0, 1.0]}}), auto.clone(), Some(9));
        assert_eq!(is_adaptive(&wide), Ok(true));
        assert_eq!(preview(&wide, 5).unwrap().len(), 5);
        assert_eq!(overlays(&wide).unwrap_err().0[0].pointer, "/sampler/kind");
        for space in [
            json!({"a": {"uniform": [0.0, 1.0]}}),
            json!({"a": {"int": [1, 20_000]}}),
        ] {
            let found = check(&sweep(space, auto.clone(), None)).unwrap_err().0;
            assert_eq!(found[0].pointer, "/budget/configs");
        }
    }

    /// What is wrong with a sweep, given as changes to one that is right.
    fn refused(changes: Value) -> Vec<String> {
        let mut raw = json!({
            "name": "t", "sampler": {"kind": "random"}, "budget": {"configs": 3},
            "space": {"a": {"int": [1, 3]}, "b": {"choice": ["x", {"c": {"uniform": [0.0, 1.0]}}]}},
        });
        for (key, value) in changes.as_object().unwrap() {
            raw[key] = value.clone();
        }
        let spec: SweepSpec = serde_json::from_value(raw).unwrap();
        let found = check(&spec).err().map_or(Vec::new(), |found| found.0);
        found
            .into_iter()
            .map(|violation| violation.pointer)
            .collect()
    }

    #[test]
    fn what_cannot_be_sampled_is_refused_where_it_stands() {
        assert!(refused(json!({})).is_empty());
        // A budget bounds what is taken of a grid, not what is gone through for it.
        let wide = |forbid: Value| {
            let space = json!({"a": {"int": [0, 9]}, "b": {"int": [0, 1_000_000_000_000_i64]}});
            refused(json!({"sampler": {"kind": "grid"}, "space": space, "forbid": forbid}))
        };
        assert!(wide(json!([])).is_empty());
        assert_eq!(wide(json!([{"a": 0}])), ["/space"]);
        assert_eq!(
            refused(json!({"sampler": {"kind": "grid"}})),
            ["/sampler/kind"]
        );
        assert_eq!(
            refused(
                json!({"sampler": {"kind": "grid"}, "space": {"a": {"int": [0, 1_000_000]}}, "budget": {}})
            ),
            ["/space"]
        );
        assert_eq!(refused(json!({"budget": {}})), ["/budget/configs"]);
        assert_eq!(
            refused(json!({"space": {"a": {"choice": []}}})),
            ["/space/a/choice"]
        );
        assert_eq!(
            refused(json!({"space": {"a": {"log_uniform": [0, 1]}}})),
            ["/space/a/log_uniform"]
        );
        assert_eq!(
            refused(json!({"sampler": {"kind": "cma_es"}})),
            ["/sampler/kind"]
        );
        assert_eq!(
            refused(json!({"sampler": {"kind": "evolution", "population": 3, "tournament": 4}})),
            ["/sampler/tournament"]
        );
    }

    #[test]
    fn forbidden_combinations_must_be_possible_and_leave_something() {
        assert!(
            refused(json!({"forbid": [{"a": 2, "b": "x"}, {"b": {"c": {"uniform": [0.5, 2.0]}}}]}))
                .is_empty()
        );
        assert_eq!(
            refused(json!({"forbid": [{"a": 1}, {"a": 4}]})),
            ["/forbid/1"]
        );
        assert_eq!(refused(json!({"forbid": [{"b": {"d": 1}}]})), ["/forbid/0"]);
        assert_eq!(refused(json!({"forbid": [{}]})), ["/forbid/0"]);
        assert_eq!(
            refused(json!({"forbid": [{"a": {"int": [2, 1]}}]})),
            ["/forbid/0/a/int"]
        );
        assert_eq!(
            refused(json!({"forbid": [{"a": {"int": [1, 3]}}]})),
            ["/forbid"]
        );
    }

    #[test]
    fn a_warm_start_must_lie_in_the_space() {
        assert!(
            refused(json!({"warm_start": [{"a": 1, "b": "x"}, {"a": 1, "b": {"c": 0.5}}]}))
                .is_empty()
        );
        assert_eq!(
            refused(json!({"warm_start": [{"a": 9, "b": "x"}]})),
            ["/warm_start/0/a"]
        );
        assert_eq!(
            refused(json!({"warm_start": [{"a": 1}]})),
            ["/warm_start/0/b"]
        );
        assert_eq!(
            refused(json!({"warm_start": [{"a": 1, "b": "x"}, {"a": 1, "b": "x"}]})),
            ["/warm_start/1"]
        );
        assert_eq!(
            refused(json!({"warm_start": [{"a": 1, "b": "x"}], "forbid": [{"a": 1}]})),
            ["/warm_start/0"]
        );
    }
}
