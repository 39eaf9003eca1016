//! Published results that ship with the server.

use anyhow::Context;
use cultivar_spec::wire::SotaEntry;
use serde::Deserialize;
use sqlx::PgPool;

use crate::store;

/// `server/seed/sota.csv`: accuracies in percent.
const SEED: &str = include_str!("../../seed/sota.csv");

#[derive(Deserialize)]
struct Line {
    dataset: String,
    method: String,
    backbone: String,
    resolution: Option<u32>,
    top1: f64,
    std: Option<f64>,
    metric: String,
    extra_data: String,
    selection: String,
    year: Option<u32>,
    source: String,
    confidence: String,
}

/// Brings the registry up to date with what this version ships; what somebody posted stays.
///
/// # Errors
/// The database is out of reach.
pub async fn seed(pool: &PgPool) -> anyhow::Result<()> {
    let entries = shipped()?;
    store::sota::seed(pool, &entries)
        .await
        .context("published results cannot be stored")
}

fn shipped() -> anyhow::Result<Vec<SotaEntry>> {
    csv::Reader::from_reader(SEED.as_bytes())
        .deserialize()
        .map(|line| entry(line?))
        .collect()
}

fn entry(line: Line) -> anyhow::Result<SotaEntry> {
    let word = |text: &str| serde_json::Value::from(text);
    let context = || format!("seed/sota.csv: {} of {}", line.method, line.dataset);
    Ok(SotaEntry {
        value: fraction(line.top1),
        std: line.std.map(fraction),
        metric: serde_json::from_value(word(&line.metric)).with_context(context)?,
        selection: serde_json::from_value(word(&line.selection)).with_context(context)?,
        confidence: serde_json::from_value(word(&line.confidence)).with_context(context)?,
        dataset: line.dataset.clone(),
        method: line.method.clone(),
        backbone: line.backbone.clone(),
        resolution: line.resolution,
        extra_data: line.extra_data.clone(),
        year: line.year,
        source: line.source.clone(),
    })
}

/// Percent as a fraction, to the digits that were published.
fn fraction(percent: f64) -> f64 {
    (percent * 1e4).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::check;
    use cultivar_spec::wire::{Confidence, Selection};

    #[test]
    fn every_shipped_line_is_a_valid_entry() {
        let entries = shipped().unwrap();
        assert_eq!(entries.len(), SEED.lines().count() - 1);
        for entry in &entries {
            let raw = serde_json::to_value(entry).unwrap();
            assert_eq!(&check::document::<SotaEntry>(&raw).unwrap(), entry);
            assert!(
                entry.value > 0.3,
                "{}: a percentage was divided twice",
                entry.method
            );
        }
    }

    #[test]
    fn percent_becomes_a_fraction() {
        let entries = shipped().unwrap();
        let mish = entries
            .iter()
            .find(|e| e.method == "Mish EfficientNet-B7")
            .unwrap();
        assert_eq!(
            (mish.value, mish.std, mish.resolution),
            (0.9479, Some(0.0009), Some(456))
        );
        assert_eq!(
            (mish.selection, mish.confidence),
            (Selection::Last, Confidence::Read)
        );
    }
}
