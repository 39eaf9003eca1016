//! Drawing a sweep's trials from its space, and queueing them all or none.

use std::collections::HashSet;

use cultivar_search::sampler::overlays;
use cultivar_search::space::lay_over;
use cultivar_spec::wire::{Event, SweepPreview, SweepView};
use cultivar_spec::{SweepId, SweepSpec, TrialSpec, Violation, Violations, check, config_id};
use serde_json::Value;

use crate::auth::Principal;
use crate::error::ApiError;
use crate::service::replay::{IdempotencyKey, Replay, once};
use crate::service::resolve::Resolver;
use crate::service::{label, trials};
use crate::state::AppState;
use crate::store;
use crate::store::trial::NewRow;
use crate::tx::run_tx;

/// Most trials in a sweep, seeds counted.
const MAX_TRIALS: usize = 100_000;
/// Violations reported at most; a wide space repeats its mistakes.
const MAX_VIOLATIONS: usize = 100;
/// Configurations shown by a preview.
const N_SAMPLES: usize = 5;

/// A configuration and what it changes in the base.
struct Draw {
    overlay: Value,
    spec: TrialSpec,
}

/// Draws a sweep and queues its trials in one transaction.
///
/// # Errors
/// 422 with everything that is wrong with the sweep or any of its trials; then nothing is queued.
pub async fn submit(
    state: &AppState,
    principal: &Principal,
    key: IdempotencyKey,
    spec: SweepSpec,
) -> Result<SweepView, ApiError> {
    let replay = Replay::new(principal, key, "POST /api/v1/sweeps", &spec);
    let draws = plan(state, &spec).await?;
    let id = SweepId::new();
    let mut rows: Vec<NewRow> = Vec::with_capacity(draws.len() * spec.seeds.len());
    for draw in draws {
        let label = label::of_overlay(&draw.overlay, &draw.spec);
        for seed in &spec.seeds {
            let mut seeded = draw.spec.clone();
            seeded.fit.seed = *seed;
            rows.push(trials::row(Some(id), label.clone(), seeded)?);
        }
    }
    let view = run_tx("submit_sweep", &state.pool, move |conn| {
        Box::pin(once(conn, replay, move |conn| {
            Box::pin(async move {
                let dataset = rows.first().map_or("", |row| &row.spec.data.dataset);
                store::sweep::insert(conn, id, dataset, &spec).await?;
                store::trial::insert(conn, &rows).await?;
                let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
                store::queue::push_trials(conn, &ids).await?;
                store::event::append(conn, &[Event::Sweep { sweep: id }]).await?;
                let detail = store::sweep::detail(&mut *conn, id).await?;
                let detail = detail.ok_or_else(|| ApiError::no_such("sweep", id))?;
                Ok(detail.sweep)
            })
        }))
    })
    .await?;
    state.queue.notify_waiters();
    Ok(view)
}

/// What a sweep would draw.
///
/// # Errors
/// As for [`submit`].
pub async fn preview(state: &AppState, spec: SweepSpec) -> Result<SweepPreview, ApiError> {
    let draws = plan(state, &spec).await?;
    Ok(SweepPreview {
        n_configs: draws.len() as u64,
        n_trials: (draws.len() * spec.seeds.len()) as u64,
        samples: draws
            .into_iter()
            .take(N_SAMPLES)
            .map(|draw| draw.overlay)
            .collect(),
    })
}

/// Cancels every trial of a sweep that is not settled.
///
/// # Errors
/// There is no such sweep.
pub async fn cancel(state: &AppState, id: SweepId) -> Result<SweepView, ApiError> {
    run_tx("cancel_sweep", &state.pool, move |conn| {
        Box::pin(async move {
            if !store::sweep::cancel(conn, id).await? {
                return Err(ApiError::no_such("sweep", id));
            }
            let unsettled = store::trial::lock_unsettled(conn, id).await?;
            let ids: Vec<_> = unsettled.iter().map(|trial| trial.id).collect();
            store::trial::cancel(conn, &ids).await?;
            let mut events = trials::cancellations(&unsettled);
            events.push(Event::Sweep { sweep: id });
            store::event::append(conn, &events).await?;
            Ok(())
        })
    })
    .await?;
    let detail = store::sweep::detail(&state.pool, id).await?;
    detail
        .map(|detail| detail.sweep)
        .ok_or_else(|| ApiError::no_such("sweep", id))
}

/// Draws, checks and resolves every configuration; two that come to the same are one.
async fn plan(state: &AppState, sweep: &SweepSpec) -> Result<Vec<Draw>, ApiError> {
    let sweep_copy = sweep.clone();
    let drawn = tokio::task::spawn_blocking(move || draw(&sweep_copy)).await;
    let mut draws = drawn.map_err(|e| ApiError::Internal(e.into()))??;

    let mut resolver = Resolver::new(state);
    let mut found = Findings::default();
    for draw in &mut draws {
        let violations = resolver.resolve(&mut draw.spec).await?;
        found.add(violations, &draw.overlay);
    }
    found.into_result()?;
    let mut seen = HashSet::new();
    draws.retain(|draw| seen.insert(config_id(&draw.spec)));
    Ok(draws)
}

fn draw(sweep: &SweepSpec) -> Result<Vec<Draw>, Violations> {
    let mut seeds = HashSet::new();
    if let Some(idx) = sweep.seeds.iter().position(|seed| !seeds.insert(seed)) {
        return Err(Violations(vec![Violation::new(
            format!("/seeds/{idx}"),
            sweep.seeds[idx],
            "a seed that is not in the list already",
        )]));
    }
    let overlays = overlays(sweep)?;
    let n_trials = overlays.len() * sweep.seeds.len();
    if n_trials > MAX_TRIALS {
        return Err(Violations(vec![Violation::new(
            "/seeds",
            sweep.seeds.len(),
            format!(
                "fewer seeds or configurations: {} x {} is more than {MAX_TRIALS} trials",
                overlays.len(),
                sweep.seeds.len()
            ),
        )]));
    }
    let mut draws = Vec::with_capacity(overlays.len());
    let mut found = Findings::default();
    for overlay in overlays {
        match check::trial(&lay_over(&sweep.base, &overlay)) {
            Ok(spec) => draws.push(Draw { overlay, spec }),
            Err(violations) => found.add(violations.0, &overlay),
        }
    }
    found.into_result()?;
    Ok(draws)
}

/// What is wrong with the trials of a sweep, each mistake once, with the first configuration that made it.
#[derive(Default)]
struct Findings {
    violations: Vec<Violation>,
    seen: HashSet<(String, String, String)>,
}

impl Findings {
    fn add(&mut self, violations: Vec<Violation>, overlay: &Value) {
        for violation in violations {
            let key = (
                violation.pointer.clone(),
                violation.value.to_string(),
                violation.expected.clone(),
            );
            if self.violations.len() < MAX_VIOLATIONS && self.seen.insert(key) {
                self.violations.push(Violation {
                    pointer: format!("/base{}", violation.pointer),
                    value: violation.value,
                    expected: format!("{}; in the configuration {overlay}", violation.expected),
                });
            }
        }
    }

    fn into_result(self) -> Result<(), Violations> {
        match self.violations.is_empty() {
            true => Ok(()),
            false => Err(Violations(self.violations)),
        }
    }
}
