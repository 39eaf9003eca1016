//! How `cultivar sweep pareto` reads.

use cultivar_spec::sweep::CostMetric;
use cultivar_spec::wire::{ParetoObjective, ParetoReport};

use crate::numbers::counted;
use crate::table::{
    self,
    Column::{Number, Text},
};

/// A cost by its name.
pub fn cost(name: &str) -> Result<CostMetric, String> {
    serde_json::from_value(name.into()).map_err(|_| "want seconds, n_params or latency_ms".into())
}

/// `all`: the configurations that others beat in everything too.
pub fn render(report: &ParetoReport, all: bool) -> String {
    if report.configs.is_empty() {
        return match report.n_left_out {
            0 => "no configuration has a result yet".into(),
            n => format!(
                "nothing to compare: of {} a cost is not known",
                counted(n as u64, "configuration")
            ),
        };
    }
    let metrics = report.objectives.iter().map(|objective| &objective.metric);
    let names: Vec<String> = metrics.cloned().collect();
    let mut columns = vec![Text("Configuration"), Number("Seeds"), Number("Rank")];
    columns.extend(names.iter().map(|_| Number("")));
    let mut table = table::new(&columns);
    let header = ["Configuration", "Seeds", "Rank"].map(str::to_owned);
    table.set_header(header.into_iter().chain(names));
    let shown = report
        .configs
        .iter()
        .filter(|config| all || config.rank == 0);
    for config in shown {
        let mut row = vec![
            config.label.clone(),
            config.n_seeds.to_string(),
            config.rank.to_string(),
        ];
        row.extend(config.values.iter().map(|value| figure(*value)));
        table.add_row(row);
    }
    format!("{}\n\n{}", table::render(&table), said(report))
}

/// What is to be said below the table.
fn said(report: &ParetoReport) -> String {
    let n_front = report
        .configs
        .iter()
        .filter(|config| config.rank == 0)
        .count();
    let all = counted(report.configs.len() as u64, "configuration");
    let mut said = format!("{n_front} of {all} are beaten by none in everything");
    if let Some(hypervolume) = report.hypervolume {
        let ranges: Vec<String> = report.objectives.iter().filter_map(range).collect();
        said += &format!(
            "; they dominate {:.0}% of the box of {}",
            100.0 * hypervolume,
            ranges.join(" and ")
        );
    }
    if report.n_left_out > 0 {
        let left_out = counted(report.n_left_out as u64, "configuration");
        said += &format!("\n{left_out} left out: a cost is not known");
    }
    said
}

fn range(objective: &ParetoObjective) -> Option<String> {
    let (worst, best) = (figure(objective.worst?), figure(objective.best?));
    Some(format!("{} {worst} to {best}", objective.metric))
}

/// Four digits of a value of any size.
fn figure(value: f64) -> String {
    let n_whole = value.abs().log10().floor().max(0.0) as usize + 1;
    match n_whole {
        5.. => crate::numbers::count(value.round() as u64),
        _ => format!("{value:.*}", 4 - n_whole),
    }
}

#[cfg(test)]
mod tests {
    use cultivar_spec::TrialId;
    use cultivar_spec::trial::Direction;
    use cultivar_spec::wire::ParetoConfig;

    use super::*;

    #[test]
    fn compromises_read_well() {
        let objective = |metric: &str, direction, worst, best| ParetoObjective {
            metric: metric.into(),
            direction,
            best: Some(best),
            worst: Some(worst),
        };
        let config = |label: &str, values: [f64; 2], rank| ParetoConfig {
            trial: TrialId::new(),
            label: label.into(),
            n_seeds: 3,
            values: values.to_vec(),
            rank,
        };
        let report = ParetoReport {
            objectives: vec![
                objective("val_top1", Direction::Maximize, 0.61, 0.9344),
                objective("n_params", Direction::Minimize, 25_557_032.0, 3_413_024.0),
            ],
            configs: vec![
                config("resnet50", [0.9344, 25_557_032.0], 0),
                config("efficientnet_lite0", [0.88, 3_413_024.0], 0),
                config("efficientnet_lite0 constant", [0.61, 3_413_024.0], 1),
            ],
            n_left_out: 1,
            hypervolume: Some(0.832),
        };
        insta::assert_snapshot!(format!(
            "{}\n\n{}",
            render(&report, false),
            render(&report, true)
        ));
    }
}
