//! Drawing a sweep's trials from its space, and queueing them all or none.

use std::collections::HashSet;

use cultivar_search::space::{lay_over, size};
use cultivar_search::{sampler, scheduler};
use cultivar_spec::space::Node;
use cultivar_spec::trial::Weights;
use cultivar_spec::wire::{Event, SweepPreview, SweepView};
use cultivar_spec::{
    Sha256Digest, SweepId, SweepSpec, TrialSpec, Violation, Violations, check, config_id,
};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::auth::Principal;
use crate::error::ApiError;
use crate::service::replay::{IdempotencyKey, Replay, once};
use crate::service::resolve::Resolver;
use crate::service::{feeder, label, learnt, lifecycle, trials};
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
/// Configurations of a search that are checked before it begins.
const N_TRIED: usize = 50;

/// A configuration to train.
pub struct Configuration {
    id: Sha256Digest,
    draw: Draw,
}

impl Configuration {
    /// A trial for each seed.
    ///
    /// # Errors
    /// The spec is not resolved.
    pub fn rows(self, sweep: SweepId, proposal: Option<u32>) -> Result<Vec<NewRow>, ApiError> {
        let Draw {
            overlay,
            spec,
            seeds,
        } = self.draw;
        let label = label::of_overlay(&overlay, &spec);
        let row = |seed: u64| {
            let mut seeded = spec.clone();
            seeded.fit.seed = seed;
            let mut row = trials::row(Some(sweep), label.clone(), seeded, self.id)?;
            row.proposal = proposal;
            Ok(row)
        };
        seeds.into_iter().map(row).collect()
    }
}

/// A configuration and what it changes in the base.
pub struct Draw {
    overlay: Value,
    spec: TrialSpec,
    /// The sweep's seeds, or the one that the space gave.
    seeds: Vec<u64>,
}

impl Draw {
    /// `spec` is what `overlay` makes of the sweep's base.
    pub fn new(mut overlay: Value, spec: TrialSpec, seeds: &[u64]) -> Self {
        let seeds = match take_seed(&mut overlay) {
            true => vec![spec.fit.seed],
            false => seeds.to_vec(),
        };
        Self {
            overlay,
            spec,
            seeds,
        }
    }

    /// Gives it its name, which is that of its spec, resolved by now.
    pub fn named(self) -> Configuration {
        Configuration {
            id: config_id(&self.spec),
            draw: self,
        }
    }
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
    let plan = plan(state, &spec).await?;
    let id = SweepId::new();
    let n_planned = plan.n_trials;
    let dataset = plan.dataset();
    let spec = pinned(spec, &plan)?;
    // The trials of a search pin theirs when they come; until then nobody else would.
    let weights: Vec<Sha256Digest> = match plan.is_search {
        true => plan
            .specs()
            .filter_map(|(spec, _)| store::trial::kept_weights(spec))
            .collect(),
        false => Vec::new(),
    };
    let mut rows: Vec<NewRow> = Vec::new();
    if !plan.is_search {
        for config in plan.configs {
            rows.extend(config.rows(id, None)?);
        }
    }
    let is_search = plan.is_search;
    let view = run_tx("submit_sweep", &state.pool, move |conn| {
        Box::pin(once(conn, replay, move |conn| {
            Box::pin(async move {
                store::sweep::insert(conn, id, &dataset, &spec).await?;
                if !spec.scheduler.is_none() {
                    store::schedule::begin(conn, id).await?;
                }
                if is_search {
                    store::proposal::begin(conn, id, n_planned).await?;
                    store::artifact::pin(conn, &weights, "trials").await?;
                }
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
    state.feeder.notify_one();
    Ok(view)
}

/// The sweep with what its names stand for today written into its base, where that is the same for all it may draw: what is
/// proposed later, or looked at again, means the same.
fn pinned(mut sweep: SweepSpec, plan: &Plan) -> Result<SweepSpec, ApiError> {
    let Some((spec, _)) = plan.specs().next() else {
        return Ok(sweep);
    };
    if spec.is_external() {
        return Ok(sweep);
    }
    let is_free = |path: &[&str]| varies(&sweep.space, path);
    let mut pins = json!({});
    if !is_free(&["data", "dataset"]) && !is_free(&["data", "version"]) {
        pins["data"] = json!({"version": spec.data.version});
    }
    let of_weights: [&[&str]; 4] = [
        &["backbone", "name"],
        &["backbone", "weights"],
        &["backbone", "weights_sha256"],
        &["input"],
    ];
    if spec.backbone.weights == Weights::Pretrained && !of_weights.into_iter().any(is_free) {
        pins["backbone"] = json!({"weights_sha256": spec.backbone.weights_sha256});
        pins["input"] = serde_json::to_value(&spec.input).map_err(anyhow::Error::from)?;
    }
    sweep.base = lay_over(&sweep.base, &pins);
    Ok(sweep)
}

/// Whether a space says anything of a field.
fn varies(space: &Value, path: &[&str]) -> bool {
    let Some((field, inner)) = path.split_first() else {
        return true;
    };
    let is_choice = space.get("choice").is_some();
    is_choice || space.get(field).is_some_and(|space| varies(space, inner))
}

/// What a sweep would draw.
///
/// # Errors
/// As for [`submit`].
pub async fn preview(state: &AppState, spec: SweepSpec) -> Result<SweepPreview, ApiError> {
    let plan = plan(state, &spec).await?;
    let space = Node::parse(&spec.space).map_err(anyhow::Error::from)?;
    Ok(SweepPreview {
        space_size: size(&space),
        n_configs: plan.n_configs,
        n_trials: plan.n_trials,
        samples: plan
            .configs
            .into_iter()
            .take(N_SAMPLES)
            .map(|config| config.draw.overlay)
            .collect(),
    })
}

/// What a sweep will train.
pub struct Plan {
    /// All of it; of a search the first few, as they would be if nothing were learnt.
    configs: Vec<Configuration>,
    /// Its configurations depend on results.
    is_search: bool,
    n_configs: u64,
    pub n_trials: u64,
}

impl Plan {
    /// The configurations that are known, each with how many seeds it has.
    pub fn specs(&self) -> impl Iterator<Item = (&TrialSpec, usize)> {
        let draws = self.configs.iter().map(|config| &config.draw);
        draws.map(|draw| (&draw.spec, draw.seeds.len()))
    }

    fn dataset(&self) -> String {
        let first = self.specs().next();
        first.map_or_else(String::new, |(spec, _)| spec.data.dataset.clone())
    }
}

/// Draws, checks and resolves every configuration; two that come to the same are one.
///
/// # Errors
/// As for [`submit`].
pub async fn plan(state: &AppState, sweep: &SweepSpec) -> Result<Plan, ApiError> {
    lifecycle::check_deadline(&sweep.queueing, "/queueing")?;
    let sweep_copy = sweep.clone();
    let drawn = tokio::task::spawn_blocking(move || draw(&sweep_copy)).await;
    let (mut draws, is_search) = drawn.map_err(|e| ApiError::Internal(e.into()))??;
    learnt::check(state, sweep, is_search).await?;

    let mut resolver = Resolver::new(state);
    let mut found = Findings::default();
    for draw in &mut draws {
        let violations = resolver.resolve(&mut draw.spec).await?;
        found.add(violations, &draw.overlay);
    }
    found.into_result()?;
    check_scheduler(sweep, &draws)?;
    let named = tokio::task::spawn_blocking(|| draws.into_par_iter().map(Draw::named).collect());
    let mut configs: Vec<Configuration> = named.await.map_err(anyhow::Error::from)?;
    let (mut ids, mut seen) = (HashSet::new(), HashSet::new());
    for Configuration { id, draw } in &mut configs {
        ids.insert(*id);
        draw.seeds.retain(|seed| seen.insert((*id, *seed)));
    }
    configs.retain(|config| !config.draw.seeds.is_empty());
    let (n_configs, n_trials) = match (is_search, sweep.budget.configs) {
        (true, Some(n)) => {
            let space = Node::parse(&sweep.space).map_err(anyhow::Error::from)?;
            let n = size(&space).map_or(u64::from(n), |size| size.min(n.into()));
            // One each where the space gives them seeds of their own.
            let n_seeds = configs.iter().map(|config| config.draw.seeds.len()).max();
            (n, n * n_seeds.unwrap_or_default() as u64)
        }
        _ => {
            let n_seeds = configs.iter().map(|config| config.draw.seeds.len());
            (ids.len() as u64, n_seeds.sum::<usize>() as u64)
        }
    };
    Ok(Plan {
        configs,
        is_search,
        n_configs,
        n_trials,
    })
}

/// A scheduler compares trials after as many epochs, so all must have as many to go.
fn check_scheduler(sweep: &SweepSpec, draws: &[Draw]) -> Result<(), Violations> {
    let lengths: HashSet<u32> = draws.iter().map(|draw| draw.spec.fit.epochs).collect();
    if !sweep.scheduler.is_none() && lengths.len() > 1 {
        return Err(Violations(vec![Violation::new(
            "/scheduler/kind",
            sweep.scheduler.kind(),
            "none, or a space that gives all trials one number of epochs",
        )]));
    }
    lengths
        .into_iter()
        .try_for_each(|n_epochs| scheduler::check(sweep, n_epochs))
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

/// All configurations, checked; of a search the first few, and that it is one.
fn draw(sweep: &SweepSpec) -> Result<(Vec<Draw>, bool), Violations> {
    let mut seeds = HashSet::new();
    if let Some(idx) = sweep.seeds.iter().position(|seed| !seeds.insert(seed)) {
        return Err(Violations(vec![Violation::new(
            format!("/seeds/{idx}"),
            sweep.seeds[idx],
            "a seed that is not in the list already",
        )]));
    }
    let is_search = sampler::is_adaptive(sweep)?;
    let overlays = match is_search {
        true => sampler::preview(sweep, N_TRIED)?,
        false => sampler::overlays(sweep)?,
    };
    let n_configs = match (is_search, sweep.budget.configs) {
        (true, Some(n)) => n as usize,
        _ => overlays.len(),
    };
    if n_configs * sweep.seeds.len() > MAX_TRIALS {
        return Err(Violations(vec![Violation::new(
            "/seeds",
            sweep.seeds.len(),
            format!(
                "fewer seeds or configurations: {n_configs} x {} is more than {MAX_TRIALS} trials",
                sweep.seeds.len()
            ),
        )]));
    }
    let checked: Vec<_> = overlays
        .into_par_iter()
        .map(|overlay| {
            let checked = check::trial(&lay_over(&sweep.base, &overlay));
            (overlay, checked)
        })
        .collect();
    let mut draws = Vec::with_capacity(checked.len());
    let mut found = Findings::default();
    for (overlay, checked) in checked {
        match checked {
            Ok(spec) => draws.push(Draw::new(overlay, spec, &sweep.seeds)),
            Err(violations) => found.add(violations.0, &overlay),
        }
    }
    found.into_result()?;
    Ok((draws, is_search))
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
                self.violations.push(Violation::new(
                    format!("/base{}", violation.pointer),
                    violation.value,
                    format!("{}; in the configuration {overlay}", violation.expected),
                ));
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
