//! Real trainers, killed at random steps: `make chaos REAL=20 SEED=1`.
//!
//! Every trial is trained twice with one thread, first undisturbed; then its trainer is killed at a step drawn from the
//! seed, after the first checkpoint. The killed one must go on from there, redo at most one interval between checkpoints
//! and come to the very same weights (I7).

mod content;
mod shapes;
mod stand;
mod verdict;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cultivar_spec::wire::NewTrial;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sqlx::FromRow;

use shapes::Shape;
use stand::Stand;
use verdict::{Digests, Pair};

/// Between two looks at where the trials are.
const LOOK: Duration = Duration::from_millis(50);
/// What is told of a trial once a second is old by then, and a kill may come a second later yet.
const LATEST_S: f64 = 3.0;
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(600);

/// Returns everything that is not as it must be.
pub async fn run(seed: u64, n_trials: usize, dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x4ea1);
    let shapes = shapes::all();
    let trials: Vec<_> = shapes.iter().cycle().take(n_trials).collect();
    let trials: Vec<(&Shape, u64)> = trials
        .into_iter()
        .map(|shape| (shape, rng.random_range(0..1 << 32)))
        .collect();
    let started = Instant::now();
    let mut stand = Stand::start(dir).await?;

    let undisturbed = train(&mut stand, &trials, &[]).await?;
    println!(
        "{n_trials} trials trained undisturbed in {} s",
        started.elapsed().as_secs()
    );
    let plan = plan(&mut rng, &undisturbed)?;
    println!("plan of seed {seed}: {plan:?}");
    let killed = train(&mut stand, &trials, &plan).await?;
    println!(
        "{n_trials} trials killed and resumed in {} s",
        started.elapsed().as_secs()
    );

    let mut pairs = Vec::new();
    for (idx, (shape, seed)) in trials.iter().enumerate() {
        let (whole, run) = (&undisturbed[idx], &killed[idx]);
        pairs.push(pair(&stand, shape, *seed, plan[idx].step, whole, run).await?);
    }
    let wrong: Vec<_> = pairs.iter().flat_map(Pair::wrong).collect();
    print!("{}", verdict::table(&pairs));
    println!("{} violations", wrong.len());
    Ok(wrong)
}

/// When a trainer is killed: once it is heard of at that step, and a while later, so that it is not always at the end of an
/// epoch, which is told at once.
#[derive(Clone, Copy)]
struct Kill {
    step: u64,
    after: Duration,
}

impl fmt::Debug for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} + {} ms", self.step, self.after.as_millis())
    }
}

/// Each after the first checkpoint and before the last third. A machine too quick for that gets its kills earlier.
fn plan(rng: &mut ChaCha8Rng, undisturbed: &[Run]) -> anyhow::Result<Vec<Kill>> {
    let kill = |run: &Run| {
        let first = run.first_checkpoint.context("no checkpoint was stored")?;
        let margin = (run.pace() * LATEST_S).ceil() as u64;
        let last = run.n_steps - margin.max(run.n_steps / 3).min(run.n_steps);
        ensure!(
            last > first,
            "this machine is too quick for so short a trial"
        );
        // The same draws whatever the range.
        let (share, after): (f64, f64) = (rng.random(), rng.random());
        Ok(Kill {
            step: first + 1 + ((last - first) as f64 * share) as u64,
            after: Duration::from_secs_f64(after),
        })
    };
    undisturbed.iter().map(kill).collect()
}

/// What was seen of a trial.
#[derive(Default)]
struct Run {
    id: String,
    n_steps: u64,
    n_epochs: u64,
    first_checkpoint: Option<u64>,
    /// Where it was when, until it was killed.
    told: Vec<(Instant, u64)>,
    /// When it was or will be.
    kill_at: Option<Instant>,
    is_killed: bool,
    is_settled: bool,
}

/// A trial as it stands now.
#[derive(FromRow)]
struct Now {
    id: String,
    is_settled: bool,
    progress: Option<Value>,
    worker: Option<String>,
    checkpoint_step: Option<i64>,
}

/// Submits the trials and sees them through; with a plan, each is killed once at its step, or at the first one
/// after it that we hear of.
async fn train(
    stand: &mut Stand,
    trials: &[(&Shape, u64)],
    plan: &[Kill],
) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for (shape, seed) in trials {
        let new = NewTrial {
            spec: shape.spec(*seed),
            needs: Default::default(),
        };
        let id = stand.client.submit_trial(&new).await?.id.to_string();
        runs.push(Run {
            id,
            ..Run::default()
        });
    }
    let mut last_news = Instant::now();
    while runs.iter().any(|run| !run.is_settled) {
        ensure!(last_news.elapsed() < PATIENCE, "nothing happens any more");
        tokio::time::sleep(LOOK).await;
        stand.check_workers()?;
        let mut now: HashMap<_, _> = look(stand).await?;
        for (idx, run) in runs.iter_mut().enumerate() {
            let now = now.remove(&run.id).context("a trial is gone")?;
            if run.take(&now) {
                last_news = Instant::now();
            }
            let Some(kill) = plan.get(idx).filter(|_| !run.is_killed) else {
                continue;
            };
            let is_there = run.told.last().is_some_and(|(_, step)| *step >= kill.step);
            if let (true, Some(_), Some(worker)) = (is_there, now.checkpoint_step, &now.worker)
                && *run.kill_at.get_or_insert(Instant::now() + kill.after) <= Instant::now()
            {
                stand.kill_trainer(worker)?;
                (run.is_killed, run.kill_at) = (true, Some(Instant::now()));
            }
        }
    }
    Ok(runs)
}

impl Run {
    /// Whether there is anything new.
    fn take(&mut self, now: &Now) -> bool {
        let was_settled = std::mem::replace(&mut self.is_settled, now.is_settled);
        if let Some(step) = now.checkpoint_step {
            self.first_checkpoint.get_or_insert(step as u64);
        }
        let number = |name: &str| {
            let progress = now.progress.as_ref()?;
            progress[name].as_u64().filter(|number| *number > 0)
        };
        let (Some(step), Some(n_steps), Some(n_epochs)) =
            (number("step"), number("n_steps"), number("n_epochs"))
        else {
            return was_settled != self.is_settled;
        };
        (self.n_steps, self.n_epochs) = (n_steps, n_epochs);
        let is_new = self.told.last().is_none_or(|(_, last)| *last != step);
        if is_new && !self.is_killed {
            self.told.push((Instant::now(), step));
        }
        is_new || was_settled != self.is_settled
    }

    /// Steps a second, validation included.
    fn pace(&self) -> f64 {
        match (self.told.first(), self.told.last()) {
            (Some((from, first)), Some((to, last))) if last > first => {
                (last - first) as f64 / to.duration_since(*from).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// From when it was at `step` until it was killed.
    fn since(&self, step: u64) -> f64 {
        let at = self.told.iter().find(|(_, told)| *told >= step);
        match (at, self.kill_at) {
            (Some((at, _)), Some(killed)) => killed.duration_since(*at).as_secs_f64(),
            _ => 0.0,
        }
    }
}

async fn look(stand: &Stand) -> anyhow::Result<HashMap<String, Now>> {
    let rows: Vec<Now> = sqlx::query_as(
        "SELECT t.id::text, t.state NOT IN ('queued', 'running', 'paused') AS is_settled, p.progress, w.name AS worker,
                a.checkpoint_step
         FROM trial t LEFT JOIN attempt a ON a.trial_id = t.id AND a.outcome IS NULL
             LEFT JOIN trial_progress p ON p.lease_id = a.lease_id LEFT JOIN worker w ON w.id = a.worker_id",
    )
    .fetch_all(&stand.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

#[derive(FromRow)]
struct Attempt {
    outcome: Option<String>,
    finish: Option<Value>,
    resumed_from_step: i64,
    checkpoint_step: Option<i64>,
}

async fn attempts(stand: &Stand, run: &Run) -> anyhow::Result<Vec<Attempt>> {
    let attempts = sqlx::query_as(
        "SELECT outcome, finish, resumed_from_step, checkpoint_step FROM attempt WHERE trial_id::text = $1 ORDER BY epoch",
    );
    Ok(attempts.bind(&run.id).fetch_all(&stand.pool).await?)
}

/// Of the accepted result.
async fn digests(stand: &Stand, run: &Run) -> anyhow::Result<Digests> {
    let names = sqlx::query_as(
        "SELECT encode(model_sha256, 'hex'), encode(predictions_sha256, 'hex') FROM trial WHERE id::text = $1",
    );
    let (model, predictions): (Option<String>, Option<String>) =
        names.bind(&run.id).fetch_one(&stand.pool).await?;
    let content = |name: Option<String>| stand.content(&name.context("a trial has no result")?);
    Ok(Digests {
        weights: content(model)?,
        predictions: content(predictions)?,
    })
}

async fn pair(
    stand: &Stand,
    shape: &Shape,
    seed: u64,
    planned: u64,
    whole: &Run,
    run: &Run,
) -> anyhow::Result<Pair> {
    let images = |attempt: &Attempt| -> anyhow::Result<u64> {
        let finish = attempt.finish.as_ref();
        let images = finish.and_then(|finish| finish["cost"]["images"].as_u64());
        images.context("an attempt says not how many images it trained on")
    };
    let of_whole = attempts(stand, whole).await?;
    ensure!(
        of_whole.len() == 1,
        "an undisturbed trial took {} attempts",
        of_whole.len()
    );
    let attempts = attempts(stand, run).await?;
    let (first, last) = (&attempts[0], &attempts[attempts.len() - 1]);
    let share = images(last)? as f64 / images(&of_whole[0])? as f64;
    let left = (whole.n_steps as f64 * share).round() as u64;
    let killed_at = first
        .finish
        .as_ref()
        .and_then(|finish| finish["step"].as_u64());
    let resumed_from = last.resumed_from_step as u64;
    let outcomes = attempts.iter().map(|attempt| {
        let outcome = attempt.outcome.as_deref().unwrap_or("open");
        outcome.to_owned()
    });
    Ok(Pair {
        name: shape.name,
        is_head_only: shape.is_head_only,
        seed,
        n_steps: whole.n_steps,
        n_epochs: whole.n_epochs,
        planned,
        outcomes: outcomes.collect(),
        killed_at: killed_at.unwrap_or(0),
        stored: first.checkpoint_step.map(|step| step as u64),
        resumed_from,
        began_at: whole.n_steps.saturating_sub(left),
        redone_s: run.since(resumed_from),
        undisturbed: digests(stand, whole).await?,
        resumed: digests(stand, run).await?,
    })
}
