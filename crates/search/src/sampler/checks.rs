//! What a sweep must satisfy before anything is drawn from it.

use cultivar_spec::space::Node;
use cultivar_spec::sweep::Sampler;
use cultivar_spec::{SweepSpec, Violation, Violations};
use serde_json::Value;

use super::study::Study;
use super::{AUTO_GRID_CONFIGS, MAX_CONFIGS};
use crate::space::points::Domain;
use crate::space::region::overlaps;
use crate::space::size;

/// Checks a sweep's search and makes a study of it.
pub(super) fn study(sweep: &SweepSpec) -> Result<Study, Violations> {
    let node = Node::parse(&sweep.space).map_err(|found| prefixed(found, "/space"))?;
    let mut found = Vec::new();
    let forbid = forbidden(sweep, &node, &mut found);
    let sampler = resolve(sweep, &node, &mut found);
    let mut study = Study::empty(node, forbid, sampler, sweep.budget.configs);
    if found.is_empty() {
        what_the_sampler_needs(&study, &mut found);
        warm_start(sweep, &mut study, &mut found);
    }
    if found.is_empty() && !study.forbid.is_empty() && study.fresh(&mut study.rng(0)).is_none() {
        found.push(Violation::new(
            "/forbid",
            sweep.forbid.clone(),
            "less, so that a configuration is left",
        ));
    }
    match found.is_empty() {
        true => Ok(study),
        false => Err(Violations(found)),
    }
}

fn forbidden(sweep: &SweepSpec, space: &Node, found: &mut Vec<Violation>) -> Vec<Node> {
    let mut regions = Vec::with_capacity(sweep.forbid.len());
    for (idx, raw) in sweep.forbid.iter().enumerate() {
        let here = format!("/forbid/{idx}");
        match Node::parse(raw) {
            Err(violations) => found.extend(prefixed(violations, &here).0),
            Ok(Node::Object(fields)) if fields.is_empty() => {
                found.push(Violation::new(here, raw.clone(), "at least one field"));
            }
            Ok(region) if !overlaps(space, &region) => found.push(Violation::new(
                here,
                raw.clone(),
                "a combination that the space can produce",
            )),
            Ok(region) => regions.push(region),
        }
    }
    regions
}

/// The sampler to run: `auto` becomes a grid where the budget or the space's size allows every combination.
fn resolve(sweep: &SweepSpec, node: &Node, found: &mut Vec<Violation>) -> Sampler {
    let n_points = size(node);
    let budget = sweep.budget.configs.map(u64::from);
    let mut refuse = |pointer: &str, value: Value, expected: String| {
        found.push(Violation::new(pointer, value, expected));
    };
    match (&sweep.sampler, n_points, budget) {
        (Sampler::Auto { .. }, Some(n_points), None) if n_points <= AUTO_GRID_CONFIGS => {
            return Sampler::Grid {};
        }
        (Sampler::Auto { .. }, Some(n_points), Some(budget))
            if n_points <= budget.min(MAX_CONFIGS) =>
        {
            return Sampler::Grid {};
        }
        (Sampler::Auto { .. }, Some(n_points), None) => refuse(
            "/budget/configs",
            Value::Null,
            format!(
                "how many configurations to try, since the space holds {n_points}; up to \
                 {AUTO_GRID_CONFIGS} are all tried without a budget"
            ),
        ),
        (Sampler::Grid {}, None, _) => refuse(
            "/sampler/kind",
            "grid".into(),
            "another sampler, since the space holds a continuous distribution; or write it as choice, \
             int or quantized"
                .into(),
        ),
        // With forbidden combinations there is no telling how many cells are gone through for a budget.
        (Sampler::Grid {}, Some(n_points), _)
            if n_points > MAX_CONFIGS && !sweep.forbid.is_empty() =>
        {
            refuse(
                "/space",
                n_points.into(),
                format!(
                    "at most {MAX_CONFIGS} grid cells where combinations are forbidden; narrow the space \
                     or use another sampler"
                ),
            );
        }
        (Sampler::Grid {}, Some(n_points), budget)
            if budget.map_or(n_points, |budget| budget.min(n_points)) > MAX_CONFIGS =>
        {
            refuse(
                "/space",
                n_points.into(),
                format!(
                    "at most {MAX_CONFIGS} grid cells; narrow the space, set budget.configs or use \
                     another sampler"
                ),
            );
        }
        (Sampler::Grid {}, _, _) | (_, _, Some(_)) => {}
        (_, _, None) => refuse(
            "/budget/configs",
            Value::Null,
            "how many configurations to try".into(),
        ),
    }
    sweep.sampler.clone()
}

fn what_the_sampler_needs(study: &Study, found: &mut Vec<Violation>) {
    match &study.sampler {
        Sampler::CmaEs { .. } => {
            let categories = study.space.params().iter().find(|param| {
                matches!(param.domain, Domain::Categories { .. }) || param.parent.is_some()
            });
            if let Some(param) = categories {
                found.push(Violation::new(
                    "/sampler/kind",
                    "cma_es",
                    format!(
                        "auto, gp, tpe or evolution, since {} chooses between alternatives that are \
                         no numbers",
                        param.pointer
                    ),
                ));
            } else if study.space.params().is_empty() {
                found.push(Violation::new(
                    "/sampler/kind",
                    "cma_es",
                    "grid, since nothing varies",
                ));
            }
        }
        Sampler::Evolution {
            population,
            tournament,
            ..
        } if tournament > population => found.push(Violation::new(
            "/sampler/tournament",
            *tournament,
            format!("at most the population, {population}"),
        )),
        _ => {}
    }
}

fn warm_start(sweep: &SweepSpec, study: &mut Study, found: &mut Vec<Violation>) {
    for (idx, overlay) in sweep.warm_start.iter().enumerate() {
        let here = format!("/warm_start/{idx}");
        match study.space.encode(overlay) {
            Err(outside) => found.push(Violation::new(
                format!("{here}{}", outside.pointer),
                outside.value,
                format!("{}, to be a point of the space", outside.expected),
            )),
            Ok(point) if !study.is_allowed(&point) => found.push(Violation::new(
                here,
                overlay.clone(),
                "a point that forbid leaves",
            )),
            Ok(point) if study.warm_start.contains(&point) => found.push(Violation::new(
                here,
                overlay.clone(),
                "a point that is not in the list already",
            )),
            Ok(point) => study.warm_start.push(point),
        }
    }
}

fn prefixed(violations: Violations, prefix: &str) -> Violations {
    let prefix_one = |violation: Violation| Violation {
        pointer: format!("{prefix}{}", violation.pointer),
        ..violation
    };
    Violations(violations.0.into_iter().map(prefix_one).collect())
}
