//! How a tuning reads: a row a backbone, what fine-tuning brought, and what to do next.

use cultivar_spec::TrialId;
use cultivar_spec::backbones::checkpoint;
use cultivar_spec::wire::{Comparison, Estimate};
use serde::Serialize;

use crate::numbers::{clock, counted, percent, points, short};
use crate::table::{
    self,
    Column::{Number, Text},
};
use crate::verdict::{Shown, shown, why_not};

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub dataset: String,
    /// `val_top1`, or `test_top1` where the test split was opened: what differences are read on.
    pub metric: String,
    /// Side of the images that probes saw, in pixels.
    pub probe_resolution: u32,
    /// Fine-tuned backbones first, best first by validation; then the others by their probes.
    pub rows: Vec<Row>,
    /// The best fine-tuned backbone minus its own probe.
    pub gain: Option<Comparison>,
    /// Backbones that the server has no pretrained weights of.
    pub left_out: Vec<String>,
    /// Backbones whose probe has no result.
    pub missing: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub backbone: String,
    pub probe: Probe,
    pub tuned: Option<Tuned>,
    /// What training took in all, every rate and seed included.
    pub seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    pub trial: TrialId,
    /// That one and, of a backbone that is fine-tuned, those with the other seeds.
    pub trials: Vec<TrialId>,
    pub lr: f64,
    pub val_top1: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tuned {
    pub trials: Vec<TrialId>,
    pub lr: f64,
    pub epochs: u32,
    pub resolution: u32,
    pub val_top1: Estimate,
    pub test_top1: Option<Estimate>,
    /// Absent for the best itself.
    pub vs_best: Option<Comparison>,
}

pub fn render(report: &Report) -> String {
    let n_tuned = report.tuned().count();
    let mut parts = vec![format!(
        "What to fine-tune on {}: {} probed, {n_tuned} fine-tuned\n\
         A probe is a linear head on frozen features at {} px. Validation chose backbones and rates, which flatters its numbers.\n\
         {}",
        report.dataset,
        counted(report.rows.len() as u64, "backbone"),
        report.probe_resolution,
        report.intervals()
    )];
    parts.push(rows(report));
    if let Some((best, tuned)) = report.tuned().next() {
        parts.push(conclusion(report, best, tuned));
        parts.push(next(report, best, tuned));
    } else {
        parts.push("Nothing is fine-tuned yet.".into());
    }
    if !report.left_out.is_empty() {
        parts.push(remedy(&report.left_out));
    }
    if !report.missing.is_empty() {
        parts.push(format!("Without a result: {}.", report.missing.join(", ")));
    }
    parts.join("\n\n")
}

/// Names backbones that the server has no weights of, and how it gets them.
pub fn remedy(left_out: &[String]) -> String {
    let mut lines = vec![format!(
        "Left out, since the server has no pretrained weights of them: {}. To have them ranked:",
        left_out.join(", ")
    )];
    lines.extend(left_out.iter().map(|backbone| {
        let file = match checkpoint(backbone) {
            Some(_) => "",
            None => " FILE.safetensors",
        };
        format!("  cultivar weights add {backbone}{file}")
    }));
    lines.join("\n")
}

impl Report {
    fn tuned(&self) -> impl Iterator<Item = (&Row, &Tuned)> {
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((row, row.tuned.as_ref()?)))
    }

    /// What the intervals cover.
    fn intervals(&self) -> &'static str {
        let mut tuned = self.tuned();
        match tuned.any(|(_, tuned)| tuned.trials.len() > 1) {
            true => "Intervals are 95%, over groups of images and seeds.",
            false => "Intervals are 95%, over groups of images: one seed tells nothing of others.",
        }
    }

    fn split(&self) -> &'static str {
        match self.metric.as_str() {
            "test_top1" => "test",
            _ => "validation",
        }
    }
}

fn rows(report: &Report) -> String {
    let has_test = report.split() == "test";
    let mut columns = vec![
        Text("Backbone"),
        Number("Probe val %"),
        Number("Epochs"),
        Number("px"),
        Number("LR"),
        Number("Seeds"),
        Number("Val % [95%]"),
    ];
    if has_test {
        columns.push(Number("Test % [95%]"));
    }
    columns.extend([Number("To the best [95%]"), Number("Time")]);
    let mut table = table::new(&columns);
    for row in &report.rows {
        let mut cells = vec![
            row.backbone.clone(),
            format!("{:.1}", row.probe.val_top1 * 100.0),
        ];
        match &row.tuned {
            Some(tuned) => {
                cells.extend([
                    tuned.epochs.to_string(),
                    tuned.resolution.to_string(),
                    short(tuned.lr),
                    tuned.trials.len().to_string(),
                    percent(&tuned.val_top1),
                ]);
                if has_test {
                    cells.push(tuned.test_top1.as_ref().map(percent).unwrap_or_default());
                }
                cells.push(tuned.vs_best.as_ref().map(interval).unwrap_or_default());
            }
            None => cells.resize(columns.len() - 1, String::new()),
        }
        cells.push(clock(row.seconds));
        table.add_row(cells);
    }
    table::render(&table)
}

fn interval(gap: &Comparison) -> String {
    points(gap.difference, gap.low, gap.high)
}

fn conclusion(report: &Report, best: &Row, tuned: &Tuned) -> String {
    let (name, split) = (&best.backbone, report.split());
    let n_best = tuned.trials.len();
    let mut lines = Vec::new();
    if let Some(gain) = &report.gain {
        let (points, n_seeds) = (interval(gain), [best.probe.trials.len(), n_best]);
        lines.push(match shown(gain, n_seeds) {
            Shown::Better => format!("Fine-tuning {name} gains {points} points on {split} over its probe."),
            Shown::Worse => format!("Fine-tuning {name} loses to its probe: {points} points on {split}."),
            Shown::Nothing => format!(
                "Fine-tuning {name} is {points} points from its probe on {split}, and no gain is shown: {}.",
                why_not(gain, n_seeds)
            ),
        });
    }
    for (row, tuned) in report.tuned() {
        let Some(gap) = &tuned.vs_best else {
            continue;
        };
        let n_seeds = [n_best, tuned.trials.len()];
        let standing = match shown(gap, n_seeds) {
            Shown::Worse => format!("is worse on {split}"),
            Shown::Better => format!("is better on {split}"),
            Shown::Nothing => format!("may be as good on {split}: {}", why_not(gap, n_seeds)),
        };
        lines.push(format!("Beside it, {} {standing}.", row.backbone));
    }
    lines.join("\n")
}

fn next(report: &Report, best: &Row, tuned: &Tuned) -> String {
    let mut lines = vec!["Next:".to_owned()];
    lines.extend(tuned.trials.first().map(|trial| {
        format!(
            "  cultivar export {trial} --out {}.safetensors",
            best.backbone
        )
    }));
    if report.split() != "test" {
        lines.push(
            "  the same command with --test opens the test split for these models; openings are counted"
                .into(),
        );
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(difference: f64) -> Comparison {
        Comparison {
            difference,
            low: difference - 0.012,
            high: difference + 0.012,
            p_holm: 0.2,
        }
    }

    fn estimate(mean: f64) -> Estimate {
        Estimate {
            mean,
            low: mean - 0.02,
            high: mean + 0.02,
            n: 2,
        }
    }

    fn row(backbone: &str, probe: f64, tuned: Option<f64>, n_seeds: usize) -> Row {
        let trial = TrialId(uuid::Uuid::nil());
        Row {
            backbone: backbone.into(),
            probe: Probe {
                trial,
                trials: vec![trial; n_seeds.max(1)],
                lr: 0.004,
                val_top1: probe,
            },
            tuned: tuned.map(|val_top1| Tuned {
                trials: vec![trial; n_seeds],
                lr: 0.0002,
                epochs: 31,
                resolution: 224,
                val_top1: estimate(val_top1),
                test_top1: None,
                vs_best: None,
            }),
            seconds: 754.0,
        }
    }

    fn report() -> Report {
        let mut second = row("efficientnet_b3", 0.604, Some(0.671), 1);
        second.tuned.as_mut().unwrap().vs_best = Some(comparison(-0.011));
        Report {
            dataset: "open-emoji".into(),
            metric: "val_top1".into(),
            probe_resolution: 224,
            rows: vec![
                row("convnext_base", 0.641, Some(0.682), 1),
                second,
                row("resnet50", 0.552, None, 0),
            ],
            gain: Some(comparison(0.041)),
            left_out: vec!["tf_efficientnetv2_s".into(), "efficientnet_b7".into()],
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_report_ranks_and_says_what_comes_next() {
        let report = report();
        insta::assert_snapshot!(render(&report));
    }

    #[test]
    fn the_test_split_and_seeds_are_told_where_they_are_there() {
        let mut report = report();
        report.metric = "test_top1".into();
        report.left_out.clear();
        report.missing = vec!["vit_base_patch16_224".into()];
        report.gain = Some(comparison(0.004));
        for (row, test) in report.rows.iter_mut().zip([0.66, 0.64]) {
            let tuned = row.tuned.as_mut().unwrap();
            tuned.trials.push(TrialId(uuid::Uuid::nil()));
            row.probe.trials = tuned.trials.clone();
            tuned.test_top1 = Some(estimate(test));
        }
        let second = report.rows[1].tuned.as_mut().unwrap();
        second.vs_best = Some(comparison(-0.02));
        insta::assert_snapshot!(render(&report));
    }

    #[test]
    fn probes_alone_are_a_report_too() {
        let mut report = report();
        report.rows.drain(..2);
        report.gain = None;
        let text = render(&report);
        assert!(text.contains("1 backbone probed, 0 fine-tuned"), "{text}");
        assert!(text.contains("Nothing is fine-tuned yet"), "{text}");
    }
}
