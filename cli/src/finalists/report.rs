//! How the finalists read: the race, then the verdict on test.

use cultivar_spec::wire::CompareReport;
use serde::Serialize;

use crate::numbers::{percent, points};
use crate::table::{
    self,
    Column::{Number, Text},
};

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub sweep: String,
    /// What the race is run by.
    pub metric: String,
    pub confidence: f64,
    /// Best of the sweep first.
    pub racers: Vec<Racer>,
    pub outcome: Outcome,
    /// Baseline and finalist on the test split, where it was opened.
    pub on_test: Option<CompareReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Racer {
    pub label: String,
    /// Of its fresh seeds, in order; null for a run that failed.
    pub values: Vec<f64>,
}

/// How the race ended.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    Separated { winner: String },
    Undecided { leader: String, rivals: Vec<String> },
    Running { owed: Vec<String> },
    AllFailed {},
}

pub fn render(report: &Report) -> String {
    let confidence = format!("{:.4}", 100.0 * report.confidence);
    let confidence = confidence.trim_end_matches('0').trim_end_matches('.');
    let mut table = table::new(&[
        Text("Configuration"),
        Number("Seeds"),
        Number("Mean"),
        Text("By seed"),
    ]);
    for racer in &report.racers {
        let n = racer.values.len();
        let mean = racer.values.iter().sum::<f64>() / n as f64;
        let by_seed: Vec<String> = racer.values.iter().map(|value| four(*value)).collect();
        table.add_row([
            racer.label.clone(),
            n.to_string(),
            if n > 0 { four(mean) } else { String::new() },
            by_seed.join(" "),
        ]);
    }
    let n_runs: usize = report.racers.iter().map(|racer| racer.values.len()).sum();
    let outcome = match &report.outcome {
        Outcome::Separated { winner } => {
            format!(
                "{winner} is the best of them at {confidence}% confidence, after {n_runs} runs."
            )
        }
        Outcome::Undecided { leader, rivals } => format!(
            "{leader} leads after {n_runs} runs; at {confidence}% confidence {} not shown to be worse.",
            match rivals.as_slice() {
                [one] => format!("{one} is"),
                many => format!("{} are", many.join(" and ")),
            }
        ),
        Outcome::Running { owed } => {
            format!("The race is not over: {} owed a run.", owed.join(" and "))
        }
        Outcome::AllFailed {} => "Every racer has failed.".into(),
    };
    let mut parts = vec![
        format!(
            "The best of {} on fresh seeds, by {}",
            report.sweep, report.metric
        ),
        table::render(&table),
        outcome,
    ];
    if let Some(compared) = &report.on_test {
        parts.push(render_test(compared));
    }
    parts.join("\n\n")
}

fn render_test(compared: &CompareReport) -> String {
    let mut table = table::new(&[
        Text("On test"),
        Number("Seeds"),
        Number("Top-1 % [95%]"),
        Number("Difference [95%]"),
        Number("p"),
    ]);
    for arm in &compared.arms {
        let vs = arm.vs_first.as_ref();
        table.add_row([
            arm.name.clone(),
            arm.top1.n.to_string(),
            percent(&arm.top1),
            vs.map_or(String::new(), |vs| points(vs.difference, vs.low, vs.high)),
            vs.map_or(String::new(), |vs| format!("{:.1e}", vs.p_holm)),
        ]);
    }
    let gaps = compared.arms.iter().filter_map(|arm| arm.vs_first.as_ref());
    let verdicts = gaps.map(
        |gap| match (gap.low > 0.0, gap.high < 0.0, gap.p_holm <= 0.05) {
            (true, _, true) => "The finalist is better than the baseline.",
            (_, true, true) => "The finalist is worse than the baseline.",
            _ => "No difference from the baseline is shown.",
        },
    );
    let verdict: Vec<&str> = verdicts.collect();
    format!(
        "Trained on training and validation images, fresh seeds:\n{}\n{}",
        table::render(&table),
        verdict.join("\n")
    )
}

fn four(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::wire::{ComparedArm, Comparison, Estimate};

    #[test]
    fn a_report_says_who_won_and_whether_it_beats_the_baseline() {
        let racer = |label: &str, values: &[f64]| Racer {
            label: label.into(),
            values: values.to_vec(),
        };
        let top1 = |mean: f64| Estimate {
            mean,
            low: mean - 0.02,
            high: mean + 0.02,
            n: 5,
        };
        let report = Report {
            sweep: "heads".into(),
            metric: "val_top1".into(),
            confidence: 0.95,
            racers: vec![
                racer("sgd lr 0.3", &[0.61, 0.62, 0.6]),
                racer("adamw lr 0.01", &[0.55, 0.551]),
            ],
            outcome: Outcome::Separated {
                winner: "sgd lr 0.3".into(),
            },
            on_test: Some(CompareReport {
                dataset: "open-emoji".into(),
                metric: "test_top1".into(),
                arms: vec![
                    ComparedArm {
                        name: "baseline".into(),
                        top1: top1(0.5),
                        vs_first: None,
                    },
                    ComparedArm {
                        name: "finalist".into(),
                        top1: top1(0.58),
                        vs_first: Some(Comparison {
                            difference: 0.08,
                            low: 0.05,
                            high: 0.11,
                            p_holm: 1e-6,
                        }),
                    },
                ],
            }),
        };
        insta::assert_snapshot!(render(&report));
    }
}
