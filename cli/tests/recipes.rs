//! The recipes draw what their comments promise, and every trial of them is valid.

use std::collections::BTreeSet;
use std::fs;

use cultivar_search::sampler::overlays;
use cultivar_search::space::lay_over;
use cultivar_spec::trial::{Activation, Adaptation, Mix, PhaseTrains, Weights};
use cultivar_spec::{SweepSpec, TrialSpec, check};
use serde_json::Value;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// Sweeps, which the tests below draw.
const SWEEPS: [&str; 4] = [
    "demo.yaml",
    "head-only-quick-look.yaml",
    "stanford-cars-b3.yaml",
    "stanford-cars-b4.yaml",
];

/// What other commands read, and the file whose tests do.
const OTHERS: [(&str, &str); 4] = [
    ("ablation-article.yaml", "src/ablate/recipe.rs"),
    ("ablation-cpu.yaml", "src/ablate/recipe.rs"),
    ("default.yaml", "src/tune/recipe.rs"),
    ("demo-transfer.yaml", "src/transfer/plan.rs"),
];

fn read(name: &str) -> Value {
    let path = format!("{CRATE}/../recipes/{name}");
    serde_norway::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Every configuration of a recipe, as the server draws it.
fn draw(name: &str) -> (SweepSpec, Vec<TrialSpec>) {
    let sweep = check::sweep(&read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let overlays = overlays(&sweep).unwrap_or_else(|e| panic!("{name}: {e}"));
    let specs = overlays.iter().map(|overlay| {
        let raw = lay_over(&sweep.base, overlay);
        check::trial(&raw).unwrap_or_else(|e| panic!("{name}: {overlay}: {e}"))
    });
    let specs = specs.collect();
    (sweep, specs)
}

fn is_full(spec: &TrialSpec) -> bool {
    matches!(spec.adaptation, Adaptation::Full { .. })
}

#[test]
fn every_recipe_is_read_by_a_test() {
    let folder = fs::read_dir(format!("{CRATE}/../recipes")).unwrap();
    let found: BTreeSet<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let others = OTHERS.iter().map(|(name, _)| *name);
    let known: BTreeSet<String> = SWEEPS.into_iter().chain(others).map(Into::into).collect();
    assert_eq!(found, known);
    for (name, by) in OTHERS {
        let source = fs::read_to_string(format!("{CRATE}/{by}")).unwrap();
        assert!(source.contains(name), "{by} does not read {name}");
    }
}

#[test]
fn the_demo_asks_its_questions_with_few_full_runs() {
    let (sweep, specs) = draw("demo.yaml");
    assert_eq!(sweep.seeds, [0]);
    let full: Vec<&TrialSpec> = specs.iter().filter(|spec| is_full(spec)).collect();
    let n_heads = specs.len() - full.len();
    assert_eq!((full.len(), n_heads), (7, 48));
    assert!(
        full.iter()
            .all(|spec| spec.fit.epochs == 2 && spec.fit.seed == 0)
    );

    let count = |holds: fn(&TrialSpec) -> bool| full.iter().filter(|spec| holds(spec)).count();
    assert_eq!(count(|spec| spec.backbone.weights == Weights::Random), 2);
    assert_eq!(
        count(|spec| spec.backbone.activation == Activation::Mish),
        1
    );
    assert_eq!(count(|spec| spec.optimizer.kind() == "sgd"), 1);
    assert_eq!(
        count(|spec| matches!(spec.augment().mix, Mix::Cutmix { .. })),
        1
    );
}

/// Each side question differs from one pretrained run of the grid in one thing.
#[test]
fn the_demo_compares_like_with_like() {
    let (sweep, specs) = draw("demo.yaml");
    let reference = check::trial(&sweep.base).unwrap();
    assert!(
        specs.contains(&reference),
        "the base itself is one of the runs"
    );
    let side: Vec<&TrialSpec> = specs
        .iter()
        .filter(|spec| is_full(spec) && spec.backbone.weights == Weights::Pretrained)
        .filter(|spec| **spec != reference)
        .collect();
    assert_eq!(side.len(), 4, "another rate, mish, SGD, CutMix");
    for spec in side {
        let mut back = spec.clone();
        let differs = [
            spec.backbone != reference.backbone,
            spec.optimizer != reference.optimizer,
            spec.augment != reference.augment,
        ];
        assert_eq!(differs.iter().filter(|d| **d).count(), 1, "{spec:?}");
        back.backbone = reference.backbone.clone();
        back.optimizer = reference.optimizer.clone();
        back.augment = reference.augment.clone();
        assert_eq!(back, reference);
    }
}

#[test]
fn the_quick_look_is_all_heads() {
    let (sweep, specs) = draw("head-only-quick-look.yaml");
    assert_eq!(specs.len() * sweep.seeds.len(), 36);
    assert!(!specs.iter().any(is_full));
}

/// The configurations of a recipe for Stanford Cars, one seed each, and what all of them share.
fn cars(name: &str) -> Vec<TrialSpec> {
    let (sweep, specs) = draw(name);
    assert_eq!(sweep.seeds, [0]);
    for (idx, spec) in specs.iter().enumerate() {
        assert!(!specs[..idx].contains(spec), "{name}: drawn twice");
        assert!(is_full(spec));
        assert_eq!(spec.data.dataset, "stanford-cars");
        assert_eq!(spec.loss.smoothing(), 0.1);
        let phases = &spec.fit.phases;
        let n_fix_res = if phases.is_empty() { 0 } else { 2 };
        assert_eq!(spec.fit.epochs, 40 + n_fix_res, "{name}");
        let wanted = match spec.optimizer.kind() {
            "ranger" => ("flat_cosine", Activation::Mish),
            "sgd" => ("cosine", Activation::Native),
            other => panic!("{name}: {other}"),
        };
        assert_eq!((spec.schedule.kind(), spec.backbone.activation), wanted);
    }
    specs
}

fn count(specs: &[TrialSpec], holds: impl Fn(&TrialSpec) -> bool) -> usize {
    specs.iter().filter(|spec| holds(spec)).count()
}

/// FixRes ends at a larger resolution than it trained at, the one that is scored.
fn ends_with_fix_res(spec: &TrialSpec) -> bool {
    let last = spec.fit.phases.last();
    let ends = last.is_some_and(|phase| phase.train == PhaseTrains::HeadAndLastNorm);
    ends && spec.fit.eval_resolution > Some(spec.fit.resolution)
}

fn augments(spec: &TrialSpec) -> (&'static str, &'static str) {
    let augment = spec.augment();
    (augment.policy.kind(), augment.mix.kind())
}

#[test]
fn the_cars_recipes_draw_what_they_say() {
    let b3 = cars("stanford-cars-b3.yaml");
    assert_eq!(b3.len(), 9);
    assert_eq!(count(&b3, |spec| spec.fit.resolution == 300), 7);
    let is_large_sgd =
        |spec: &TrialSpec| spec.optimizer.kind() == "sgd" && spec.fit.resolution > 300;
    assert_eq!(count(&b3, is_large_sgd), 2);
    assert_eq!(count(&b3, |spec| augments(spec) == ("none", "cutmix")), 1);
    assert_eq!(
        count(&b3, |spec| augments(spec) == ("rand_augment", "none")),
        1
    );
    assert_eq!(
        count(&b3, |spec| augments(spec) == ("rand_augment", "cutmix")),
        2
    );
    assert_eq!(count(&b3, ends_with_fix_res), 1);

    let b4 = cars("stanford-cars-b4.yaml");
    assert_eq!(b4.len(), 7);
    assert_eq!(count(&b4, |spec| spec.fit.resolution == 380), 5);
    let is_large_sgd =
        |spec: &TrialSpec| spec.optimizer.kind() == "sgd" && spec.fit.resolution > 380;
    assert_eq!(count(&b4, is_large_sgd), 2);
    assert_eq!(count(&b4, |spec| augments(spec) == ("none", "none")), 1);
    assert_eq!(count(&b4, ends_with_fix_res), 1);
}
