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
use crate::service::{feeder, label, lifecycle, trials};
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
    /// The sweep's seeds, or the one that the space gave.
    seeds: Vec<u64>,
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
    let mut rows: Vec<NewRow> = Vec::with_capacity(n_trials(&draws));
    for draw in draws {
        let label = label::of_overlay(&draw.overlay, &draw.spec);
        for seed in &draw.seeds {
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
                feeder::feed(conn, id).await?;
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
    let configs: HashSet<_> = draws.iter().map(|draw| config_id(&draw.spec)).collect();
    Ok(SweepPreview {
        n_configs: configs.len() as u64,
        n_trials: n_trials(&draws) as u64,
        samples: draws
            .into_iter()
            .take(N_SAMPLES)
            .map(|draw| draw.overlay)
            .collect(),
    })
}

/// Draws, checks and resolves every configuration; two that come to the same are one.
async fn plan(state: &AppState, sweep: &SweepSpec) -> Result<Vec<Draw>, ApiError> {
    lifecycle::check_deadline(&sweep.queueing, "/queueing")?;
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
    for draw in &mut draws {
        let config = config_id(&draw.spec);
        draw.seeds.retain(|seed| seen.insert((config, *seed)));
    }
    draws.retain(|draw| !draw.seeds.is_empty());
    Ok(draws)
}

fn n_trials(draws: &[Draw]) -> usize {
    draws.iter().map(|draw| draw.seeds.len()).sum()
}

/// Takes `fit.seed` out of an overlay: a configuration has the sweep's seeds unless the space gave it
/// one. What is left is what sets the configuration apart.
fn take_seed(overlay: &mut Value) -> bool {
    let Some(fit) = overlay.get_mut("fit").and_then(Value::as_object_mut) else {
        return false;
    };
    let has_seed = fit.remove("seed").is_some();
    if fit.is_empty() && has_seed {
        overlay.as_object_mut().map(|fields| fields.remove("fit"));
    }
    has_seed
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
    for mut overlay in overlays {
        match check::trial(&lay_over(&sweep.base, &overlay)) {
            Ok(spec) => {
                let seeds = match take_seed(&mut overlay) {
                    true => vec![spec.fit.seed],
                    false => sweep.seeds.clone(),
                };
                draws.push(Draw {
                    overlay,
                    spec,
                    seeds,
                });
            }
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
