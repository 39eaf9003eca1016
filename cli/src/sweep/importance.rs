//! How `cultivar sweep importance` reads.

use cultivar_spec::wire::{CurvePoint, ImportanceReport, VarianceShare};

use crate::numbers::counted;
use crate::table::{
    self,
    Column::{Number, Text},
};

/// Interactions that are shown.
const N_INTERACTIONS: usize = 5;

pub fn render(report: &ImportanceReport) -> String {
    let results = counted(report.n_results as u64, "configuration");
    if report.params.is_empty() {
        return format!("nothing can be said yet: {results} with a result, or nothing varies");
    }
    let mut params = table::new(&[
        Text("Parameter"),
        Number("Variance %"),
        Number("Permutation"),
        Text("Expected objective"),
    ]);
    for param in &report.params {
        params.add_row([
            name(&param.pointer),
            share(param.share),
            format!("{:.3}", param.permutation),
            span(&param.curve),
        ]);
    }
    let mut pairs = table::new(&[Text("Interaction"), Number("Variance %")]);
    for pair in report.interactions.iter().take(N_INTERACTIONS) {
        let (a, b) = &pair.pointers;
        pairs.add_row([format!("{} x {}", name(a), name(b)), share(pair.share)]);
    }
    let mut text = format!(
        "What decides the objective, by a forest fitted to {results}: shares of its variance over the space\n{}",
        table::render(&params)
    );
    if !report.interactions.is_empty() {
        text.push_str(&format!("\n\n{}", table::render(&pairs)));
    }
    text
}

/// `/optimizer/lr` as `optimizer.lr`.
fn name(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn share(share: VarianceShare) -> String {
    format!("{:.1} ± {:.1}", 100.0 * share.mean, 100.0 * share.deviation)
}

/// The range that the objective's expectation runs through along the parameter.
fn span(curve: &[CurvePoint]) -> String {
    let means = || curve.iter().map(|point| point.mean);
    let (low, high) = (
        means().fold(f64::INFINITY, f64::min),
        means().fold(f64::NEG_INFINITY, f64::max),
    );
    format!("{low:.4} to {high:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::wire::{Interaction, ParamImportance};

    #[test]
    fn importance_reads_well() {
        let of = |mean: f64| VarianceShare {
            mean,
            deviation: 0.02,
        };
        let param = |pointer: &str, mean: f64| ParamImportance {
            pointer: pointer.into(),
            share: of(mean),
            permutation: 1.5 * mean,
            curve: [0.41, 0.62, 0.55]
                .into_iter()
                .enumerate()
                .map(|(idx, mean)| CurvePoint {
                    at: idx as f64,
                    mean,
                    deviation: 0.01,
                })
                .collect(),
        };
        let mut report = ImportanceReport {
            n_results: 48,
            params: vec![param("/optimizer/lr", 0.71), param("/loss/smoothing", 0.04)],
            interactions: vec![Interaction {
                pointers: ("/optimizer/lr".into(), "/loss/smoothing".into()),
                share: of(0.031),
            }],
        };
        insta::assert_snapshot!(render(&report));
        report.params.clear();
        report.n_results = 3;
        assert!(render(&report).contains("3 configurations"));
    }
}
