//! Schedules against torch's and timm's, at every step.

use cultivar_spec::trial::Schedule;
use cultivar_train::schedule::{lr_factor, momentum};
use serde::Deserialize;

use super::{assert_close, fixture};

#[derive(Deserialize)]
struct Case {
    spec: Schedule,
    n_steps: u64,
    lr: Vec<f64>,
    momentum: Option<Vec<f64>>,
}

#[test]
fn every_step_is_the_references() {
    let cases: Vec<Case> = fixture("schedules");
    assert_eq!(cases.len(), 19);
    for kind in [
        "cosine",
        "flat_cosine",
        "step",
        "multi_step",
        "polynomial",
        "one_cycle",
        "constant",
    ] {
        assert!(cases.iter().any(|case| case.spec.kind() == kind), "{kind}");
    }
    for case in cases {
        let what = format!(
            "{}: {:?} over {} steps",
            case.spec.kind(),
            case.spec,
            case.n_steps
        );
        let lr: Vec<f64> = (0..case.n_steps)
            .map(|step| lr_factor(&case.spec, step, case.n_steps))
            .collect();
        assert_close(&what, &lr, &case.lr, 1e-12, 1e-10);
        let momenta: Option<Vec<f64>> = (0..case.n_steps)
            .map(|step| momentum(&case.spec, step, case.n_steps))
            .collect();
        assert_eq!(momenta.is_some(), case.momentum.is_some(), "{what}");
        if let (Some(ours), Some(theirs)) = (momenta, case.momentum) {
            assert_close(&what, &ours, &theirs, 1e-12, 1e-10);
        }
    }
}
