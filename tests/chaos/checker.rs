//! I1 to I6, over what was acknowledged and what the database and the disk hold in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use cultivar_spec::Sha256Digest;
use serde_json::Value;
use sqlx::{FromRow, PgPool};

use crate::history::Call;
use crate::load::Submitted;

#[derive(FromRow)]
pub struct TrialRow {
    pub id: String,
    pub sweep: Option<String>,
    pub seed: i64,
    pub state: String,
    pub last_epoch: i64,
    pub model: Option<String>,
    pub metrics: Value,
    pub is_queued: bool,
}

#[derive(FromRow)]
pub struct AttemptRow {
    pub lease: String,
    pub trial: String,
    pub epoch: i64,
    pub outcome: Option<String>,
    pub finish: Option<Value>,
    pub resumed_from_step: i64,
}

/// What the database holds.
pub struct Stored {
    pub trials: Vec<TrialRow>,
    pub attempts: Vec<AttemptRow>,
    /// Artifacts that something refers to.
    pub referenced: Vec<String>,
    /// Writes of superseded leases, kept aside.
    pub n_aside: i64,
}

impl Stored {
    pub async fn read(pool: &PgPool) -> anyhow::Result<Self> {
        let trials = sqlx::query_as(
            "SELECT t.id::text, s.name AS sweep, seed, state, last_epoch, encode(model_sha256, 'hex') AS model, metrics,
                    EXISTS (SELECT FROM trial_queue q WHERE q.trial_id = t.id) AS is_queued
             FROM trial t LEFT JOIN sweep s ON s.id = t.sweep_id",
        );
        let attempts = sqlx::query_as(
            "SELECT lease_id::text AS lease, trial_id::text AS trial, epoch, outcome, finish, resumed_from_step
             FROM attempt ORDER BY trial_id, epoch",
        );
        let referenced = sqlx::query_scalar(
            "SELECT encode(sha256, 'hex') FROM (
                 SELECT model_sha256 AS sha256 FROM trial UNION SELECT checkpoint_sha256 FROM trial
                 UNION SELECT predictions_sha256 FROM trial UNION SELECT version FROM dataset
                 UNION SELECT sha256 FROM weights UNION SELECT sha256 FROM artifact) AS named
             WHERE sha256 IS NOT NULL",
        );
        Ok(Self {
            trials: trials.fetch_all(pool).await?,
            attempts: attempts.fetch_all(pool).await?,
            referenced: referenced.fetch_all(pool).await?,
            n_aside: sqlx::query_scalar("SELECT count(*) FROM superseded_write")
                .fetch_one(pool)
                .await?,
        })
    }
}

/// Everything that is not as it must be.
pub fn check(stored: &Stored, submitted: &[Submitted], calls: &[Call], home: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    none_lost(stored, submitted, &mut wrong);
    one_result(stored, &mut wrong);
    nothing_superseded(stored, calls, &mut wrong);
    same_answers(calls, &mut wrong);
    artifacts_whole(stored, home, &mut wrong);
    wrong
}

/// I1: each trial that was acknowledged is there, once, and settled; none is there that nobody asked for.
fn none_lost(stored: &Stored, submitted: &[Submitted], wrong: &mut Vec<String>) {
    let mut by_seed: HashMap<i64, Vec<&TrialRow>> = HashMap::new();
    for trial in &stored.trials {
        by_seed.entry(trial.seed).or_default().push(trial);
        let settled = ["completed", "pruned", "failed", "cancelled"];
        if !settled.contains(&trial.state.as_str()) {
            wrong.push(format!("I6: trial {} is still {}", trial.id, trial.state));
        } else if trial.is_queued {
            wrong.push(format!(
                "I1: trial {} is {} and queued",
                trial.id, trial.state
            ));
        }
    }
    let n_submitted: usize = submitted.iter().map(|batch| batch.seeds.len()).sum();
    if stored.trials.len() != n_submitted {
        wrong.push(format!(
            "I1: {n_submitted} trials were submitted, {} are stored",
            stored.trials.len()
        ));
    }
    let mut cancelled = BTreeSet::new();
    for batch in submitted {
        for seed in &batch.seeds {
            let seed = *seed as i64;
            if batch.cancelled {
                cancelled.insert(seed);
            }
            match by_seed.get(&seed).map(Vec::as_slice) {
                Some([trial]) if trial.sweep == batch.name => {}
                Some([_]) => wrong.push(format!("I1: the trial of seed {seed} changed its sweep")),
                Some(several) => wrong.push(format!(
                    "I4: seed {seed} was submitted once and is stored {} times",
                    several.len()
                )),
                None => wrong.push(format!("I1: the acknowledged trial of seed {seed} is gone")),
            }
        }
    }
    let mut n_crashes: HashMap<&str, usize> = HashMap::new();
    for attempt in &stored.attempts {
        if attempt.outcome.as_deref() == Some("crashed") {
            *n_crashes.entry(&attempt.trial).or_default() += 1;
        }
    }
    for trial in &stored.trials {
        let n_crashes = n_crashes.get(trial.id.as_str()).copied().unwrap_or(0);
        let fair = match trial.state.as_str() {
            "completed" => !is_poison(trial.seed) && !diverges(trial.seed),
            "failed" => diverges(trial.seed) || n_crashes > 3,
            "cancelled" => cancelled.contains(&trial.seed),
            _ => true,
        };
        if !fair {
            wrong.push(format!(
                "I1: trial {} of seed {} is {} for no reason ({n_crashes} crashes)",
                trial.id, trial.seed, trial.state
            ));
        }
    }
}

/// I2 and I7: a completed trial has one accepted result, that of its newest attempt, and it is the very model that
/// an undisturbed training comes to.
fn one_result(stored: &Stored, wrong: &mut Vec<String>) {
    let mut attempts: HashMap<&str, Vec<&AttemptRow>> = HashMap::new();
    for attempt in &stored.attempts {
        attempts.entry(&attempt.trial).or_default().push(attempt);
    }
    for trial in &stored.trials {
        let of_trial = attempts.remove(trial.id.as_str()).unwrap_or_default();
        if let Some(open) = of_trial.iter().find(|attempt| attempt.outcome.is_none()) {
            wrong.push(format!(
                "I6: attempt {} of trial {} never ended",
                open.lease, trial.id
            ));
        }
        let accepted: Vec<_> = of_trial
            .iter()
            .filter(|attempt| attempt.outcome.as_deref() == Some("completed"))
            .collect();
        match (trial.state.as_str(), accepted.as_slice()) {
            ("completed", [attempt]) => {
                let finish = attempt.finish.clone().unwrap_or_default();
                let stands = &trial.metrics["nonce"];
                if attempt.epoch != trial.last_epoch
                    || &finish["metrics"]["nonce"] != stands
                    || finish["model"].as_str() != trial.model.as_deref()
                {
                    wrong.push(format!(
                        "I3: the result of trial {} is not that of its accepted attempt",
                        trial.id
                    ));
                }
                let expect = Sha256Digest::of(expected_model(trial.seed).as_bytes()).to_string();
                if trial.model.as_deref() != Some(&expect) {
                    wrong.push(format!(
                        "I7: trial {} of seed {} ended with another model",
                        trial.id, trial.seed
                    ));
                }
            }
            ("completed", several) => wrong.push(format!(
                "I2: trial {} is completed with {} accepted results",
                trial.id,
                several.len()
            )),
            (_, []) => {}
            (state, _) => wrong.push(format!(
                "I2: trial {} is {state} and has an accepted result",
                trial.id
            )),
        }
    }
}

/// I3: once a successor's lease was handed out, nothing the former lease writes is accepted.
fn nothing_superseded(stored: &Stored, calls: &[Call], wrong: &mut Vec<String>) {
    let rows: HashMap<&str, &AttemptRow> = stored
        .attempts
        .iter()
        .map(|attempt| (attempt.lease.as_str(), attempt))
        .collect();
    // When each trial was first seen to be at an epoch.
    let mut seen: HashMap<String, BTreeMap<u64, u64>> = HashMap::new();
    for call in calls.iter().filter(|call| call.succeeded()) {
        for lease in call.response["leases"].as_array().into_iter().flatten() {
            let trial = lease["trial"].as_str().unwrap_or_default().to_owned();
            let epoch = lease["epoch"].as_u64().unwrap_or_default();
            let at = seen
                .entry(trial)
                .or_default()
                .entry(epoch)
                .or_insert(u64::MAX);
            *at = call.answered_us.min(*at);
        }
    }
    for call in calls.iter().filter(|call| call.succeeded()) {
        let Some((lease, what)) = call.lease() else {
            continue;
        };
        let Some(row) = rows.get(lease) else {
            wrong.push(format!(
                "I3: lease {lease} was written to and is not stored"
            ));
            continue;
        };
        let epochs = seen.get(&row.trial);
        let epoch = row.epoch as u64;
        let later = epochs.and_then(|epochs| epochs.range(epoch + 1..).next());
        let is_superseded = later.is_some_and(|(_, at)| *at < call.sent_us);
        // A lease whose own finish was accepted may say that again.
        if is_superseded && row.finish.is_none() {
            wrong.push(format!(
                "I3: {what} of lease {lease} was accepted after trial {} had gone on",
                row.trial
            ));
        }
        if what == "finish" && call.request["outcome"].as_str() != row.outcome.as_deref() {
            wrong.push(format!(
                "I3: lease {lease} ended as {:?}, and {} was acknowledged",
                row.outcome, call.request["outcome"]
            ));
        }
    }
}

/// I4: whatever was asked twice was answered the same.
fn same_answers(calls: &[Call], wrong: &mut Vec<String>) {
    let mut by_key: HashMap<String, Value> = HashMap::new();
    let mut once = |key: String, answer: Value| {
        let first = by_key.entry(key.clone()).or_insert_with(|| answer.clone());
        if *first != answer {
            wrong.push(format!("I4: {key} was answered {first} and {answer}"));
        }
    };
    for call in calls.iter().filter(|call| call.succeeded()) {
        if let Some(key) = &call.key {
            once(
                format!("{} with key {key}", call.path),
                call.response["id"].clone(),
            );
        }
        let leases = call.response["leases"].as_array();
        if let Some(leases) = leases.filter(|leases| !leases.is_empty()) {
            let mut ids: Vec<_> = leases.iter().map(|lease| lease["id"].to_string()).collect();
            ids.sort();
            once(format!("claim {}", call.request["request"]), ids.into());
        }
        if let Some((lease, "finish")) = call.lease() {
            once(
                format!("the finish of lease {lease}"),
                call.request["outcome"].clone(),
            );
        }
    }
}

/// I5: what is named exists, and is what its name says.
fn artifacts_whole(stored: &Stored, home: &Path, wrong: &mut Vec<String>) {
    for name in &stored.referenced {
        let path = home.join("blobs").join(&name[..2]).join(name);
        match std::fs::read(&path) {
            Ok(bytes) if Sha256Digest::of(&bytes).to_string() == *name => {}
            Ok(_) => wrong.push(format!("I5: artifact {name} holds something else")),
            Err(error) => wrong.push(format!("I5: artifact {name}: {error}")),
        }
    }
}

/// As the pretended trainer does it, undisturbed.
fn expected_model(seed: i64) -> String {
    let seed = seed as u64;
    let n_steps = 6 + seed % 10;
    let state = (1..=n_steps).fold(seed, |state, step| {
        (state ^ step)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(17)
    });
    format!("seed {seed} state {state}")
}

/// Seeds whose training kills its trainer.
fn is_poison(seed: i64) -> bool {
    seed % 40 == 5
}

/// Seeds whose training diverges.
fn diverges(seed: i64) -> bool {
    seed % 40 == 7
}
