//! `cultivar leaderboard`.

use clap::{Args, ValueEnum};
use cultivar_spec::wire::{Confidence, Leaderboard as Board, Selection, SotaEntry, SotaMetric};

use crate::numbers::{clock, percent, percent_of, points};
use crate::session::Session;
use crate::table::{
    self,
    Column::{Number, Text},
};

#[derive(Args, Debug)]
pub struct Leaderboard {
    /// The dataset
    dataset: String,
    /// What to rank by: val_top1, or test_top1 where every row shown has it [default: val_top1]
    #[arg(long)]
    metric: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Most configurations shown [default: 200]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Md,
    Json,
}

pub async fn run(args: Leaderboard, session: &Session) -> anyhow::Result<()> {
    let client = &session.client;
    let metric = args.metric.as_deref();
    let text = match args.format {
        Format::Csv | Format::Md if !session.json => {
            let format = if args.format == Format::Csv {
                "csv"
            } else {
                "md"
            };
            client
                .leaderboard_text(&args.dataset, metric, format, args.limit)
                .await?
        }
        format => {
            let board = client
                .leaderboard(&args.dataset, metric, args.limit)
                .await?;
            if session.json || format == Format::Json {
                serde_json::to_string_pretty(&board)? + "\n"
            } else {
                render(&board) + "\n"
            }
        }
    };
    print!("{text}");
    Ok(())
}

/// The ranking, published results below it, and what a reader must know.
pub fn render(board: &Board) -> String {
    if board.rows.is_empty() && board.sota.is_empty() {
        return format!("no completed trials on {} yet", board.dataset);
    }
    let mut parts = Vec::new();
    if !board.rows.is_empty() {
        parts.push(rows(board));
    }
    if !board.sota.is_empty() {
        parts.push(format!("Published\n{}", published(&board.sota)));
    }
    parts.push(reading(board));
    parts.join("\n\n")
}

fn rows(board: &Board) -> String {
    let has_test = board.rows.iter().any(|row| row.test_top1.is_some());
    let mut columns = vec![
        Number("#"),
        Text("Configuration"),
        Text("Weights"),
        Text("Trained"),
        Number("Epochs"),
        Number("px"),
        Number("Val % [95%]"),
    ];
    if has_test {
        columns.push(Number("Test % [95%]"));
    }
    columns.extend([
        Number("Seeds"),
        Number("To the first, points [95%]"),
        Number("p"),
        Number("Time"),
    ]);
    let mut table = table::new(&columns);
    for row in &board.rows {
        let star = if row.selected { " *" } else { "" };
        let mut cells = vec![
            row.rank.to_string(),
            format!("{}{star}", row.label),
            row.weights.clone(),
            row.adaptation.clone(),
            row.epochs.to_string(),
            row.resolution.to_string(),
            row.val_top1.as_ref().map(percent).unwrap_or_default(),
        ];
        if has_test {
            cells.push(row.test_top1.as_ref().map(percent).unwrap_or_default());
        }
        let versus = row.vs_top.as_ref();
        cells.extend([
            row.trials.len().to_string(),
            versus
                .map(|c| points(c.difference, c.low, c.high))
                .unwrap_or_default(),
            versus.map(|c| p_value(c.p_holm)).unwrap_or_default(),
            clock(row.train_seconds),
        ]);
        table.add_row(cells);
    }
    table::render(&table)
}

fn p_value(p: f64) -> String {
    if p < 0.001 {
        "<0.001".into()
    } else {
        format!("{p:.3}")
    }
}

/// Published results as a table.
pub fn published(entries: &[SotaEntry]) -> String {
    let mut table = table::new(&[
        Text("Method"),
        Text("Backbone"),
        Number("px"),
        Number("%"),
        Text("Metric"),
        Number("Year"),
        Text("Selection"),
        Text("Source"),
    ]);
    for entry in entries {
        let spread = entry.std.map(|std| format!(" ± {}", percent_of(std)));
        let source = match entry.confidence {
            Confidence::Read => entry.source.clone(),
            Confidence::Secondary => format!("{} (quoted elsewhere)", entry.source),
        };
        let metric = match entry.metric {
            SotaMetric::Top1 => "top 1",
            SotaMetric::MeanPerClass => "mean per class",
        };
        let selection = match entry.selection {
            Selection::Last => "last epoch",
            Selection::BestOnTest => "best epoch on test",
            Selection::Unknown => "not said",
        };
        table.add_row([
            entry.method.clone(),
            entry.backbone.clone(),
            entry.resolution.map_or(String::new(), |px| px.to_string()),
            format!("{}{}", percent_of(entry.value), spread.unwrap_or_default()),
            metric.to_owned(),
            entry.year.map_or(String::new(), |year| year.to_string()),
            selection.to_owned(),
            source,
        ]);
    }
    table::render(&table)
}

/// The lines below the table.
fn reading(board: &Board) -> String {
    let mut lines = Vec::new();
    if board.rows.iter().any(|row| row.selected) {
        lines.push(
            "* the best of several tried on this same split: its number is flattered by the choice"
                .to_owned(),
        );
    }
    lines.extend(board.notes.iter().map(|note| format!("- {note}")));
    // Openings are among the notes.
    if board.n_test_accesses == 0 {
        lines.push("- the test split has not been opened".into());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use cultivar_spec::wire::{Comparison, Estimate, LeaderboardRow};
    use cultivar_spec::{Sha256Digest, TrialId};

    use super::*;

    fn row(rank: u64, label: &str, mean: f64) -> LeaderboardRow {
        let estimate = |mean: f64| Estimate {
            mean,
            low: mean - 0.021,
            high: mean + 0.02,
            n: 2,
        };
        LeaderboardRow {
            rank,
            config_id: Sha256Digest::of(label.as_bytes()),
            label: label.into(),
            backbone: "efficientnet_lite0".into(),
            weights: "pretrained".into(),
            adaptation: "full".into(),
            activation: "native".into(),
            optimizer: "sgd".into(),
            schedule: "one_cycle".into(),
            mix: "none".into(),
            lr: 0.05,
            smoothing: 0.0,
            epochs: 2,
            resolution: 96,
            trials: vec![TrialId(uuid::Uuid::nil()); 2],
            val_top1: Some(estimate(mean)),
            test_top1: (rank < 3).then(|| estimate(mean - 0.01)),
            vs_top: (rank > 1).then_some(Comparison {
                difference: mean - 0.452,
                low: mean - 0.48,
                high: mean - 0.42,
                p_holm: if rank == 2 { 0.2412 } else { 0.0002 },
            }),
            train_seconds: 98.4,
            selected: rank == 1,
        }
    }

    #[test]
    fn a_leaderboard_reads_well() {
        let entry = SotaEntry {
            dataset: "birds".into(),
            method: "Mish EfficientNet-B7".into(),
            backbone: "EfficientNet-B7".into(),
            resolution: Some(456),
            value: 0.9479,
            std: Some(0.0009),
            metric: SotaMetric::Top1,
            extra_data: String::new(),
            selection: Selection::Last,
            year: Some(2020),
            source: "a paper".into(),
            confidence: Confidence::Secondary,
        };
        let board = Board {
            dataset: "birds".into(),
            version: None,
            metric: "val_top1".into(),
            rows: vec![
                row(1, "sgd lr=0.05", 0.452),
                row(2, "ranger lr=0.004", 0.448),
                row(3, "random", 0.121),
            ],
            sota: vec![entry],
            n_test_accesses: 4,
            notes: vec![
                "validation has 812 images in 220 groups".into(),
                "the test split was opened 4 times".into(),
            ],
        };
        insta::assert_snapshot!(render(&board));
    }
}
