//! `cultivar sweep`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cultivar_client::TrialFilter;
use cultivar_spec::queueing::Queueing;
use cultivar_spec::wire::{
    Interval, PauseSweep, SweepDetail, SweepEstimate, SweepPreview, SweepView, TrialView,
};
use cultivar_spec::{SweepId, SweepSpec, TrialState, check};

use crate::numbers::{ago, count, counted, percent_of, roughly};
use crate::session::Session;
use crate::table::{
    self,
    Column::{Number, Text},
};
use crate::watch::{self, Tally};
use crate::yaml::{self, Change};

/// Trials in the table after watching.
const BEST: usize = 10;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Queue the trials of a sweep file
    Submit {
        /// The sweep, as YAML; - reads standard input
        file: PathBuf,
        /// Change a field of its base, such as dataset=birds or fit.epochs=5
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        changes: Vec<Change>,
        /// Follow it to its end
        #[arg(long)]
        watch: bool,
    },
    /// Count what a sweep file would queue, and show a few samples
    Preview {
        /// The sweep, as YAML; - reads standard input
        file: PathBuf,
        /// Change a field of its base, such as dataset=birds or fit.epochs=5
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        changes: Vec<Change>,
    },
    /// Say how long a sweep file would take, from what trials like its own took
    Estimate {
        /// The sweep, as YAML; - reads standard input
        file: PathBuf,
        /// Change a field of its base, such as dataset=birds or fit.epochs=5
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        changes: Vec<Change>,
    },
    /// Follow a sweep to its end
    Watch {
        /// The sweep [default: the newest]
        id: Option<SweepId>,
    },
    /// List sweeps, the newest first
    Ls,
    /// Show a sweep and its trials
    Show {
        /// The sweep
        id: SweepId,
    },
    /// Say which of a sweep's parameters matter, by its results so far
    Importance {
        /// The sweep
        id: SweepId,
    },
    /// Begin no more of a sweep's trials; those that run give way and keep a checkpoint
    Pause {
        /// The sweep
        id: SweepId,
        /// Let running trials run to their end
        #[arg(long)]
        drain: bool,
    },
    /// Let a paused sweep go on
    Resume {
        /// The sweep
        id: SweepId,
    },
    /// Queue a sweep's failed and cancelled trials again
    Retry {
        /// The sweep
        id: SweepId,
    },
    /// Change how a sweep shares the workers with others
    Queueing(Share),
    /// Cancel every trial of a sweep that is not settled
    Cancel {
        /// The sweep
        id: SweepId,
    },
}

/// What to change; the rest stays as it is.
#[derive(Args, Debug)]
pub struct Share {
    /// The sweep
    id: SweepId,
    /// Sweeps of a higher priority go first: -100 to 100
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Share of the workers among sweeps of one priority: 0.01 to 100
    #[arg(long)]
    weight: Option<f64>,
    /// Most trials at once; 0 for no limit
    #[arg(long, value_name = "N")]
    parallel: Option<u32>,
    /// When what is left is cancelled, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME")]
    deadline: Option<chrono::DateTime<chrono::Utc>>,
}

impl Share {
    fn change(&self, queueing: &mut Queueing) {
        queueing.priority = self.priority.unwrap_or(queueing.priority);
        queueing.weight = self.weight.unwrap_or(queueing.weight);
        queueing.deadline = self.deadline.or(queueing.deadline);
        if let Some(parallel) = self.parallel {
            queueing.parallel = (parallel > 0).then_some(parallel);
        }
    }
}

pub async fn run(command: Command, session: &Session) -> anyhow::Result<ExitCode> {
    let client = &session.client;
    match command {
        Command::Submit {
            file,
            changes,
            watch,
        } => {
            let sweep = client.submit_sweep(&read(&file, &changes)?).await?;
            if watch {
                if !session.json {
                    eprintln!("{}", submitted(&sweep));
                }
                return follow(session, sweep.id).await;
            }
            session.print(&sweep, |sweep| {
                format!(
                    "{}\nFollow it: cultivar sweep watch {}",
                    submitted(sweep),
                    sweep.id
                )
            })?;
        }
        Command::Preview { file, changes } => {
            let preview = client.preview_sweep(&read(&file, &changes)?).await?;
            session.print(&preview, sample)?;
        }
        Command::Estimate { file, changes } => {
            let estimate = client.estimate_sweep(&read(&file, &changes)?).await?;
            session.print(&estimate, estimated)?;
        }
        Command::Watch { id } => {
            let id = match id {
                Some(id) => id,
                None => newest(session).await?,
            };
            return follow(session, id).await;
        }
        Command::Ls => {
            let sweeps = client.sweeps().await?;
            session.print(&sweeps, |sweeps| list(sweeps))?;
        }
        Command::Show { id } => {
            let detail = client.sweep(id).await?;
            let trials = client.all_trials(&of_sweep(id)).await?;
            if session.json {
                session.print(&detail, |_| String::new())?;
            } else {
                println!(
                    "{}\n{}\n\n{}",
                    headline(&detail.sweep),
                    so_far(&detail),
                    trial_table(&trials)
                );
            }
        }
        Command::Importance { id } => {
            let report = client.importance(id).await?;
            session.print(&report, crate::importance::render)?;
        }
        Command::Pause { id, drain } => {
            let sweep = client.pause_sweep(id, PauseSweep { drain }).await?;
            session.print(&sweep, headline)?;
        }
        Command::Resume { id } => {
            let sweep = client.resume_sweep(id).await?;
            session.print(&sweep, headline)?;
        }
        Command::Retry { id } => {
            let sweep = client.retry_sweep(id).await?;
            session.print(&sweep, headline)?;
        }
        Command::Queueing(share) => {
            let mut queueing = client.sweep(share.id).await?.sweep.queueing;
            share.change(&mut queueing);
            let sweep = client.requeue_sweep(share.id, &queueing).await?;
            session.print(&sweep, headline)?;
        }
        Command::Cancel { id } => {
            let sweep = client.cancel_sweep(id).await?;
            session.print(&sweep, headline)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a sweep file and checks its frame here, where the file is; the server checks the rest.
fn read(file: &Path, changes: &[Change]) -> anyhow::Result<SweepSpec> {
    let mut document = yaml::read(file)?;
    if let Some(fields) = document.as_object_mut() {
        let base = fields
            .entry("base")
            .or_insert_with(|| serde_json::json!({}));
        for change in changes {
            change.apply(base)?;
        }
    }
    let name = file.display().to_string();
    anyhow::Context::context(check::sweep(&document), name)
}

async fn newest(session: &Session) -> anyhow::Result<SweepId> {
    let sweeps = session.client.sweeps().await?;
    sweeps
        .first()
        .map(|sweep| sweep.id)
        .ok_or_else(|| anyhow::anyhow!("no sweeps yet: cultivar sweep submit FILE.yaml"))
}

/// Follows a sweep to its end and shows its best trials.
async fn follow(session: &Session, id: SweepId) -> anyhow::Result<ExitCode> {
    let tally = watch::sweep(&session.client, id, session.json).await?;
    let detail = session.client.sweep(id).await?;
    if session.json {
        session.print(&detail.sweep, |_| String::new())?;
        return Ok(exit_code(tally));
    }
    let mut trials = session.client.all_trials(&of_sweep(id)).await?;
    let failed: Vec<TrialView> = trials
        .iter()
        .filter(|trial| trial.state == TrialState::Failed)
        .cloned()
        .collect();
    watch::best_first(&mut trials);
    trials.truncate(BEST);
    println!("{}\n\n{}", headline(&detail.sweep), trial_table(&trials));
    for trial in failed {
        let why = trial.error.as_deref().unwrap_or("no reason was given");
        println!(
            "failed: {} seed {} ({}): {why}",
            trial.label, trial.seed, trial.id
        );
    }
    println!(
        "\nSeeds folded, with intervals: cultivar leaderboard {}",
        detail.sweep.dataset
    );
    Ok(exit_code(tally))
}

/// 3 where a trial failed, and where none completed.
pub fn exit_code(tally: Tally) -> ExitCode {
    if tally.failed > 0 || (tally.completed == 0 && tally.n_trials > 0) {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    }
}

fn of_sweep(id: SweepId) -> TrialFilter {
    TrialFilter {
        sweep: Some(id),
        ..TrialFilter::default()
    }
}

fn submitted(sweep: &SweepView) -> String {
    format!(
        "{} on {}: {} queued ({})",
        sweep.name,
        sweep.dataset,
        counted(sweep.n_planned, "trial"),
        sweep.id
    )
}

fn headline(sweep: &SweepView) -> String {
    let states: Vec<String> = TrialState::ALL
        .iter()
        .filter(|state| sweep.count(**state) > 0)
        .map(|state| format!("{} {}", count(sweep.count(*state)), state.name()))
        .collect();
    format!(
        "{} on {}: {}: {}",
        sweep.name,
        sweep.dataset,
        counted(sweep.n_trials, "trial"),
        states.join(", ")
    )
}

/// What it has taken, and what is left.
fn so_far(detail: &SweepDetail) -> String {
    let budget = &detail.budget;
    let mut said = format!("spent {} of training", roughly(budget.spent_s));
    if let Some(left) = budget.left_s.filter(|left| left.expected > 0.0) {
        said += &format!(", {} left", between(&left));
    }
    if let Some(finish) = budget.finish_s.filter(|finish| finish.expected > 0.0) {
        said += &format!(", done in {} at this pace", between(&finish));
    }
    said
}

fn between(interval: &Interval) -> String {
    format!(
        "{} ({} to {})",
        roughly(interval.expected),
        roughly(interval.low),
        roughly(interval.high)
    )
}

fn estimated(estimate: &SweepEstimate) -> String {
    let trials = counted(estimate.n_trials, "trial");
    let Some(training) = &estimate.training_s else {
        return format!(
            "{trials}; how long they take is unknown: no completed trial tells of {}",
            estimate.unmeasured.join(", ")
        );
    };
    let measured = counted(estimate.n_measured, "completed trial");
    let finish = match &estimate.finish_s {
        Some(finish) => format!(
            "done in {} on {}",
            between(finish),
            counted(estimate.n_workers, "worker")
        ),
        None => "no worker is there to train them".into(),
    };
    format!(
        "{trials}: {} of training; {finish}\nfrom {measured} like them; 95% intervals",
        between(training)
    )
}

fn list(sweeps: &[SweepView]) -> String {
    if sweeps.is_empty() {
        return "no sweeps yet: cultivar sweep submit FILE.yaml".into();
    }
    let mut table = table::new(&[
        Text("Sweep"),
        Text("Name"),
        Text("Dataset"),
        Number("Trials"),
        Number("Completed"),
        Number("Failed"),
        Text("State"),
        Text("Submitted"),
    ]);
    let now = chrono::Utc::now();
    for sweep in sweeps {
        let state = match (sweep.cancelled_at, sweep.finished, sweep.paused_at) {
            (Some(_), ..) => "cancelled",
            (None, true, _) => "finished",
            (None, false, Some(_)) => "paused",
            (None, false, None) => "running",
        };
        table.add_row([
            sweep.id.to_string(),
            sweep.name.clone(),
            sweep.dataset.clone(),
            count(sweep.n_planned),
            count(sweep.count(TrialState::Completed)),
            count(sweep.count(TrialState::Failed)),
            state.to_owned(),
            ago(sweep.created_at, now),
        ]);
    }
    table::render(&table)
}

/// Trials with their validation accuracy.
pub fn trial_table(trials: &[TrialView]) -> String {
    let mut table = table::new(&[
        Text("Trial"),
        Text("Configuration"),
        Number("Seed"),
        Text("State"),
        Number("Val %"),
        Number("Attempts"),
    ]);
    for trial in trials {
        let val_top1 = trial.metrics.get("val_top1");
        table.add_row([
            trial.id.to_string(),
            trial.label.clone(),
            trial.seed.to_string(),
            trial.state.name().to_owned(),
            val_top1.map_or(String::new(), |value| percent_of(*value)),
            trial.n_attempts.to_string(),
        ]);
    }
    table::render(&table)
}

fn sample(preview: &SweepPreview) -> String {
    let size = match preview.space_size {
        Some(size) => counted(size, "point"),
        None => "without end".into(),
    };
    let mut lines = vec![format!(
        "the space: {size}\n{}, {} with the seeds; the first change in the base:",
        counted(preview.n_configs, "configuration"),
        counted(preview.n_trials, "trial")
    )];
    lines.extend(preview.samples.iter().map(|sample| format!("  {sample}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whether_something_failed() {
        let check = |completed, failed, cancelled, expect: ExitCode| {
            let tally = Tally {
                n_trials: completed + failed + cancelled,
                completed,
                failed,
                cancelled,
                ..Tally::default()
            };
            assert_eq!(exit_code(tally), expect, "{tally:?}");
        };
        check(5, 0, 0, ExitCode::SUCCESS);
        check(5, 0, 2, ExitCode::SUCCESS);
        check(5, 1, 0, ExitCode::from(3));
        check(0, 0, 2, ExitCode::from(3));
    }

    #[test]
    fn a_sweep_file_says_every_mistake_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "{name: a, spaces: {}, seeds: []}").unwrap();
        let error = read(&file, &[]).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains("a.yaml"), "{said}");
        assert!(
            said.contains("/spaces") && said.contains("/seeds"),
            "{said}"
        );
    }

    #[test]
    fn the_dataset_of_a_recipe_can_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "{name: a, base: {fit: {epochs: 3}}}").unwrap();
        let sweep = read(&file, &["dataset=birds".parse().unwrap()]).unwrap();
        assert_eq!(
            sweep.base,
            serde_json::json!({"fit": {"epochs": 3}, "data": {"dataset": "birds"}})
        );
    }
}
