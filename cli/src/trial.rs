//! `cultivar trial`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use cultivar_client::TrialFilter;
use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{MetricSummary, NewEvaluation, NewTrial, TrialDetail, TrialView};
use cultivar_spec::{SweepId, TrialId, TrialState, check};

use crate::logs;
use crate::numbers::{clock, count};
use crate::session::Session;
use crate::sweep::trial_table;
use crate::table::{
    self,
    Column::{Number, Text},
};
use crate::watch::metric;
use crate::yaml::{self, Change};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Queue one trial
    Submit {
        /// The trial spec, as YAML; - reads standard input
        file: PathBuf,
        /// Change a field, such as dataset=birds or fit.epochs=5
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        changes: Vec<Change>,
    },
    /// Show a trial: its spec, attempts, metrics and evaluations
    Show {
        /// The trial
        id: TrialId,
    },
    /// List trials, oldest first
    Ls {
        /// Of this sweep
        #[arg(long)]
        sweep: Option<SweepId>,
        /// On this dataset
        #[arg(long)]
        dataset: Option<String>,
        /// In this state
        #[arg(long, value_parser = state)]
        state: Option<TrialState>,
    },
    /// Cancel a trial that is not settled
    Cancel {
        /// The trial
        id: TrialId,
    },
    /// Take a trial out of the queue; one that runs gives way and keeps a checkpoint
    Pause {
        /// The trial
        id: TrialId,
    },
    /// Let a paused trial go on
    Resume {
        /// The trial
        id: TrialId,
    },
    /// Queue a failed or cancelled trial again
    Retry {
        /// The trial
        id: TrialId,
    },
    /// Ask for a trial's predictions on a held-out split
    ///
    /// Every opening of the test split is counted and shown with its reason.
    Evaluate {
        /// The trial
        id: TrialId,
        /// The split to predict
        #[arg(long, value_enum)]
        split: HeldOut,
        /// Why it is opened
        #[arg(long)]
        reason: String,
    },
    /// Show the last, the lowest and the highest value of every metric so far
    Metrics {
        /// The trial
        id: TrialId,
    },
    /// Print the log lines of every attempt
    Logs {
        /// The trial
        id: TrialId,
        /// Only lines that hold this text, whatever the case
        #[arg(long, value_name = "TEXT")]
        grep: Option<String>,
        /// Go on with new lines until the trial is settled
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum HeldOut {
    Val,
    Test,
}

fn state(text: &str) -> Result<TrialState, String> {
    let mut states = TrialState::ALL.into_iter();
    states.find(|state| state.name() == text).ok_or_else(|| {
        let names: Vec<&str> = TrialState::ALL.iter().map(|state| state.name()).collect();
        format!("want one of {}", names.join(", "))
    })
}

pub async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    let client = &session.client;
    match command {
        Command::Submit { file, changes } => {
            let mut spec = yaml::read(&file)?;
            for change in &changes {
                change.apply(&mut spec)?;
            }
            // Refused here the file has a name; the server knows datasets and weights too.
            check::trial(&spec).with_context(|| file.display().to_string())?;
            let new = NewTrial {
                spec,
                needs: Default::default(),
            };
            let trial = client.submit_trial(&new).await?;
            session.print(&trial, |trial| {
                format!("{} queued: {}", trial.label, trial.id)
            })
        }
        Command::Show { id } => {
            let detail = client.trial(id).await?;
            session.print(&detail, show)
        }
        Command::Ls {
            sweep,
            dataset,
            state,
        } => {
            let filter = TrialFilter {
                sweep,
                dataset,
                state,
                ..TrialFilter::default()
            };
            let trials = client.all_trials(&filter).await?;
            session.print(&trials, |trials| match trials.is_empty() {
                true => "no such trials".into(),
                false => trial_table(trials),
            })
        }
        Command::Cancel { id } => {
            let trial = client.cancel_trial(id).await?;
            session.print(&trial, stands)
        }
        Command::Pause { id } => {
            let trial = client.pause_trial(id).await?;
            session.print(&trial, stands)
        }
        Command::Resume { id } => {
            let trial = client.resume_trial(id).await?;
            session.print(&trial, stands)
        }
        Command::Retry { id } => {
            let trial = client.retry_trial(id).await?;
            session.print(&trial, stands)
        }
        Command::Evaluate { id, split, reason } => {
            let split = match split {
                HeldOut::Val => Split::Val,
                HeldOut::Test => Split::Test,
            };
            let evaluation = client
                .evaluate(id, &NewEvaluation { split, reason })
                .await?;
            session.print(&evaluation, |evaluation| {
                format!(
                    "evaluation on {} {}",
                    evaluation.split.name(),
                    evaluation.state.name()
                )
            })
        }
        Command::Metrics { id } => {
            let metrics = client.metric_summaries(id).await?;
            session.print(&metrics, |metrics| summaries(metrics))
        }
        Command::Logs { id, grep, follow } => logs::print(client, id, grep, follow).await,
    }
}

fn stands(trial: &TrialView) -> String {
    format!(
        "{} seed {} is {}",
        trial.label,
        trial.seed,
        trial.state.name()
    )
}

fn summaries(metrics: &[MetricSummary]) -> String {
    if metrics.is_empty() {
        return "nothing reported yet".into();
    }
    let mut table = table::new(&[
        Text("Metric"),
        Number("Step"),
        Number("Epoch"),
        Number("Last"),
        Number("Lowest"),
        Number("Highest"),
    ]);
    for MetricSummary {
        metric: name,
        last,
        lowest,
        highest,
    } in metrics
    {
        let or_none =
            |value: &Option<f64>| value.map_or(String::new(), |value| metric(name, value));
        table.add_row([
            name.clone(),
            last.step.to_string(),
            format!("{:.2}", last.epoch),
            metric(name, last.value),
            or_none(lowest),
            or_none(highest),
        ]);
    }
    table::render(&table)
}

fn show(detail: &TrialDetail) -> String {
    let trial = &detail.trial;
    let mut parts = vec![format!(
        "{} seed {} on {}: {}",
        trial.label,
        trial.seed,
        trial.dataset,
        trial.state.name()
    )];
    if let Some(error) = &trial.error {
        parts.push(format!("  {error}"));
    }
    for (name, value) in &trial.metrics {
        parts.push(format!("  {name:18} {}", metric(name, *value)));
    }
    if let Some(cost) = &detail.cost {
        parts.push(format!(
            "  {:18} {} images in {} on {} ({})",
            "cost",
            count(cost.images),
            clock(cost.seconds),
            cost.device,
            cost.precision
        ));
    }
    if let Some(n) = detail.cost.as_ref().and_then(|cost| cost.micro_batch) {
        parts.push(format!(
            "  {:18} {n} images at once: a whole batch had no room",
            "memory"
        ));
    }
    if !detail.attempts.is_empty() {
        parts.push(format!("\n{}", attempts(detail)));
    }
    for evaluation in &detail.evaluations {
        let mut line = format!(
            "\nevaluation on {}: {}",
            evaluation.split.name(),
            evaluation.state.name()
        );
        for (name, value) in &evaluation.metrics {
            line.push_str(&format!(", {name} {}", metric(name, *value)));
        }
        line.push_str(&format!(" (reason: {})", evaluation.reason));
        parts.push(line);
    }
    let spec = serde_norway::to_string(&detail.spec).unwrap_or_else(|error| error.to_string());
    parts.push(format!("\n{}", spec.trim_end()));
    parts.join("\n")
}

fn attempts(detail: &TrialDetail) -> String {
    let mut table = table::new(&[
        Number("Attempt"),
        Text("Job"),
        Text("Worker"),
        Text("Outcome"),
        Number("From step"),
        Number("Checkpoint"),
        Number("Took"),
        Text("Error"),
    ]);
    for attempt in &detail.attempts {
        let took = attempt
            .ended_at
            .map(|ended| clock((ended - attempt.claimed_at).as_seconds_f64()));
        table.add_row([
            attempt.epoch.to_string(),
            attempt.job.name().to_owned(),
            attempt.worker_name.clone(),
            attempt
                .outcome
                .map_or("running", |outcome| outcome.name())
                .to_owned(),
            attempt.resumed_from_step.to_string(),
            attempt
                .checkpoint_step
                .map_or(String::new(), |step| step.to_string()),
            took.unwrap_or_default(),
            attempt.error.clone().unwrap_or_default(),
        ]);
    }
    table::render(&table)
}
