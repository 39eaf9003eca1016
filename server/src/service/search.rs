//! Search: keeps the queue of a sweep whose configurations depend on results a little ahead of its workers. The less
//! it is ahead, the more its sampler has seen when it proposes.

use std::iter;

use cultivar_search::sampler::{Origin, Past, PastState, Study};
use cultivar_search::space::lay_over;
use cultivar_spec::sweep::CostMetric;
use cultivar_spec::trial::{Direction, Objective};
use cultivar_spec::wire::Event;
use cultivar_spec::{SweepId, SweepSpec, TrialId, TrialSpec, Violations, check};
use serde_json::Value;
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::learnt;
use crate::service::resolve::Resolver;
use crate::service::sweeps::Draw;
use crate::state::AppState;
use crate::store;
use crate::store::cost::Costs;
use crate::store::proposal::{Outcome, Searching, Seen};

/// Proposals in a row that cannot be trained before the search gives up.
const MAX_REFUSED: usize = 100;

/// How an earlier proposal stood when a later one was made, as stored.
const PENDING: u8 = 0;
const SCORED: u8 = 1;
const FAILED: u8 = 2;
const FORECAST: u8 = 3;

/// Proposes as many configurations as workers could begin now, and queues their trials outside the queue, for the
/// feeder. One proposer at a time: the sweep's row is locked, and a replica that finds it locked leaves it alone.
/// `forecasts` of trials that have not come to their ends are the sweep's scheduler's.
///
/// # Errors
/// The database is out of reach.
pub async fn refill(
    state: &AppState,
    conn: &mut PgConnection,
    sweep: SweepId,
    forecasts: &[(TrialId, f64)],
) -> Result<(), ApiError> {
    let lease_s = state.config.lease_s;
    let Some(searching) = store::proposal::lock_searching(conn, sweep, lease_s).await? else {
        return Ok(());
    };
    let mut n_wanted = n_configs_wanted(&searching);
    if n_wanted == 0 {
        return Ok(());
    }
    let spec = &searching.spec;
    // What a trial costs is known at its end.
    let forecasts = if spec.against.is_empty() {
        forecasts
    } else {
        &[]
    };
    let outcomes = store::proposal::results(&mut *conn, sweep, forecasts).await?;
    let past = past(spec, &outcomes);
    let others = learnt::past(&mut *conn, sweep, spec).await?;
    let mut seen = seen(&past, &outcomes);
    let mut study = Study::new(spec).map_err(anyhow::Error::from)?;
    for past in others.iter().chain(&past) {
        study.tell(past);
    }
    let mut resolver = Resolver::new(state);
    let mut n_refused = 0;
    let mut number = searching.n_proposals;
    while n_wanted > 0 {
        let (asked, overlay) = ask(study, number).await?;
        study = asked;
        let Some(overlay) = overlay else {
            return end(conn, sweep, None).await;
        };
        let made = draw(&mut resolver, spec, overlay.clone()).await?;
        let error = made.as_ref().err().map(ToString::to_string);
        store::proposal::insert(conn, sweep, number, &overlay, &seen, error.as_deref()).await?;
        let state = match made {
            Ok(draw) => {
                let rows = draw.named().rows(sweep, Some(number))?;
                store::trial::insert(conn, &rows).await?;
                n_wanted -= 1;
                n_refused = 0;
                PastState::Pending {}
            }
            Err(_) => {
                n_refused += 1;
                PastState::Failed {}
            }
        };
        seen.states.push(code(&state));
        study.tell(&Past {
            number,
            overlay,
            state,
            origin: Origin::Own,
        });
        number += 1;
        if n_refused == MAX_REFUSED {
            let note = format!(
                "{MAX_REFUSED} proposals in a row could not be trained, the last because: {}",
                error.unwrap_or_default()
            );
            return end(conn, sweep, Some(&note)).await;
        }
    }
    store::sweep::open(conn, sweep).await?;
    store::event::append(conn, &[Event::Sweep { sweep }]).await?;
    Ok(())
}

async fn end(conn: &mut PgConnection, sweep: SweepId, note: Option<&str>) -> Result<(), ApiError> {
    store::proposal::end(conn, sweep, note).await?;
    store::sweep::open(conn, sweep).await?;
    store::event::append(conn, &[Event::Sweep { sweep }]).await?;
    Ok(())
}

/// One trial waits for the next worker that ends its own, and one for each that is idle.
fn n_configs_wanted(searching: &Searching) -> u64 {
    let ahead = searching.n_idle_workers.max(1);
    let mut room = ahead.saturating_sub(searching.n_waiting);
    if let Some(parallel) = searching.parallel {
        let in_flight = searching.n_waiting + searching.n_running;
        room = room.min(parallel.saturating_sub(in_flight));
    }
    room.div_ceil(searching.spec.seeds.len() as u64)
}

/// Asks away from the threads that answer requests: a model takes its time.
async fn ask(study: Study, number: u32) -> Result<(Study, Option<Value>), ApiError> {
    let asked = tokio::task::spawn_blocking(move || {
        let overlay = study.ask(number);
        (study, overlay)
    });
    asked.await.map_err(|e| ApiError::Internal(e.into()))
}

/// What the sampler is told of earlier proposals. Trials that somebody cancelled count as failed: nobody wants
/// their like again. So does a configuration of which as many seeds failed as came to something: the mean of those that did
/// would speak for luck.
pub fn past(spec: &SweepSpec, outcomes: &[Outcome]) -> Vec<Past> {
    let direction = objective(spec).direction;
    let state = |outcome: &Outcome| match outcome.mean {
        _ if outcome.refused => PastState::Failed {},
        _ if outcome.n_open > 0 => PastState::Pending {},
        _ if outcome.n_failed > 0 && outcome.n_failed >= outcome.n_scored => PastState::Failed {},
        Some(mean) if outcome.n_forecast > 0 => forecast(in_its_direction(direction, mean)),
        Some(mean) => PastState::Scored {
            values: values(direction, mean, &spec.against, &outcome.costs),
            n_seeds: outcome.n_scored,
            cost_s: outcome.costs.of(CostMetric::Seconds).unwrap_or(0.0),
        },
        None => PastState::Failed {},
    };
    outcomes
        .iter()
        .map(|outcome| Past {
            number: outcome.number,
            overlay: outcome.overlay.clone(),
            state: state(outcome),
            origin: Origin::Own,
        })
        .collect()
}

/// The objective and the costs it is weighed against, larger is better in each. Of costs it is the ratio that counts;
/// one that is not known, or is nothing at all, is not a number, which is worse than all.
pub fn values(
    direction: Direction,
    objective: f64,
    against: &[CostMetric],
    costs: &Costs,
) -> Vec<f64> {
    let first = in_its_direction(direction, objective);
    let known = |metric: &CostMetric| costs.of(*metric).filter(|cost| *cost > 0.0);
    let cost = |metric: &CostMetric| -known(metric).map_or(f64::NAN, f64::ln);
    iter::once(first).chain(against.iter().map(cost)).collect()
}

/// Larger is better.
fn in_its_direction(direction: Direction, objective: f64) -> f64 {
    match direction {
        Direction::Maximize => objective,
        Direction::Minimize => -objective,
    }
}

/// A forecast counts as one seed's result.
fn forecast(value: f64) -> PastState {
    PastState::Scored {
        values: vec![value],
        n_seeds: 1,
        cost_s: 0.0,
    }
}

/// The objective its base names; the space cannot change it.
pub fn objective(spec: &SweepSpec) -> Objective {
    let given = spec.base.get("objective").cloned();
    given
        .and_then(|given| serde_json::from_value(given).ok())
        .unwrap_or_default()
}

/// The past as an earlier proposal had seen it.
pub fn as_seen(past: &[Past], seen: &Seen) -> Vec<Past> {
    let mut forecasts = seen.forecasts.iter();
    past.iter()
        .zip(&seen.states)
        .map(|(past, seen)| Past {
            state: match *seen {
                PENDING => PastState::Pending {},
                FAILED => PastState::Failed {},
                FORECAST => forecast(*forecasts.next().unwrap_or(&f64::NAN)),
                _ => past.state.clone(),
            },
            ..past.clone()
        })
        .collect()
}

/// What there is to see of the past.
fn seen(past: &[Past], outcomes: &[Outcome]) -> Seen {
    let mut seen = Seen::default();
    for (past, outcome) in past.iter().zip(outcomes) {
        match &past.state {
            PastState::Scored { values, .. } if outcome.n_forecast > 0 => {
                seen.states.push(FORECAST);
                seen.forecasts.extend(values);
            }
            state => seen.states.push(code(state)),
        }
    }
    seen
}

fn code(state: &PastState) -> u8 {
    match state {
        PastState::Pending {} => PENDING,
        PastState::Scored { .. } => SCORED,
        PastState::Failed {} => FAILED,
    }
}

/// The configuration that an overlay makes of a sweep, checked and resolved.
async fn draw(
    resolver: &mut Resolver<'_>,
    sweep: &SweepSpec,
    overlay: Value,
) -> Result<Result<Draw, Violations>, ApiError> {
    let spec: Result<TrialSpec, _> = check::trial(&lay_over(&sweep.base, &overlay));
    let mut spec = match spec {
        Ok(spec) => spec,
        Err(violations) => return Ok(Err(violations)),
    };
    let violations = resolver.resolve(&mut spec).await?;
    if !violations.is_empty() {
        return Ok(Err(Violations(violations)));
    }
    Ok(Ok(Draw::new(overlay, spec, &sweep.seeds)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn where_as_many_seeds_failed_as_came_to_something_it_failed() {
        let outcome = |n_scored, n_failed| Outcome {
            number: 0,
            overlay: json!({}),
            refused: false,
            n_open: 0,
            n_forecast: 0,
            n_scored,
            n_failed,
            n_clones: 0,
            mean: (n_scored > 0).then_some(0.9),
            costs: Costs::default(),
        };
        let sweep = serde_json::from_value(json!({"name": "s", "base": {}, "space": {}}));
        let sweep: SweepSpec = sweep.expect("a sweep");
        let states = [(1, 0), (2, 1), (1, 1), (1, 4), (0, 1)].map(|(n_scored, n_failed)| {
            let past = past(&sweep, &[outcome(n_scored, n_failed)]);
            matches!(past[0].state, PastState::Scored { .. })
        });
        assert_eq!(states, [true, true, false, false, false]);
    }
}
