//! What a finalist is held against: a spec of the user's, or what one gets without searching.

use std::path::Path;

use anyhow::{Context, bail};
use cultivar_spec::trial::{Adaptation, Phase, phase_epochs};
use cultivar_spec::{TrialSpec, check};
use serde_json::{Value, json};

use super::plan::with_seed;
use crate::study::plan::{Known, best};
use crate::study::recipe::lay_over;
use crate::tune::recipe::RecipeFile;
use crate::yaml;

/// A baseline before its learning rate is chosen.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// How a report calls it.
    pub name: String,
    spec: TrialSpec,
    /// Never empty.
    pub lrs: Vec<f64>,
}

impl Baseline {
    /// # Errors
    /// The file is no trial spec, or one on another dataset than the finalist's.
    pub fn read(path: &Path, finalist: &TrialSpec) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let spec = check::trial(&yaml::read(path)?).with_context(|| name.clone())?;
        let (ours, theirs) = (&spec.data.dataset, &finalist.data.dataset);
        if ours != theirs {
            bail!("{name} is on {ours:?}, expected {theirs:?} as the sweep is");
        }
        Ok(Self {
            name,
            lrs: vec![spec.optimizer.lr()],
            spec,
        })
    }

    /// The fine-tuning of `recipes/default.yaml`, or for a head alone the defaults of a trial spec, on the data, backbone,
    /// resolution and epochs of the finalist.
    ///
    /// # Errors
    /// The backbone does not take what the recipe says.
    pub fn shipped(finalist: &TrialSpec) -> anyhow::Result<Self> {
        let (name, mut raw, lrs) = match finalist.adaptation {
            Adaptation::HeadOnly {} => (
                "the defaults of a trial spec",
                json!({"adaptation": {"mode": "head_only"}}),
                vec![TrialSpec::default().optimizer.lr()],
            ),
            Adaptation::Full { .. } | Adaptation::Gradual { .. } => {
                let recipe = RecipeFile::read(None)?;
                let (raw, lrs) = recipe.fine_tuning(&finalist.backbone.name)?;
                ("the shipped default recipe", raw, lrs)
            }
        };
        let (data, backbone, fit) = (&finalist.data, &finalist.backbone, &finalist.fit);
        let shared = json!({
            "data": {"dataset": data.dataset, "split_seed": data.split_seed, "train_fraction": data.train_fraction},
            "backbone": {
                "name": backbone.name, "weights": backbone.weights, "weights_sha256": backbone.weights_sha256,
            },
            "fit": {"epochs": fit.epochs, "resolution": fit.resolution},
        });
        lay_over(&mut raw, &shared);
        give_each_phase_an_epoch(&mut raw["fit"], fit.epochs)?;
        let spec = check::trial(&raw).with_context(|| {
            format!("{name} does not fit this finalist; name a baseline with --against")
        })?;
        Ok(Self {
            name: name.into(),
            spec,
            lrs,
        })
    }

    /// What validation chooses the rate by; nothing where there is only one.
    pub fn selection(&self, seed: u64) -> Vec<TrialSpec> {
        match self.lrs.len() {
            1 => Vec::new(),
            _ => self.at_each_rate(seed),
        }
    }

    /// At the chosen rate; none while no rate has a result.
    pub fn chosen(&self, seed: u64, known: &[Known]) -> Option<TrialSpec> {
        let mut runs = self.at_each_rate(seed);
        if runs.len() == 1 {
            return runs.pop();
        }
        let lr = best(runs.clone(), known)?.spec.optimizer.lr();
        runs.into_iter().find(|run| run.optimizer.lr() == lr)
    }

    fn at_each_rate(&self, seed: u64) -> Vec<TrialSpec> {
        let at = |lr: &f64| {
            let mut run = with_seed(&self.spec, seed);
            run.optimizer.set_lr(*lr);
            run
        };
        self.lrs.iter().map(at).collect()
    }
}

/// A short run leaves a phase with a small share without an epoch, which a spec refuses: it gets one from the longest
/// phase. A run of fewer epochs than phases has none.
fn give_each_phase_an_epoch(fit: &mut Value, epochs: u32) -> anyhow::Result<()> {
    let Some(raw) = fit.get("phases") else {
        return Ok(());
    };
    let mut phases: Vec<Phase> = serde_json::from_value(raw.clone())?;
    if epochs < phases.len() as u32 {
        fit["phases"] = json!([]);
        return Ok(());
    }
    let mut n_epochs = phase_epochs(&phases, epochs);
    if !n_epochs.contains(&0) {
        return Ok(());
    }
    while let Some(short) = n_epochs.iter().position(|n| *n == 0) {
        let longest = (0..n_epochs.len()).max_by_key(|idx| n_epochs[*idx]);
        n_epochs[longest.unwrap_or(short)] -= 1;
        n_epochs[short] = 1;
    }
    for (phase, n) in phases.iter_mut().zip(n_epochs) {
        phase.share = f64::from(n);
    }
    fit["phases"] = serde_json::to_value(phases)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::plan::testing::{assert_drawn, completed};
    use cultivar_spec::trial::PhaseTrains;

    fn finalist(epochs: u32) -> TrialSpec {
        let mut spec = TrialSpec::example();
        spec.backbone.name = "resnet50".into();
        spec.optimizer.set_lr(0.7);
        spec.data.train_fraction = 0.5;
        spec.fit.epochs = epochs;
        spec.fit.resolution = 96;
        spec.write_out_defaults();
        spec
    }

    #[test]
    fn the_shipped_recipe_is_fitted_to_what_the_finalist_costs() {
        let baseline = Baseline::shipped(&finalist(31)).unwrap();
        let spec = &baseline.spec;
        assert_eq!((spec.fit.epochs, spec.fit.resolution), (31, 96));
        assert_eq!(spec.fit.eval_resolution, Some(96));
        assert_eq!(spec.data.train_fraction, 0.5);
        assert_eq!(spec.backbone.name, "resnet50");
        assert_eq!(spec.optimizer.kind(), "adamw");
        assert_eq!(spec.adaptation.layer_decay(), 0.9);
        let mut vit = finalist(31);
        vit.backbone.name = "vit_small_patch14_dinov2".into();
        vit.fit.resolution = 98;
        let vit = Baseline::shipped(&vit).unwrap();
        assert_eq!(vit.spec.adaptation.layer_decay(), 0.75);
    }

    #[test]
    fn every_phase_keeps_an_epoch_however_short_the_run() {
        let check = |epochs: u32, expect: &[u32]| {
            let spec = Baseline::shipped(&finalist(epochs)).unwrap().spec;
            let phases = &spec.fit.phases;
            assert_eq!(phase_epochs(phases, epochs), expect, "{epochs} epochs");
            assert!(
                phases
                    .first()
                    .is_none_or(|first| first.train == PhaseTrains::Head)
            );
        };
        check(1, &[]);
        check(2, &[1, 1]);
        check(3, &[1, 2]);
        check(15, &[1, 14]);
        check(31, &[1, 30]);
        check(62, &[2, 60]);
    }

    #[test]
    fn validation_chooses_among_the_recipes_rates() {
        let baseline = Baseline::shipped(&finalist(3)).unwrap();
        let selection = baseline.selection(9);
        let lrs: Vec<f64> = selection.iter().map(|run| run.optimizer.lr()).collect();
        assert_eq!(lrs, [2e-4, 1e-3]);
        assert!(selection.iter().all(|run| run.fit.seed == 9));
        assert_drawn(&finalist(3), &selection);
        assert_eq!(baseline.chosen(9, &[]), None);
        let known = [completed(&selection[0], 0.4), completed(&selection[1], 0.6)];
        assert_eq!(baseline.chosen(9, &known), Some(selection[1].clone()));
    }

    #[test]
    fn a_head_is_held_against_the_defaults() {
        let mut finalist = finalist(33);
        finalist.adaptation = Adaptation::HeadOnly {};
        let baseline = Baseline::shipped(&finalist).unwrap();
        assert_eq!(baseline.selection(9), []);
        let spec = baseline.chosen(9, &[]).unwrap();
        assert_eq!(spec.optimizer, TrialSpec::default().optimizer);
        assert_eq!(spec.adaptation, finalist.adaptation);
        assert_eq!((spec.fit.epochs, spec.fit.seed), (33, 9));
    }

    #[test]
    fn a_file_on_another_dataset_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.yaml");
        std::fs::write(
            &file,
            "data: {dataset: birds}\noptimizer: {kind: sgd, lr: 0.02}",
        )
        .unwrap();
        let wrong = Baseline::read(&file, &finalist(3)).unwrap_err().to_string();
        assert!(
            wrong.contains("birds") && wrong.contains("open-emoji"),
            "{wrong}"
        );
        let mut on_birds = finalist(3);
        on_birds.data.dataset = "birds".into();
        let read = Baseline::read(&file, &on_birds).unwrap();
        assert_eq!(read.lrs, [0.02]);
    }
}
