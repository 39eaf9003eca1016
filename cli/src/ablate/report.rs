//! How an ablation reads: a row an arm, and what the intervals let one say.

use cultivar_spec::TrialId;
use cultivar_spec::wire::{Comparison, Estimate};
use serde::Serialize;

use super::recipe::COMBINATION;
use crate::numbers::{percent, points, short};
use crate::table::{
    self,
    Column::{Number, Text},
};
use crate::verdict::{Shown, shown, why_not};

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub dataset: String,
    /// `val_top1`, or `test_top1` where the test split was opened.
    pub metric: String,
    /// Learning rates every arm tried on validation, with one seed.
    pub lrs: Vec<f64>,
    pub epochs: u32,
    pub resolution: u32,
    /// The baseline first.
    pub arms: Vec<Row>,
    /// Arms that have no result.
    pub missing: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub lr: f64,
    pub trials: Vec<TrialId>,
    pub top1: Estimate,
    pub vs_baseline: Option<Comparison>,
}

pub fn render(report: &Report) -> String {
    let split = match report.metric.as_str() {
        "test_top1" => "test",
        _ => "validation",
    };
    let tried: Vec<String> = report.lrs.iter().map(|lr| short(*lr)).collect();
    let mut parts = vec![format!(
        "What each method is worth on {}: {} epochs at {} px\n\
         Every arm tried the learning rates {} on validation; fresh seeds are read on the {split} split.\n\
         Differences to the baseline in points, with 95% intervals over groups of images and seeds.",
        report.dataset,
        report.epochs,
        report.resolution,
        tried.join(", ")
    )];
    let mut table = table::new(&[
        Text("Arm"),
        Number("LR"),
        Number("Seeds"),
        Number(match split {
            "test" => "Test % [95%]",
            _ => "Val % [95%]",
        }),
        Number("To baseline [95%]"),
        Number("p (Holm)"),
        Text("Verdict"),
    ]);
    for row in &report.arms {
        let gap = row.vs_baseline.as_ref();
        table.add_row([
            row.name.clone(),
            short(row.lr),
            row.trials.len().to_string(),
            percent(&row.top1),
            gap.map_or(String::new(), |gap| {
                points(gap.difference, gap.low, gap.high)
            }),
            gap.map_or(String::new(), |gap| p_value(gap.p_holm)),
            match report.shown(row) {
                None => "",
                Some(Shown::Better) => "helps",
                Some(Shown::Worse) => "hurts",
                Some(Shown::Nothing) => "no difference shown",
            }
            .to_owned(),
        ]);
    }
    parts.push(table::render(&table));
    parts.push(conclusion(report));
    if !report.missing.is_empty() {
        parts.push(format!("Without a result: {}.", report.missing.join(", ")));
    }
    parts.join("\n\n")
}

fn p_value(p: f64) -> String {
    match p {
        _ if p < 0.001 => "<0.001".into(),
        _ => format!("{p:.3}"),
    }
}

impl Report {
    /// Seeds of the baseline and of an arm.
    fn n_seeds(&self, row: &Row) -> [usize; 2] {
        let baseline = self.arms.first().map_or(0, |row| row.trials.len());
        [baseline, row.trials.len()]
    }

    /// Nothing of the baseline itself.
    fn shown(&self, row: &Row) -> Option<Shown> {
        let gap = row.vs_baseline.as_ref()?;
        Some(shown(gap, self.n_seeds(row)))
    }
}

fn conclusion(report: &Report) -> String {
    let named = |wanted: Shown| {
        let arms = report.arms.iter().filter(|row| row.name.starts_with("+ "));
        let named = arms.filter(|row| report.shown(row) == Some(wanted));
        let names: Vec<&str> = named.map(|row| &row.name[2..]).collect();
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        }
    };
    let mut lines = vec![format!(
        "Alone, these help: {}. These hurt: {}. Of the others these runs show no difference.",
        named(Shown::Better),
        named(Shown::Worse)
    )];
    let combination = report.arms.iter().find(|row| row.name == COMBINATION);
    if let Some(row) = combination
        && let Some(gap) = &row.vs_baseline
    {
        let interval = points(gap.difference, gap.low, gap.high);
        let n_seeds = report.n_seeds(row);
        lines.push(match shown(gap, n_seeds) {
            Shown::Better => format!("The combination gains {interval} points."),
            Shown::Worse => format!("The combination loses: {interval} points."),
            Shown::Nothing => {
                let why = why_not(gap, n_seeds);
                format!("The combination's difference is {interval} points, and no gain is shown: {why}.")
            }
        });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, difference: f64, p_holm: f64) -> Row {
        Row {
            name: name.into(),
            lr: 0.001,
            trials: vec![TrialId(uuid::Uuid::nil()); 5],
            top1: Estimate {
                mean: 0.6 + difference,
                low: 0.57 + difference,
                high: 0.63 + difference,
                n: 5,
            },
            vs_baseline: (name != "baseline").then_some(Comparison {
                difference,
                low: difference - 0.01,
                high: difference + 0.01,
                p_holm,
            }),
        }
    }

    #[test]
    fn a_report_says_what_helps_what_hurts_and_what_it_cannot_tell() {
        let report = Report {
            dataset: "open-emoji".into(),
            metric: "test_top1".into(),
            lrs: vec![3e-4, 1e-3],
            epochs: 8,
            resolution: 128,
            arms: vec![
                row("baseline", 0.0, 1.0),
                row("+ cutmix", 0.021, 0.0004),
                row("+ mish", -0.034, 0.012),
                row("+ ranger", 0.004, 1.0),
                row("combination", 0.008, 0.8),
            ],
            missing: vec!["+ one cycle".into()],
        };
        insta::assert_snapshot!(render(&report));
    }
}
