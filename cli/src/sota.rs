//! `cultivar sota`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use cultivar_spec::check;
use cultivar_spec::wire::SotaEntry;
use serde_json::Value;

use crate::leaderboard::published;
use crate::numbers::counted;
use crate::session::Session;
use crate::yaml;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// List published results
    Ls {
        /// On this dataset only
        dataset: Option<String>,
    },
    /// Add published results from a file
    ///
    /// YAML: one result, or `results:` with a list of them. Fields: dataset, method, backbone, resolution, value
    /// (a fraction), std, metric (top1, mean_per_class), extra_data, selection (last, best_on_test,
    /// unknown), year, source, confidence (read, secondary).
    Add { file: PathBuf },
}

pub async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Ls { dataset } => {
            let entries = session.client.sota(dataset.as_deref()).await?;
            session.print(&entries, |entries| list(entries))
        }
        Command::Add { file } => {
            let entries = read(yaml::read(&file)?).with_context(|| file.display().to_string())?;
            let mut added = Vec::new();
            for entry in &entries {
                added.push(session.client.add_sota(entry).await?);
            }
            session.print(&added, |added| format!("{} added", counted(added.len() as u64, "result")))
        }
    }
}

fn read(document: Value) -> anyhow::Result<Vec<SotaEntry>> {
    let items = match document.get("results") {
        None => vec![document],
        Some(Value::Array(items)) => items.clone(),
        Some(other) => bail!("results: {other} is wrong, expected a list"),
    };
    let entries = items.iter().enumerate().map(|(idx, item)| {
        check::document(item).with_context(|| format!("result {}", idx + 1))
    });
    entries.collect()
}

/// Grouped by dataset, since numbers of two datasets do not compare.
fn list(entries: &[SotaEntry]) -> String {
    let mut datasets: Vec<&str> = entries.iter().map(|entry| entry.dataset.as_str()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    if datasets.is_empty() {
        return "no published results".into();
    }
    let of = |dataset: &str| -> Vec<SotaEntry> {
        entries.iter().filter(|entry| entry.dataset == dataset).cloned().collect()
    };
    let parts: Vec<String> = datasets
        .iter()
        .map(|dataset| format!("{dataset}\n{}", published(&of(dataset))))
        .collect();
    parts.join("\n\n")
}
