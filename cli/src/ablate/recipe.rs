//! What an ablation compares: a baseline, each of some methods laid over it alone, and all of them together.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use cultivar_spec::trial::{PhaseViews, phase_epochs};
use cultivar_spec::{TrialSpec, check};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::study::recipe::{checked_lrs, lay_over};
use crate::yaml;

/// The arm every other is compared with.
pub const BASELINE: &str = "baseline";
/// The arm with every method of the combination.
pub const COMBINATION: &str = "combination";
/// Fewer seeds say too little to conclude from.
const MIN_SEEDS: usize = 5;

/// A checked ablation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ablation {
    /// The baseline first, the combination last.
    pub arms: Vec<Arm>,
    /// Learning rates every arm tries, ascending.
    pub lrs: Vec<f64>,
    /// The seed that learning rates are chosen with.
    pub selection_seed: u64,
    /// The seeds arms are compared on; `selection_seed` is none of them.
    pub seeds: Vec<u64>,
}

/// One side of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    pub name: String,
    pub spec: TrialSpec,
}

impl Ablation {
    pub fn base(&self) -> &TrialSpec {
        &self.arms[0].spec
    }
}

/// What the command line says; it goes before the file.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub epochs: Option<u32>,
    pub lrs: Vec<f64>,
    pub seeds: Vec<u64>,
    pub each_removed: bool,
}

/// The file given with `--recipe`. Everything may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecipeFile {
    /// A trial spec: the baseline.
    base: Option<Value>,
    /// What each method changes in the baseline.
    methods: BTreeMap<String, Value>,
    /// The methods of the combination, in the order they are laid on. Left out: all.
    combination: Vec<String>,
    lrs: Vec<f64>,
    selection_seed: u64,
    seeds: Vec<u64>,
    /// Compare the combination without each of its methods too.
    each_removed: bool,
}

impl RecipeFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there, or says something a recipe does not know.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        serde_json::from_value(yaml::read(path)?)
            .with_context(|| format!("{} is no recipe of an ablation", path.display()))
    }
}

/// Puts the ablation on `dataset` together: what was asked for, else what the file says, else defaults.
///
/// # Errors
/// A spec or a value is refused; the message names the arm and holds every violation.
pub fn resolve(dataset: &str, file: RecipeFile, asked: &Asked) -> anyhow::Result<Ablation> {
    let mut base = file.base.unwrap_or_else(default_base);
    if !base.is_object() {
        bail!("base: {base} is wrong, expected the fields of a trial spec");
    }
    lay_over(&mut base, &json!({"data": {"dataset": dataset}}));
    if let Some(epochs) = asked.epochs {
        lay_over(&mut base, &json!({"fit": {"epochs": epochs}}));
    }
    let methods = match file.methods.is_empty() {
        true => default_methods(),
        false => file.methods,
    };
    if let Some(name) = methods
        .keys()
        .find(|name| [BASELINE, COMBINATION].contains(&name.as_str()))
    {
        bail!("method {name:?}: that name is taken");
    }
    let combined: Vec<String> = match file.combination.is_empty() {
        true => methods.keys().cloned().collect(),
        false => file.combination,
    };
    if let Some(name) = combined.iter().find(|name| !methods.contains_key(*name)) {
        let known: Vec<&str> = methods.keys().map(String::as_str).collect();
        bail!(
            "combination: there is no method {name:?}; there are {}",
            known.join(", ")
        );
    }

    let with = |name: String, laid_on: &[&String]| -> anyhow::Result<Arm> {
        let mut raw = base.clone();
        for method in laid_on {
            lay_over(&mut raw, &methods[*method]);
        }
        let spec = check::trial(&raw).with_context(|| name.clone())?;
        Ok(Arm { name, spec })
    };
    let mut arms = vec![with(BASELINE.into(), &[])?];
    for method in methods.keys() {
        arms.push(with(format!("+ {method}"), &[method])?);
    }
    if (asked.each_removed || file.each_removed) && combined.len() > 1 {
        for removed in &combined {
            let others: Vec<&String> = combined.iter().filter(|name| *name != removed).collect();
            arms.push(with(format!("{COMBINATION} - {removed}"), &others)?);
        }
    }
    if combined.len() > 1 {
        arms.push(with(
            COMBINATION.into(),
            &combined.iter().collect::<Vec<_>>(),
        )?);
    }
    check_arms(&arms)?;

    let lrs = [asked.lrs.clone(), file.lrs, vec![3e-4, 1e-3, 3e-3]];
    let seeds = [asked.seeds.clone(), file.seeds, vec![1, 2, 3, 4, 5]];
    Ok(Ablation {
        arms,
        lrs: checked_lrs(first(lrs))?,
        selection_seed: file.selection_seed,
        seeds: checked_seeds(first(seeds), file.selection_seed)?,
    })
}

fn first<T>(choices: [Vec<T>; 3]) -> Vec<T> {
    let given = choices.into_iter().find(|list| !list.is_empty());
    given.unwrap_or_default()
}

/// Arms that train the same are one, and those that train longer or larger are no fair match.
fn check_arms(arms: &[Arm]) -> anyhow::Result<()> {
    let base = &arms[0].spec;
    for (idx, arm) in arms.iter().enumerate().skip(1) {
        if let Some(twin) = arms[..idx].iter().find(|other| other.spec == arm.spec) {
            bail!("{} changes nothing: it is {}", arm.name, twin.name);
        }
        let same_budget = resolutions(&arm.spec) == resolutions(base)
            && arm.spec.fit.eval_resolution == base.fit.eval_resolution
            && arm.spec.data == base.data;
        if !same_budget {
            bail!(
                "{} changes epochs, resolution or data: every arm gets the same of those",
                arm.name
            );
        }
    }
    Ok(())
}

/// The side of the training crop in pixels, epoch by epoch.
fn resolutions(spec: &TrialSpec) -> Vec<u32> {
    let fit = &spec.fit;
    let n_epochs = match fit.phases.is_empty() {
        true => vec![fit.epochs],
        false => phase_epochs(&fit.phases, fit.epochs),
    };
    let sides = n_epochs.into_iter().enumerate().map(|(idx, n_epochs)| {
        let side = match fit.phases.get(idx) {
            Some(phase) if phase.views == PhaseViews::Evaluation => fit.eval_resolution,
            Some(phase) => phase.resolution,
            None => None,
        };
        vec![side.unwrap_or(fit.resolution); n_epochs as usize]
    });
    sides.flatten().collect()
}

fn checked_seeds(mut seeds: Vec<u64>, selection_seed: u64) -> anyhow::Result<Vec<u64>> {
    seeds.sort_unstable();
    seeds.dedup();
    if seeds.contains(&selection_seed) {
        bail!("seed {selection_seed} chooses learning rates: compare on others");
    }
    if seeds.len() < MIN_SEEDS {
        bail!(
            "{} seeds are too few to conclude from, expected at least {MIN_SEEDS}",
            seeds.len()
        );
    }
    Ok(seeds)
}

/// Plain fine-tuning: what the methods below are said to improve on.
fn default_base() -> Value {
    json!({
        "optimizer": {"kind": "adamw"},
        "schedule": {"kind": "cosine", "warmup_fraction": 0.1},
        "loss": {"kind": "cross_entropy", "smoothing": 0.0},
        "augment": {"mix": {"kind": "none"}},
        "fit": {"epochs": 8, "resolution": 128},
    })
}

/// The process of the article that the product follows: each of its ingredients.
fn default_methods() -> BTreeMap<String, Value> {
    let methods = [
        (
            "label smoothing",
            json!({"loss": {"kind": "cross_entropy", "smoothing": 0.1}}),
        ),
        ("mish", json!({"backbone": {"activation": "mish"}})),
        ("ranger", json!({"optimizer": {"kind": "ranger"}})),
        ("one cycle", json!({"schedule": {"kind": "one_cycle"}})),
        ("cutmix", json!({"augment": {"mix": {"kind": "cutmix"}}})),
    ];
    let methods = methods.map(|(name, change)| (name.to_owned(), change));
    BTreeMap::from(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> RecipeFile {
        serde_norway::from_str(text).unwrap()
    }

    fn said(text: &str) -> String {
        let error = resolve("birds", file(text), &Asked::default()).unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn every_method_stands_alone_and_in_the_combination() {
        let ablation = resolve("birds", RecipeFile::default(), &Asked::default()).unwrap();
        let names: Vec<&str> = ablation.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "baseline",
                "+ cutmix",
                "+ label smoothing",
                "+ mish",
                "+ one cycle",
                "+ ranger",
                "combination"
            ]
        );
        let all = &ablation.arms[6].spec;
        assert_eq!(all.optimizer.kind(), "ranger");
        assert_eq!(all.schedule.kind(), "one_cycle");
        assert_eq!(all.fit, ablation.base().fit);
        assert_eq!(ablation.seeds, [1, 2, 3, 4, 5]);
        let asked = Asked {
            each_removed: true,
            epochs: Some(2),
            ..Asked::default()
        };
        let removed = resolve("birds", RecipeFile::default(), &asked).unwrap();
        assert_eq!(removed.arms.len(), 12);
        assert!(removed.arms.iter().all(|arm| arm.spec.fit.epochs == 2));
    }

    #[test]
    fn phases_may_change_what_is_trained_and_not_at_which_size() {
        let with = |phases: &str| {
            let text = format!(
                "{{base: {{fit: {{epochs: 4, resolution: 96}}}}, methods: {{phased: {{fit: {{phases: {phases}}}}}}}}}"
            );
            resolve("birds", file(&text), &Asked::default())
        };
        assert!(with("[{share: 1, train: head}, {share: 3}]").is_ok());
        // Evaluation's views have its resolution, here the same.
        assert!(with("[{share: 3}, {share: 1, views: evaluation}]").is_ok());
        let error = with("[{share: 1, resolution: 128}, {share: 3}]").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("+ phased changes epochs, resolution")
        );

        let larger = "{base: {fit: {epochs: 4, resolution: 96, eval_resolution: 128}},
             methods: {fix res: {fit: {phases: [{share: 3}, {share: 1, views: evaluation}]}}}}";
        assert!(said(larger).contains("+ fix res changes epochs, resolution"));
    }

    #[test]
    fn the_shipped_recipes_compare_what_they_say() {
        let arms = |name: &str| {
            let path = format!("{}/../recipes/{name}", env!("CARGO_MANIFEST_DIR"));
            let recipe = RecipeFile::read(path.as_ref()).unwrap();
            let ablation = resolve("open-emoji", recipe, &Asked::default()).unwrap();
            let n_runs = ablation.arms.len() * (ablation.lrs.len() + ablation.seeds.len());
            (ablation, n_runs)
        };
        let names = |ablation: &Ablation| -> Vec<String> {
            let arms = ablation.arms.iter();
            arms.map(|arm| arm.name.clone()).collect()
        };

        let (article, n_runs) = arms("ablation-article.yaml");
        assert_eq!((article.arms.len(), n_runs), (14, 112));
        let alone = [
            "baseline",
            "+ cutmix",
            "+ flat-cosine",
            "+ label smoothing",
            "+ mish",
            "+ rand augment",
            "+ ranger",
        ];
        assert_eq!(names(&article)[..7], alone);
        let all = &article.arms[13].spec;
        assert_eq!(all.optimizer.kind(), "ranger");
        assert_eq!(all.schedule.kind(), "flat_cosine");
        assert_eq!(all.loss.smoothing(), 0.1);
        assert_eq!(all.augment().mix.kind(), "cutmix");
        assert_eq!(all.augment().policy.kind(), "rand_augment");

        let (cpu, n_runs) = arms("ablation-cpu.yaml");
        assert_eq!((cpu.arms.len(), n_runs), (7, 56));
        assert_eq!(cpu.arms[6].name, COMBINATION);
        for arm in &cpu.arms {
            let fit = &arm.spec.fit;
            assert_eq!((fit.epochs, fit.batch_size, fit.resolution), (4, 64, 64));
            assert_eq!(arm.spec.adaptation.mode(), "full");
        }
    }

    #[test]
    fn what_would_be_no_fair_comparison_is_refused() {
        assert!(
            said("methods: {longer: {fit: {epochs: 100}}}").contains("+ longer changes epochs")
        );
        assert!(said("methods: {nothing: {}}").contains("+ nothing changes nothing"));
        assert!(said("seeds: [0, 1, 2, 3, 4]").contains("seed 0 chooses learning rates"));
        assert!(said("seeds: [1, 2]").contains("2 seeds are too few"));
        assert!(said("combination: [magic]").contains("no method \"magic\""));
        assert!(said("methods: {baseline: {}}").contains("that name is taken"));
        let wrong = said("methods: {focal: {loss: {kind: local}}}");
        assert!(
            wrong.contains("+ focal") && wrong.contains("/loss/kind"),
            "{wrong}"
        );
    }
}
