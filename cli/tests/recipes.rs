//! The recipes draw what their comments promise, and every trial of them is valid.

use cultivar_search::sampler::overlays;
use cultivar_search::space::lay_over;
use cultivar_spec::trial::{Activation, Adaptation, Mix, Weights};
use cultivar_spec::{SweepSpec, TrialSpec, check};
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = format!("{}/../recipes/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
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
