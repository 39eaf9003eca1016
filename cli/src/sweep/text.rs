//! How sweeps read.

use cultivar_spec::space::Node;
use cultivar_spec::wire::{
    Interval, Recommendation, SweepDetail, SweepEstimate, SweepPreview, SweepView, TrialView,
};
use cultivar_spec::{SweepId, TrialState};
use serde_json::Value;

use crate::numbers::{ago, count, counted, percent_of, roughly};
use crate::table::{
    self,
    Column::{Number, Text},
};

pub fn submitted(sweep: &SweepView) -> String {
    format!(
        "{} on {}: {} queued ({})",
        sweep.name,
        sweep.dataset,
        counted(sweep.n_planned, "trial"),
        sweep.id
    )
}

pub fn headline(sweep: &SweepView) -> String {
    let states: Vec<String> = TrialState::ALL
        .iter()
        .filter(|state| sweep.count(**state) > 0)
        .map(|state| format!("{} {}", count(sweep.count(*state)), state.name()))
        .collect();
    format!(
        "{} on {}: {}: {}",
        sweep.name,
        sweep.dataset,
        counted(sweep.n_trials, "trial"),
        states.join(", ")
    )
}

/// What it has taken, and what is left.
pub fn so_far(detail: &SweepDetail) -> String {
    let budget = &detail.budget;
    let mut said = format!("spent {} of training", roughly(budget.spent_s));
    if let Some(left) = budget.left_s.filter(|left| left.expected > 0.0) {
        said += &format!(", {} left", between(&left));
    }
    if let Some(finish) = budget.finish_s.filter(|finish| finish.expected > 0.0) {
        said += &format!(", done in {} at this pace", between(&finish));
    }
    said
}

fn between(interval: &Interval) -> String {
    format!(
        "{} ({} to {})",
        roughly(interval.expected),
        roughly(interval.low),
        roughly(interval.high)
    )
}

pub fn estimated(estimate: &SweepEstimate) -> String {
    let trials = counted(estimate.n_trials, "trial");
    let Some(training) = &estimate.training_s else {
        return format!(
            "{trials}; how long they take is unknown: no completed trial tells of {}",
            estimate.unmeasured.join(", ")
        );
    };
    let measured = counted(estimate.n_measured, "completed trial");
    let finish = match &estimate.finish_s {
        Some(finish) => format!(
            "done in {} on {}",
            between(finish),
            counted(estimate.n_workers, "worker")
        ),
        None => "no worker is there to train them".into(),
    };
    format!(
        "{trials}: {} of training; {finish}\nfrom {measured} like them; 95% intervals",
        between(training)
    )
}

pub fn list(sweeps: &[SweepView]) -> String {
    if sweeps.is_empty() {
        return "no sweeps yet: cultivar sweep submit FILE.yaml".into();
    }
    let mut table = table::new(&[
        Text("Sweep"),
        Text("Name"),
        Text("Dataset"),
        Number("Trials"),
        Number("Completed"),
        Number("Failed"),
        Text("State"),
        Text("Submitted"),
    ]);
    let now = chrono::Utc::now();
    for sweep in sweeps {
        let state = match (sweep.cancelled_at, sweep.finished, sweep.paused_at) {
            (Some(_), ..) => "cancelled",
            (None, true, _) => "finished",
            (None, false, Some(_)) => "paused",
            (None, false, None) => "running",
        };
        table.add_row([
            sweep.id.to_string(),
            sweep.name.clone(),
            sweep.dataset.clone(),
            count(sweep.n_planned),
            count(sweep.count(TrialState::Completed)),
            count(sweep.count(TrialState::Failed)),
            state.to_owned(),
            ago(sweep.created_at, now),
        ]);
    }
    table::render(&table)
}

/// Trials with their validation accuracy.
pub fn trial_table(trials: &[TrialView]) -> String {
    let mut table = table::new(&[
        Text("Trial"),
        Text("Configuration"),
        Number("Seed"),
        Text("State"),
        Number("Val %"),
        Number("Attempts"),
    ]);
    for trial in trials {
        let val_top1 = trial.metrics.get("val_top1");
        table.add_row([
            trial.id.to_string(),
            trial.label.clone(),
            trial.seed.to_string(),
            trial.state.name().to_owned(),
            val_top1.map_or(String::new(), |value| percent_of(*value)),
            trial.n_attempts.to_string(),
        ]);
    }
    table::render(&table)
}

pub fn recommended(sweep: SweepId, found: &Recommendation) -> String {
    let Some(config) = &found.config else {
        return "nothing can be recommended yet: no configuration has a result".into();
    };
    let trials: Vec<String> = config.trials.iter().map(ToString::to_string).collect();
    format!(
        "{}\nmeasured: {:.4}, the mean of {}; the best expected value by the results of {}\ntrials: {}\n\
         Show that it is better than another: cultivar finalists {sweep}",
        config.label,
        config.mean,
        counted(config.n_seeds.into(), "seed"),
        counted(found.n_results as u64, "configuration"),
        trials.join(" "),
    )
}

/// What a sweep varies, how many configurations that comes to, and some of them.
pub fn sample(space: &Value, preview: &SweepPreview) -> String {
    let size = match preview.space_size {
        Some(size) => counted(size, "point"),
        None => "without end".into(),
    };
    let mut lines = vec![format!("the space: {size}")];
    add_params(space, "", &mut lines);
    lines.push(format!(
        "{}, {} with the seeds; the first change in the base:",
        counted(preview.n_configs, "configuration"),
        counted(preview.n_trials, "trial")
    ));
    lines.extend(preview.samples.iter().map(|sample| format!("  {sample}")));
    lines.join("\n")
}

/// A line for each parameter: its place in the spec, and what it is drawn from.
fn add_params(space: &Value, place: &str, lines: &mut Vec<String>) {
    match (Node::parse(space), space) {
        (Ok(Node::Object(_)), Value::Object(fields)) => {
            for (name, inner) in fields {
                let place = match place {
                    "" => name.clone(),
                    outer => format!("{outer}.{name}"),
                };
                add_params(inner, &place, lines);
            }
        }
        _ => lines.push(format!("  {place}: {space}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preview_shows_the_space_the_count_and_samples() {
        let space = json!({
            "optimizer": {"choice": [
                {"kind": "sgd", "lr": {"log_uniform": [0.01, 1.0]}},
                {"kind": "adamw", "lr": {"choice": [0.001, 0.01]}},
            ]},
            "fit": {"epochs": 3, "batch_size": {"choice": [32, 64]}},
        });
        let preview = SweepPreview {
            space_size: None,
            n_configs: 20,
            n_trials: 40,
            samples: vec![json!({"fit": {"batch_size": 32}})],
        };
        insta::assert_snapshot!(sample(&space, &preview), @r#"
        the space: without end
          fit.batch_size: {"choice":[32,64]}
          fit.epochs: 3
          optimizer: {"choice":[{"kind":"sgd","lr":{"log_uniform":[0.01,1.0]}},{"kind":"adamw","lr":{"choice":[0.001,0.01]}}]}
        20 configurations, 40 trials with the seeds; the first change in the base:
          {"fit":{"batch_size":32}}
        "#);
    }

    fn interval(expected: f64, low: f64, high: f64) -> Interval {
        Interval {
            expected,
            low,
            high,
        }
    }

    #[test]
    fn an_estimate_says_how_long_and_from_what() {
        let mut estimate = SweepEstimate {
            n_trials: 24,
            n_workers: 2,
            training_s: Some(interval(14_400.0, 12_600.0, 16_800.0)),
            finish_s: Some(interval(7_200.0, 6_300.0, 8_400.0)),
            n_measured: 11,
            unmeasured: Vec::new(),
        };
        insta::assert_snapshot!(estimated(&estimate), @r"
        24 trials: 4 h 0 min (3 h 30 min to 4 h 40 min) of training; done in 2 h 0 min (1 h 45 min to 2 h 20 min) on 2 workers
        from 11 completed trials like them; 95% intervals
        ");
        estimate.n_workers = 0;
        estimate.finish_s = None;
        insta::assert_snapshot!(estimated(&estimate), @r"
        24 trials: 4 h 0 min (3 h 30 min to 4 h 40 min) of training; no worker is there to train them
        from 11 completed trials like them; 95% intervals
        ");
        estimate.training_s = None;
        estimate.unmeasured = vec!["resnet50 full at 224 px".into()];
        insta::assert_snapshot!(
            estimated(&estimate),
            @"24 trials; how long they take is unknown: no completed trial tells of resnet50 full at 224 px"
        );
    }
}
