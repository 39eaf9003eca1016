//! How the finalists read: the race, then the verdict on test.

use cultivar_spec::wire::{CompareArm, CompareReport, Comparison, RaceReport, RacedArm, Standing};
use serde::Serialize;

use crate::numbers::{counted, percent, points, short};
use crate::table::{
    self,
    Column::{Number, Text},
};
use crate::verdict::{Shown, shown, why_not};

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub sweep: String,
    /// What the race is run by.
    pub metric: String,
    pub confidence: f64,
    /// As the server decided it, arms best of the sweep first.
    pub race: RaceReport,
    /// Where the test split was opened for both.
    pub on_test: Option<OnTest>,
}

/// Baseline and finalist on the test split.
#[derive(Clone, Debug, Serialize)]
pub struct OnTest {
    /// What the finalist is held against.
    pub baseline: String,
    /// Learning rates that validation chose the baseline's from.
    pub lrs: Vec<f64>,
    pub lr: f64,
    pub trials: Vec<CompareArm>,
    pub compared: CompareReport,
    /// Of the dataset, by whomever.
    pub n_test_accesses: u64,
}

pub fn render(report: &Report) -> String {
    let mut table = table::new(&[
        Text("Configuration"),
        Number("Seeds"),
        Number("Mean"),
        Text("By seed"),
    ]);
    for arm in &report.race.arms {
        let scored: Vec<f64> = arm.values.iter().copied().flatten().collect();
        let mean = scored.iter().sum::<f64>() / scored.len() as f64;
        let by_seed = arm.values.iter();
        let by_seed = by_seed.map(|value| value.map_or("failed".into(), four));
        table.add_row([
            arm.name.clone(),
            arm.values.len().to_string(),
            match scored.is_empty() {
                true => String::new(),
                false => four(mean),
            },
            by_seed.collect::<Vec<_>>().join(" "),
        ]);
    }
    let mut parts = vec![
        format!(
            "The best of {} on fresh seeds, by {}",
            report.sweep, report.metric
        ),
        table::render(&table),
        standing(report),
    ];
    parts.extend(report.on_test.as_ref().map(on_test));
    parts.join("\n\n")
}

fn standing(report: &Report) -> String {
    let RaceReport { standing, arms } = &report.race;
    let confidence = format!("{:.4}", 100.0 * report.confidence);
    let confidence = confidence.trim_end_matches('0').trim_end_matches('.');
    let n_runs = arms.iter().map(|arm| arm.values.len() as u64).sum();
    let runs = counted(n_runs, "run");
    let has_failed = |arm: &&RacedArm| arm.values.contains(&None);
    let (failed, sound): (Vec<_>, Vec<_>) = arms.iter().partition(has_failed);
    let failed: Vec<&str> = failed.iter().map(|arm| &*arm.name).collect();
    let failed = failed.join(" and ");
    match standing {
        Standing::Separated { winner } if arms.len() == 1 => {
            format!("{winner} is alone: there was nothing to race.")
        }
        Standing::Separated { winner } if failed.is_empty() => {
            format!("{winner} is the best of them at {confidence}% confidence, after {runs}.")
        }
        Standing::Separated { winner } if sound.len() == 1 => {
            format!(
                "{winner} is the only one left after {runs}: {failed} failed, so nothing was compared."
            )
        }
        Standing::Separated { winner } => format!(
            "{winner} is the best of those that did not fail at {confidence}% confidence, after {runs}; {failed} failed."
        ),
        Standing::Undecided { leader, rivals } => format!(
            "{leader} leads after {runs}; at {confidence}% confidence {} not shown to be worse.",
            are(rivals)
        ),
        Standing::Running { next } => format!("The race is not over: {} owed a run.", are(next)),
        Standing::AllFailed {} => "Every racer has failed.".into(),
    }
}

fn are(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(" and ")),
    }
}

fn on_test(found: &OnTest) -> String {
    let tried: Vec<String> = found.lrs.iter().map(|lr| short(*lr)).collect();
    let rate = match tried.as_slice() {
        [_] => String::new(),
        _ => format!(
            ", at {}, the best on validation of the learning rates {}",
            short(found.lr),
            tried.join(" and ")
        ),
    };
    let mut table = table::new(&[
        Text("On test"),
        Number("Seeds"),
        Number("Top-1 % [95%]"),
        Number("Difference [95%]"),
        Number("p"),
    ]);
    for arm in &found.compared.arms {
        let gap = arm.vs_first.as_ref();
        table.add_row([
            arm.name.clone(),
            arm.top1.n.to_string(),
            percent(&arm.top1),
            gap.map_or(String::new(), |gap| {
                points(gap.difference, gap.low, gap.high)
            }),
            gap.map_or(String::new(), |gap| format!("{:.1e}", gap.p_holm)),
        ]);
    }
    let arms = &found.compared.arms;
    let n_first = arms.first().map_or(0, |arm| arm.top1.n as usize);
    let gaps = arms.iter().filter_map(|arm| {
        Some(verdict(
            arm.vs_first.as_ref()?,
            [n_first, arm.top1.n as usize],
        ))
    });
    let n_opened = found.trials.iter().map(|arm| arm.trials.len() as u64).sum();
    let mut lines = vec![
        format!("The baseline is {}{rate}.", found.baseline),
        "Both were trained on training and validation images, with fresh seeds.".into(),
        table::render(&table),
    ];
    lines.extend(gaps);
    lines.push(format!(
        "{} opened the test split of {}, which has been opened {} in all.",
        counted(n_opened, "run"),
        found.compared.dataset,
        counted(found.n_test_accesses, "time")
    ));
    lines.join("\n")
}

fn verdict(gap: &Comparison, n_seeds: [usize; 2]) -> String {
    match shown(gap, n_seeds) {
        Shown::Better => "The finalist is better than the baseline.".into(),
        Shown::Worse => "The finalist is worse than the baseline.".into(),
        Shown::Nothing => {
            let why = why_not(gap, n_seeds);
            format!("No difference from the baseline is shown: {why}.")
        }
    }
}

fn four(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::TrialId;
    use cultivar_spec::wire::{ComparedArm, Estimate, RacedArm};

    fn compared(name: &str, mean: f64, difference: Option<f64>) -> ComparedArm {
        ComparedArm {
            name: name.into(),
            top1: Estimate {
                mean,
                low: mean - 0.02,
                high: mean + 0.02,
                n: 5,
            },
            vs_first: difference.map(|difference| Comparison {
                difference,
                low: difference - 0.03,
                high: difference + 0.03,
                p_holm: 1e-6,
            }),
        }
    }

    fn report(standing: Standing) -> Report {
        let raced = |name: &str, values: &[Option<f64>]| RacedArm {
            name: name.into(),
            values: values.to_vec(),
        };
        let opened = |name: &str| CompareArm {
            name: name.into(),
            trials: vec![TrialId(uuid::Uuid::nil()); 5],
        };
        Report {
            sweep: "heads".into(),
            metric: "val_top1".into(),
            confidence: 0.95,
            race: RaceReport {
                standing,
                arms: vec![
                    raced("sgd lr=0.3", &[Some(0.61), Some(0.62), Some(0.6)]),
                    raced("adamw lr=0.01", &[Some(0.55), Some(0.551)]),
                    raced("adamw lr=0.1", &[Some(0.52), None]),
                ],
            },
            on_test: Some(OnTest {
                baseline: "the shipped default recipe".into(),
                lrs: vec![2e-4, 1e-3],
                lr: 1e-3,
                trials: vec![opened("baseline"), opened("finalist")],
                compared: CompareReport {
                    dataset: "open-emoji".into(),
                    metric: "test_top1".into(),
                    arms: vec![
                        compared("baseline", 0.5, None),
                        compared("finalist", 0.58, Some(0.08)),
                    ],
                },
                n_test_accesses: 14,
            }),
        }
    }

    #[test]
    fn a_report_says_who_won_and_whether_it_beats_the_baseline() {
        let winner = "sgd lr=0.3".to_owned();
        insta::assert_snapshot!(render(&report(Standing::Separated { winner })));
    }

    #[test]
    fn a_race_without_a_winner_says_so() {
        let check = |standing: Standing, expect: &str| {
            let mut report = report(standing);
            report.on_test = None;
            let text = render(&report);
            assert!(text.ends_with(expect), "{text}");
        };
        check(
            Standing::Undecided {
                leader: "a".into(),
                rivals: vec!["b".into()],
            },
            "a leads after 7 runs; at 95% confidence b is not shown to be worse.",
        );
        check(
            Standing::Running {
                next: vec!["a".into(), "b".into()],
            },
            "The race is not over: a and b are owed a run.",
        );
        check(Standing::AllFailed {}, "Every racer has failed.");
    }

    #[test]
    fn only_what_interval_and_p_value_show_is_claimed() {
        let gap = |difference: f64, p_holm: f64| Comparison {
            difference,
            low: difference - 0.03,
            high: difference + 0.03,
            p_holm,
        };
        assert!(verdict(&gap(0.05, 0.01), [5, 5]).contains("better"));
        assert!(verdict(&gap(-0.05, 0.01), [5, 5]).contains("worse"));
        for unshown in [gap(0.05, 0.06), gap(0.02, 0.01)] {
            assert!(verdict(&unshown, [5, 5]).starts_with("No difference"));
        }
    }
}
