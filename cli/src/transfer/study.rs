//! What a transfer study trains: two matched arms of full fine-tuning, and two of linear heads.

use std::path::Path;

use anyhow::{Context, bail};
use cultivar_spec::trial::{Adaptation, Augment, Tta};
use cultivar_spec::{TrialSpec, check};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::study::recipe::checked_lrs;
use crate::yaml;

/// A checked study.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    pub full: Arms,
    pub heads: Arms,
    /// Ascending order does not matter; the first is the one that learning rates are chosen with.
    pub seeds: Vec<u64>,
    /// Train the shorter budgets in the random arm too, so that a verdict on convergence is possible.
    pub all_budgets: bool,
}

/// Runs that share everything but weights, learning rate, epochs and seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Arms {
    pub base: TrialSpec,
    /// Each arm's grid of learning rates.
    pub lrs: Vec<f64>,
    /// Budgets, ascending; never empty.
    pub epochs: Vec<u32>,
}

impl Arms {
    pub fn longest(&self) -> u32 {
        self.epochs[self.epochs.len() - 1]
    }
}

/// What the command line says of a study; it goes before the file.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub epochs: Vec<u32>,
    pub lrs: Vec<f64>,
    pub seeds: Vec<u64>,
    pub all_budgets: bool,
}

/// The file given with `--base`. Everything may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyFile {
    /// A trial spec of full fine-tuning: what all its runs share.
    base: Option<Value>,
    lrs: Vec<f64>,
    epochs: Vec<u32>,
    seeds: Vec<u64>,
    all_budgets: bool,
    heads: HeadsFile,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HeadsFile {
    optimizer: Option<Value>,
    schedule: Option<Value>,
    loss: Option<Value>,
    lrs: Vec<f64>,
    epochs: Vec<u32>,
}

impl StudyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there, or says something a study file does not know.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        serde_json::from_value(yaml::read(path)?)
            .with_context(|| format!("{} is no study", path.display()))
    }

    /// A study that goes on from runs there are already.
    pub fn of_runs(spec: &TrialSpec, lrs: Vec<f64>, epochs: Vec<u32>) -> Self {
        Self {
            base: Some(serde_json::to_value(spec).expect("a spec always serializes")),
            lrs,
            epochs,
            ..Self::default()
        }
    }
}

/// Puts the study of `dataset` together: what was asked for, else what the file says, else defaults.
///
/// # Errors
/// The base or a value of the grid is refused; the message holds every violation.
pub fn resolve(dataset: &str, file: StudyFile, asked: Asked) -> anyhow::Result<Study> {
    let mut base = file.base.unwrap_or_else(|| {
        json!({
            "optimizer": {"kind": "adamw"},
            "schedule": {"kind": "one_cycle"},
            "fit": {"resolution": 128},
        })
    });
    match &mut base {
        Value::Object(fields) => {
            let data = fields.entry("data").or_insert_with(|| json!({}));
            if let Value::Object(data) = data {
                data.insert("dataset".into(), dataset.into());
            }
        }
        other => bail!("base: {other} is wrong, expected the fields of a trial spec"),
    }
    let full = check::trial(&base).context("base")?;
    if full.adaptation == (Adaptation::HeadOnly {}) {
        bail!(
            "base: adaptation head_only is wrong, expected {{mode: full}}: the study adds the heads itself"
        );
    }

    let mut head = full.clone();
    head.adaptation = Adaptation::HeadOnly {};
    head.augment = Some(Augment::none());
    head.input.tta = Tta::None;
    head.backbone.drop_path = 0.0;
    let mut head = serde_json::to_value(head).expect("a spec always serializes");
    let heads = file.heads;
    let default_optimizer = json!({"kind": "adamw"});
    head["optimizer"] = heads.optimizer.unwrap_or(default_optimizer);
    for (field, value) in [("schedule", heads.schedule), ("loss", heads.loss)] {
        if let Some(value) = value {
            head[field] = value;
        }
    }
    let head = check::trial(&head).context("heads")?;

    let all_budgets = file.all_budgets || asked.all_budgets;
    let first = |choices: [Vec<f64>; 3]| choices.into_iter().find(|list| !list.is_empty());
    let lrs = |choices| checked_lrs(first(choices).unwrap_or_default());
    let study = Study {
        full: Arms {
            base: full,
            lrs: lrs([asked.lrs, file.lrs, vec![3e-4, 1e-3, 3e-3]])?,
            epochs: sorted_epochs(asked.epochs, file.epochs, &[2, 4, 8])?,
        },
        heads: Arms {
            base: head,
            lrs: lrs([heads.lrs, vec![1e-3, 3e-3, 1e-2], Vec::new()])?,
            // Twice the same fit: whether the longer one changed anything shows that it converged.
            epochs: sorted_epochs(Vec::new(), heads.epochs, &[15, 30])?,
        },
        seeds: [asked.seeds, file.seeds, vec![0, 1]]
            .into_iter()
            .find(|seeds| !seeds.is_empty())
            .unwrap_or_default(),
        all_budgets,
    };
    Ok(study)
}

fn sorted_epochs(asked: Vec<u32>, file: Vec<u32>, default: &[u32]) -> anyhow::Result<Vec<u32>> {
    let given = [asked, file].into_iter().find(|list| !list.is_empty());
    let mut epochs = given.unwrap_or_else(|| default.to_vec());
    if epochs.contains(&0) {
        bail!("0 epochs is wrong, expected at least 1");
    }
    epochs.sort_unstable();
    epochs.dedup();
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> StudyFile {
        serde_norway::from_str(text).unwrap()
    }

    #[test]
    fn defaults_make_a_study_of_nothing_but_a_name() {
        let study = resolve("birds", StudyFile::default(), Asked::default()).unwrap();
        assert_eq!(study.full.base.data.dataset, "birds");
        assert_eq!(study.full.epochs, [2, 4, 8]);
        assert_eq!(study.seeds, [0, 1]);
        assert_eq!(study.heads.base.adaptation, Adaptation::HeadOnly {});
        assert_eq!(
            study.heads.base.fit.resolution,
            study.full.base.fit.resolution
        );
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let text =
            "{lrs: [0.1, 0.01], epochs: [4, 2], heads: {optimizer: {kind: sgd}, lrs: [0.3]}}";
        let asked = Asked {
            epochs: vec![1],
            ..Asked::default()
        };
        let study = resolve("birds", file(text), asked).unwrap();
        assert_eq!(study.full.epochs, [1]);
        assert_eq!(study.full.lrs, [0.01, 0.1]);
        assert_eq!(study.heads.lrs, [0.3]);
        assert_eq!(study.heads.base.optimizer.kind(), "sgd");
    }

    #[test]
    fn mistakes_are_named() {
        let said = |text: &str| {
            let error = resolve("birds", file(text), Asked::default()).unwrap_err();
            format!("{error:#}")
        };
        assert!(said("base: {fit: {epochs: 0}}").contains("/fit/epochs"));
        assert!(said("base: {adaptation: {mode: head_only}}").contains("the study adds the heads"));
        assert!(said("lrs: [-1]").contains("learning rate -1"));
        assert!(serde_norway::from_str::<StudyFile>("{learning_rates: [1]}").is_err());
    }
}
