//! What `cultivar tune` trains: a probe of every backbone on frozen features, and the fine-tuning of the best.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use cultivar_spec::trial::{Adaptation, Weights};
use cultivar_spec::{TrialSpec, check, document};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::study::recipe::{checked_lrs, lay_over};
use crate::yaml;

/// The shipped recipe: it is part of the program.
const DEFAULT: &str = include_str!("../../../recipes/default.yaml");

/// A checked recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// By name.
    pub candidates: Vec<Candidate>,
    /// Learning rates every probe tries, ascending.
    pub probe_lrs: Vec<f64>,
    /// Learning rates every fine-tuning tries, ascending.
    pub lrs: Vec<f64>,
    /// Probes, and the rates of fine-tuning, are chosen with the first; never empty.
    pub seeds: Vec<u64>,
    /// How many backbones are fine-tuned, at least one.
    pub top: usize,
}

/// A backbone, and what is trained of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub backbone: String,
    /// A head on frozen features.
    pub probe: TrialSpec,
    /// Fine-tuning.
    pub tuned: TrialSpec,
}

impl Candidate {
    fn needs_weights(&self) -> bool {
        let mut specs = [&self.probe, &self.tuned].into_iter();
        specs.any(|spec| spec.backbone.weights == Weights::Pretrained)
    }
}

impl Tuning {
    /// Leaves out the candidates whose pretrained weights are not registered, and names them.
    pub fn leave_out(&mut self, is_registered: impl Fn(&str) -> bool) -> Vec<String> {
        let can_run = |candidate: &Candidate| {
            !candidate.needs_weights() || is_registered(&candidate.backbone)
        };
        let candidates = std::mem::take(&mut self.candidates).into_iter();
        let (stay, go): (Vec<Candidate>, Vec<Candidate>) = candidates.partition(can_run);
        self.candidates = stay;
        go.into_iter().map(|candidate| candidate.backbone).collect()
    }
}

/// The file given with `--recipe`, laid over the shipped one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeFile {
    /// What each backbone changes in the spec of its fine-tuning.
    backbones: BTreeMap<String, Value>,
    probe: StageFile,
    finetune: StageFile,
    top: usize,
    seeds: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFile {
    /// A trial spec.
    base: Value,
    lrs: Vec<f64>,
}

impl RecipeFile {
    /// Reads a file, or takes the shipped recipe.
    ///
    /// # Errors
    /// The file is not there, or says something a recipe does not know.
    pub fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Self::of(json!({}));
        };
        Self::of(yaml::read(path)?)
            .with_context(|| format!("{} is no recipe of cultivar tune", path.display()))
    }

    /// Fields that are left out are the shipped recipe's.
    fn of(given: Value) -> anyhow::Result<Self> {
        let mut fields = document::parse(DEFAULT).context("the shipped recipe")?;
        if let (Value::Object(fields), Value::Object(given)) = (&mut fields, given) {
            fields.extend(given);
        }
        Ok(serde_json::from_value(fields)?)
    }

    /// The fine-tuning of a backbone, not yet checked and without a dataset, and the learning rates to try.
    ///
    /// # Errors
    /// What the recipe says of it are no fields, or no learning rates.
    pub fn fine_tuning(&self, backbone: &str) -> anyhow::Result<(Value, Vec<f64>)> {
        let none = json!({});
        let changes = self.backbones.get(backbone).unwrap_or(&none);
        let raw = self.finetune.changed(changes);
        Ok((
            raw.with_context(|| format!("{backbone}: finetune"))?,
            some_lrs("finetune", self.finetune.lrs.clone())?,
        ))
    }
}

impl StageFile {
    /// Its spec with changes laid over.
    fn changed(&self, changes: &Value) -> anyhow::Result<Value> {
        let mut raw = self.base.clone();
        if !raw.is_object() || !changes.is_object() {
            bail!("expected the fields of a trial spec, or {{}}");
        }
        lay_over(&mut raw, changes);
        Ok(raw)
    }
}

/// Puts the tuning of `dataset` together; `top` goes before the file's.
///
/// # Errors
/// A spec or a value is refused; the message names the backbone and the stage, and holds every violation.
pub fn resolve(dataset: &str, file: RecipeFile, top: Option<usize>) -> anyhow::Result<Tuning> {
    let top = top.unwrap_or(file.top);
    if file.backbones.is_empty() || top == 0 || file.seeds.is_empty() {
        bail!("a recipe needs at least one backbone, one seed, and a top of at least 1");
    }
    let candidates = file.backbones.iter().map(|(backbone, changes)| {
        let spec = |stage: &StageFile, changes: &Value, name: &str| {
            let raw = stage.changed(changes);
            let mut raw = raw.with_context(|| format!("{backbone}: {name}"))?;
            let named = json!({"data": {"dataset": dataset}, "backbone": {"name": backbone}});
            lay_over(&mut raw, &named);
            check::trial(&raw).with_context(|| format!("{backbone}: {name}"))
        };
        let probe = spec(&file.probe, &json!({}), "probe")?;
        let tuned = spec(&file.finetune, changes, "finetune")?;
        if probe.adaptation != (Adaptation::HeadOnly {}) {
            bail!(
                "probe: expected adaptation {{mode: head_only}}: it is trained on frozen features"
            );
        }
        if tuned.adaptation == (Adaptation::HeadOnly {}) {
            bail!("{backbone}: finetune: adaptation head_only is wrong, that is the probe's");
        }
        Ok(Candidate {
            backbone: backbone.clone(),
            probe,
            tuned,
        })
    });
    Ok(Tuning {
        candidates: candidates.collect::<anyhow::Result<_>>()?,
        probe_lrs: some_lrs("probe", file.probe.lrs.clone())?,
        lrs: some_lrs("finetune", file.finetune.lrs.clone())?,
        seeds: distinct(file.seeds),
        top,
    })
}

fn some_lrs(stage: &str, lrs: Vec<f64>) -> anyhow::Result<Vec<f64>> {
    if lrs.is_empty() {
        bail!("{stage}: no lrs, expected at least one learning rate");
    }
    checked_lrs(lrs).with_context(|| stage.to_owned())
}

/// In the order they were written: the first has a meaning.
fn distinct(seeds: Vec<u64>) -> Vec<u64> {
    let mut kept = Vec::new();
    for seed in seeds {
        if !kept.contains(&seed) {
            kept.push(seed);
        }
    }
    kept
}

/// A recipe of three backbones, for tests.
#[cfg(test)]
pub fn example() -> Tuning {
    let file = RecipeFile::of(json!({
        "backbones": {"efficientnet_lite0": {}, "resnet50": {}, "vit_base_patch14_dinov2": {}},
        "seeds": [0, 1],
    }));
    resolve("birds", file.unwrap(), None).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let given = document::parse(text).unwrap();
        let made = RecipeFile::of(given).and_then(|file| resolve("birds", file, None));
        format!("{:#}", made.unwrap_err())
    }

    /// `recipes/default.yaml`, as its comments describe it.
    #[test]
    fn the_shipped_recipe_probes_and_fine_tunes() {
        let tuning = resolve("birds", RecipeFile::read(None).unwrap(), None).unwrap();
        assert_eq!(tuning.top, 2);
        assert_eq!(tuning.seeds, [0]);
        assert_eq!(
            (tuning.probe_lrs.len(), tuning.top * tuning.lrs.len()),
            (3, 4)
        );
        assert_eq!(tuning.candidates.len(), 9);
        for Candidate {
            backbone,
            probe,
            tuned,
        } in &tuning.candidates
        {
            assert_eq!(
                (&probe.backbone.name, &tuned.backbone.name),
                (backbone, backbone)
            );
            assert_eq!(probe.adaptation, Adaptation::HeadOnly {});
            let is_vit = backbone.starts_with("vit");
            let decay = if is_vit { 0.75 } else { 0.9 };
            assert_eq!(tuned.adaptation.layer_decay(), decay, "{backbone}");
            assert_eq!(tuned.optimizer.kind(), "adamw");
            assert_eq!(tuned.schedule.warmup_fraction(), 0.1);
            assert_eq!(tuned.augment().policy.kind(), "rand_augment");
            assert_eq!(tuned.augment().mix.kind(), "cutmix_or_mixup");
            assert!(tuned.fit.ema.is_some());
            let phases = cultivar_spec::trial::phase_epochs(&tuned.fit.phases, tuned.fit.epochs);
            assert_eq!(phases, [1, 30]);
        }
    }

    #[test]
    fn what_a_file_says_goes_before_the_shipped_recipe() {
        let given = json!({"backbones": {"resnet50": {"fit": {"resolution": 288}}}, "top": 1});
        let file = RecipeFile::of(given).unwrap();
        let tuning = resolve("birds", file.clone(), None).unwrap();
        let only = &tuning.candidates[0];
        assert_eq!((tuning.candidates.len(), tuning.top), (1, 1));
        assert_eq!(
            (only.probe.fit.resolution, only.tuned.fit.resolution),
            (224, 288)
        );
        assert_eq!(resolve("birds", file, Some(3)).unwrap().top, 3);
    }

    #[test]
    fn backbones_without_weights_are_left_out_by_name() {
        let mut tuning = example();
        tuning.candidates[1].probe.backbone.weights = Weights::Random;
        tuning.candidates[1].tuned.backbone.weights = Weights::Random;
        let left_out = tuning.leave_out(|backbone| backbone == "efficientnet_lite0");
        assert_eq!(left_out, ["vit_base_patch14_dinov2"]);
        assert_eq!(tuning.candidates.len(), 2, "random weights need no file");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(said("learning_rates: [1]").contains("learning_rates"));
        assert!(said("backbones: {resnet9000: {}}").contains("resnet9000: probe"));
        let wrong = said("backbones: {resnet50: {fit: {epochs: 0}}}");
        assert!(wrong.contains("resnet50: finetune") && wrong.contains("/fit/epochs"));
        assert!(said("backbones: [resnet50]").contains("expected a map"));
        assert!(said("backbones: {resnet50: }").contains("expected the fields of a trial spec"));
        assert!(said("top: 0").contains("top of at least 1"));
        assert!(said("probe: {base: {}, lrs: [0.1]}").contains("mode: head_only"));
        assert!(
            said("finetune: {base: {adaptation: {mode: head_only}}, lrs: [0.1]}")
                .contains("that is the probe's")
        );
        assert!(
            said("probe: {base: {adaptation: {mode: head_only}}, lrs: []}")
                .contains("probe: no lrs")
        );
    }
}
