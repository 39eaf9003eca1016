//! How a transfer report reads: a sentence for each of the three benefits, the arms as a table, and what the
//! runs do not show.

use cultivar_spec::wire::{Asymptote, Estimate, Slope, TransferArm, TransferReport, TransferStudy};

use crate::numbers::{percent, points, short};
use crate::table::{
    self,
    Column::{Number, Text},
};

/// The whole report. The first study is told in full, the others by their verdicts.
pub fn render(report: &TransferReport) -> String {
    let mut parts = Vec::new();
    for (idx, study) in report.studies.iter().enumerate() {
        let head = format!(
            "What pretrained weights are worth on {}: {}, {}",
            report.dataset, study.backbone, study.label
        );
        let read_on = match study.metric.as_str() {
            "test_top1" => {
                "Read on the test split: pretrained minus random, in points, with 95% intervals."
            }
            _ => {
                "Read on validation, by which learning rates were chosen: pretrained minus random, in points, with 95% intervals."
            }
        };
        parts.push(match idx {
            0 => format!("{head}\n{read_on}"),
            _ => head,
        });
        parts.push(verdicts(study));
        if idx == 0 {
            parts.push(arms(study));
        }
    }
    if report.studies.is_empty() {
        parts.push(format!("Nothing to compare on {} yet.", report.dataset));
    }
    if !report.notes.is_empty() {
        let notes: Vec<String> = report
            .notes
            .iter()
            .map(|note| format!("- {note}"))
            .collect();
        parts.push(format!("To read this right:\n{}", notes.join("\n")));
    }
    parts.join("\n\n")
}

fn verdicts(study: &TransferStudy) -> String {
    let start = match &study.start {
        None => "not known: no matched linear heads have run".to_owned(),
        Some(difference) => format!(
            "{}  a linear head on frozen features {}",
            gap(difference),
            verdict(difference)
        ),
    };
    let slope = study
        .slope
        .as_ref()
        .map_or("not known: no shorter budget has run".to_owned(), slope);
    let (name, end) = match &study.asymptote {
        None => (
            "asymptote".to_owned(),
            "not known: no budget was run with both kinds of weights".to_owned(),
        ),
        Some(asymptote) => asymptote_words(asymptote),
    };
    let lines = [
        ("start".to_owned(), start),
        ("slope".to_owned(), slope),
        (name, end),
    ];
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = lines
        .iter()
        .map(|(name, words)| format!("  {name:width$}  {words}"))
        .collect();
    lines.join("\n")
}

fn asymptote_words(asymptote: &Asymptote) -> (String, String) {
    let epochs = counted_epochs(asymptote.epochs);
    let name = match asymptote.converged {
        true => "asymptote".to_owned(),
        false => format!("difference at {epochs}"),
    };
    let words = format!(
        "{}  after {epochs} of full fine-tuning {}",
        gap(&asymptote.difference),
        verdict(&asymptote.difference)
    );
    (name, words)
}

fn slope(slope: &Slope) -> String {
    let interval = format!("[{:.1}, {:.1}]", slope.low, slope.high);
    if !slope.reached {
        return format!(
            "below {:.1} times {interval}  pretrained weights did not reach the random arm's best",
            slope.ratio
        );
    }
    let ratio = match slope.at_least {
        true => format!("at least {:.1} times", slope.ratio),
        false => format!("{:.1} times", slope.ratio),
    };
    format!("{ratio} {interval}  as many epochs from random weights for the same accuracy")
}

fn gap(difference: &Estimate) -> String {
    points(difference.mean, difference.low, difference.high)
}

/// What the interval lets one say, and no more.
fn verdict(difference: &Estimate) -> &'static str {
    if difference.low > 0.0 {
        "is better with pretrained weights"
    } else if difference.high < 0.0 {
        "is worse with pretrained weights"
    } else {
        "shows no difference: the interval holds zero"
    }
}

fn arms(study: &TransferStudy) -> String {
    let all = || study.pretrained.iter().chain(&study.random);
    let has_test = all().any(|arm| arm.test_top1.is_some());
    let mut columns = vec![
        Text("Weights"),
        Number("Epochs"),
        Number("LR"),
        Text("LRs tried"),
        Number("Seeds"),
        Number("Val % [95%]"),
    ];
    if has_test {
        columns.push(Number("Test % [95%]"));
    }
    let mut table = table::new(&columns);
    for (name, arms) in [("pretrained", &study.pretrained), ("random", &study.random)] {
        for arm in arms {
            let mut cells = row(name, arm);
            if has_test {
                cells.push(arm.test_top1.as_ref().map(percent).unwrap_or_default());
            }
            table.add_row(cells);
        }
    }
    table::render(&table)
}

fn row(name: &str, arm: &TransferArm) -> Vec<String> {
    let tried: Vec<String> = arm.lrs_tried.iter().map(|lr| short(*lr)).collect();
    vec![
        name.to_owned(),
        arm.epochs.to_string(),
        short(arm.lr),
        tried.join(", "),
        arm.trials.len().to_string(),
        percent(&arm.val_top1),
    ]
}

fn counted_epochs(epochs: u32) -> String {
    match epochs {
        1 => "1 epoch".into(),
        n => format!("{n} epochs"),
    }
}

/// A report with everything in it.
#[cfg(test)]
pub fn example() -> TransferReport {
    use cultivar_spec::{Sha256Digest, TrialId};
    let estimate = |mean: f64, n| Estimate {
        mean,
        low: mean - 0.024,
        high: mean + 0.026,
        n,
    };
    let arm = |epochs, lr, val| TransferArm {
        config_id: Sha256Digest::of(b"arm"),
        epochs,
        lr,
        lrs_tried: if epochs == 2 {
            vec![0.02, 0.08]
        } else {
            vec![lr]
        },
        trials: vec![TrialId(uuid::Uuid::nil()); 2],
        val_top1: estimate(val, 2),
        test_top1: Some(estimate(val - 0.012, 2)),
    };
    TransferReport {
        dataset: "open-emoji".into(),
        studies: vec![TransferStudy {
            backbone: "efficientnet_lite0".into(),
            label: "96 px, sgd, one_cycle".into(),
            metric: "test_top1".into(),
            pretrained: vec![arm(1, 0.08, 0.312), arm(2, 0.08, 0.431)],
            random: vec![arm(2, 0.02, 0.117)],
            start: Some(estimate(0.214, 2)),
            slope: Some(Slope {
                ratio: 2.0,
                low: 2.0,
                high: 2.0,
                at_least: true,
                reached: true,
            }),
            asymptote: Some(Asymptote {
                epochs: 2,
                difference: estimate(0.314, 2),
                converged: false,
            }),
        }],
        notes: vec![
            "asymptote: 2 epochs were not compared with half as many in both arms, so this is a difference at 2 epochs".into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_well() {
        insta::assert_snapshot!(render(&example()));
    }

    #[test]
    fn what_is_too_little_is_said() {
        let mut report = example();
        let study = &mut report.studies[0];
        study.start = None;
        study.metric = "val_top1".into();
        study.slope = Some(Slope {
            ratio: 0.5,
            low: 0.0,
            high: 1.0,
            at_least: false,
            reached: false,
        });
        study.asymptote = Some(Asymptote {
            epochs: 8,
            difference: Estimate {
                mean: -0.004,
                low: -0.02,
                high: 0.012,
                n: 2,
            },
            converged: true,
        });
        study
            .pretrained
            .iter_mut()
            .chain(&mut study.random)
            .for_each(|arm| arm.test_top1 = None);
        insta::assert_snapshot!(render(&report));
    }

    #[test]
    fn nothing_at_all_is_said_too() {
        let report = TransferReport {
            studies: Vec::new(),
            ..example()
        };
        assert!(render(&report).starts_with("Nothing to compare on open-emoji yet."));
    }
}
