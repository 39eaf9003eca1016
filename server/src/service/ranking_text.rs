//! The leaderboard as CSV and as Markdown: what one would paste into a report.

use cultivar_spec::wire::{Estimate, Leaderboard, LeaderboardRow, SotaEntry};

/// One line a configuration, then one a published result. Accuracies are fractions.
///
/// # Errors
/// Never in practice: the text is written to memory.
pub fn csv(board: &Leaderboard) -> csv::Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "kind",
        "rank",
        "label",
        "backbone",
        "weights",
        "adaptation",
        "activation",
        "optimizer",
        "schedule",
        "mix",
        "lr",
        "smoothing",
        "epochs",
        "resolution",
        "seeds",
        "val_top1",
        "val_low",
        "val_high",
        "test_top1",
        "test_low",
        "test_high",
        "vs_top",
        "vs_top_low",
        "vs_top_high",
        "p_holm",
        "train_seconds",
        "selected",
        "config_id",
        "source",
    ])?;
    for row in &board.rows {
        let [val, val_low, val_high] = estimate_cells(row.val_top1);
        let [test, test_low, test_high] = estimate_cells(row.test_top1);
        let versus = |cell: fn(&cultivar_spec::wire::Comparison) -> f64| {
            number(row.vs_top.as_ref().map(cell))
        };
        out.write_record([
            "trial",
            &row.rank.to_string(),
            &plain(&row.label),
            &row.backbone,
            &row.weights,
            &row.adaptation,
            &row.activation,
            &row.optimizer,
            &row.schedule,
            &row.mix,
            &row.lr.to_string(),
            &row.smoothing.to_string(),
            &row.epochs.to_string(),
            &row.resolution.to_string(),
            &row.trials.len().to_string(),
            &val,
            &val_low,
            &val_high,
            &test,
            &test_low,
            &test_high,
            &versus(|c| c.difference),
            &versus(|c| c.low),
            &versus(|c| c.high),
            &versus(|c| c.p_holm),
            &format!("{:.1}", row.train_seconds),
            &row.selected.to_string(),
            &row.config_id.to_string(),
            "",
        ])?;
    }
    for entry in &board.sota {
        let mut record = vec![String::new(); 29];
        record[0] = "published".into();
        record[2] = plain(&entry.method);
        record[3] = plain(&entry.backbone);
        record[13] = entry.resolution.map(|r| r.to_string()).unwrap_or_default();
        // What the paper averaged decides the column: only top-1 stands beside ours.
        if entry.metric == cultivar_spec::wire::SotaMetric::Top1 {
            record[18] = entry.value.to_string();
        }
        record[28] = plain(&source(entry));
        out.write_record(&record)?;
    }
    let bytes = out.into_inner().map_err(|e| e.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A table of configurations, one of published results, and the notes. Accuracies are percent.
pub fn markdown(board: &Leaderboard) -> String {
    let mut out = format!(
        "# {}\n\nRanked by {}; 95% intervals over groups of images and seeds.\n\n\
         | # | configuration | seeds | val top-1 % | test top-1 % | vs top, points | p (Holm) |\n\
         | ---: | --- | ---: | --- | --- | --- | ---: |\n",
        board.dataset, board.metric
    );
    for row in &board.rows {
        out += &format!(
            "| {}{} | {} | {} | {} | {} | {} | {} |\n",
            row.rank,
            if row.selected { " (selected)" } else { "" },
            cell(&configuration(row)),
            row.trials.len(),
            percent(row.val_top1),
            percent(row.test_top1),
            row.vs_top
                .map(|c| format!(
                    "{:+.1} [{:+.1}, {:+.1}]",
                    100.0 * c.difference,
                    100.0 * c.low,
                    100.0 * c.high
                ))
                .unwrap_or_default(),
            row.vs_top.map(|c| p_value(c.p_holm)).unwrap_or_default(),
        );
    }
    if !board.sota.is_empty() {
        out += "\n| published | backbone | px | % | metric | source |\n| --- | --- | ---: | ---: | --- | --- |\n";
        for entry in &board.sota {
            out += &format!(
                "| {} | {} | {} | {:.1} | {} | {} |\n",
                cell(&entry.method),
                cell(&entry.backbone),
                entry.resolution.map(|r| r.to_string()).unwrap_or_default(),
                100.0 * entry.value,
                word(entry.metric),
                cell(&source(entry)),
            );
        }
    }
    if !board.notes.is_empty() {
        out.push('\n');
        for note in &board.notes {
            out += &format!("- {}\n", cell(note));
        }
    }
    out
}

fn configuration(row: &LeaderboardRow) -> String {
    format!(
        "{} ({}, {}, {}, {} epochs, {} px)",
        row.label, row.backbone, row.weights, row.adaptation, row.epochs, row.resolution
    )
}

/// Where a published number is from and what is doubtful about it.
fn source(entry: &SotaEntry) -> String {
    let year = entry
        .year
        .filter(|year| !entry.source.contains(&year.to_string()));
    let parts = [
        entry.source.clone(),
        year.map(|year| year.to_string()).unwrap_or_default(),
        match word(entry.selection).as_str() {
            "best_on_test" => "best epoch on test".into(),
            "unknown" => "selection not said".into(),
            _ => String::new(),
        },
        match word(entry.confidence).as_str() {
            "secondary" => "quoted".into(),
            _ => String::new(),
        },
    ];
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    said.join("; ")
}

fn word(variant: impl serde::Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn estimate_cells(estimate: Option<Estimate>) -> [String; 3] {
    [
        number(estimate.map(|e| e.mean)),
        number(estimate.map(|e| e.low)),
        number(estimate.map(|e| e.high)),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.6}")).unwrap_or_default()
}

fn percent(estimate: Option<Estimate>) -> String {
    let text = |e: Estimate| {
        format!(
            "{:.1} [{:.1}, {:.1}]",
            100.0 * e.mean,
            100.0 * e.low,
            100.0 * e.high
        )
    };
    estimate.map(text).unwrap_or_default()
}

fn p_value(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".into()
    } else {
        format!("{p:.3}")
    }
}

/// Text that no spreadsheet takes for a formula.
fn plain(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Text that neither ends a Markdown cell nor makes a link or tag of it.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '<' | '`' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
