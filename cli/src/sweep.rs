//! `cultivar sweep`.

mod importance;
mod pareto;
mod share;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use cultivar_client::TrialFilter;
use cultivar_spec::sweep::CostMetric;
use cultivar_spec::wire::{PauseSweep, TrialView};
use cultivar_spec::{SweepId, SweepSpec, TrialState, check};

use crate::session::Session;
use crate::watch::{self, Tally};
use crate::yaml::{self, Change};
use share::Share;
pub use text::trial_table;
use text::{estimated, headline, list, recommended, sample, so_far, submitted};

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
    /// Name the configuration to go on with: the best by the results so far, not the luckiest single one
    Recommend {
        /// The sweep
        id: SweepId,
    },
    /// Say which of a sweep's parameters matter, by its results so far
    Importance {
        /// The sweep
        id: SweepId,
    },
    /// Show a sweep's best compromises between its objective and what it costs
    Pareto {
        /// The sweep
        id: SweepId,
        /// A cost: seconds (of training), n_params or latency_ms [default: what the sweep says]
        #[arg(long, value_name = "COST", value_parser = pareto::cost)]
        against: Option<CostMetric>,
        /// Show the configurations that others beat in everything too
        #[arg(long)]
        all: bool,
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
            let sweep = read(&file, &changes)?;
            let preview = client.preview_sweep(&sweep).await?;
            session.print(&preview, |preview| sample(&sweep.space, preview))?;
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
        Command::Recommend { id } => {
            let recommendation = client.recommendation(id).await?;
            session.print(&recommendation, |found| recommended(id, found))?;
        }
        Command::Importance { id } => {
            let report = client.importance(id).await?;
            session.print(&report, importance::render)?;
        }
        Command::Pareto { id, against, all } => {
            let report = client.pareto(id, against).await?;
            session.print(&report, |report| pareto::render(report, all))?;
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
