use super::*;
use cultivar_spec::space::Node;
use rand::Rng;
use serde_json::json;

/// `n` random results of a function of the coordinates, each a share of its range.
fn explained(space: serde_json::Value, n: usize, f: impl Fn(&Point) -> f64) -> ImportanceReport {
    let space = Space::new(&Node::parse(&space).unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let results: Vec<(Point, f64)> = (0..n)
        .map(|_| {
            let point = space.build(|_, param, _| param.domain.at_unit(rng.random()));
            let value = f(&point);
            (point, value)
        })
        .collect();
    of(&space, &results, 1).unwrap()
}

fn four() -> serde_json::Value {
    let unit = json!({"uniform": [0.0, 1.0]});
    json!({"a": unit, "b": unit, "c": unit, "d": {"choice": ["x", "y", "z", "w"]}})
}

fn share(report: &ImportanceReport, pointer: &str) -> f64 {
    let found = report.params.iter().find(|param| param.pointer == pointer);
    found.unwrap().share.mean
}

#[test]
fn shares_are_those_of_a_known_function() {
    // Variances: 4 / 12 of a, 9 / 12 of b, 144 / 144 of their product's interaction, 1 / 4 of d.
    let f = |point: &Point| {
        let x = |idx: usize| point[idx].unwrap();
        2.0 * x(0) + 3.0 * x(1) + 12.0 * (x(0) - 0.5) * (x(1) - 0.5) + f64::from(x(3) >= 2.0)
    };
    let total = 4.0 / 12.0 + 9.0 / 12.0 + 1.0 + 0.25;
    let report = explained(four(), 10_000, f);
    for (pointer, variance) in [
        ("/a", 4.0 / 12.0),
        ("/b", 9.0 / 12.0),
        ("/c", 0.0),
        ("/d", 0.25),
    ] {
        let (found, wanted) = (share(&report, pointer), variance / total);
        assert!(
            (found - wanted).abs() < 0.03,
            "{pointer}: {found}, not {wanted}"
        );
    }
    let strongest = &report.interactions[0];
    assert_eq!(strongest.pointers, ("/a".into(), "/b".into()));
    assert!(
        (strongest.share.mean - 1.0 / total).abs() < 0.06,
        "{strongest:?}"
    );
    assert!(report.interactions[1].share.mean < 0.03);
    assert_eq!(report.params[0].pointer, "/b");

    // Shuffling a parameter adds twice the variance that it takes part in.
    let permutation = |pointer: &str| {
        let found = report.params.iter().find(|param| param.pointer == pointer);
        found.unwrap().permutation
    };
    assert!((permutation("/a") - 2.0 * (4.0 / 12.0 + 1.0) / total).abs() < 0.15);
    assert!(permutation("/c").abs() < 0.02);
}

#[test]
fn a_curve_follows_the_function_and_says_how_well_it_is_known() {
    let f = |point: &Point| (6.0 * point[0].unwrap()).sin() + 0.3 * point[2].unwrap();
    let deviation = |n: usize| {
        let report = explained(four(), n, f);
        let along = report
            .params
            .iter()
            .find(|param| param.pointer == "/a")
            .unwrap();
        for point in &along.curve {
            let wanted = (6.0 * point.at).sin() + 0.15;
            let slack = 4.0 * point.deviation + 0.1;
            assert!(
                (point.mean - wanted).abs() < slack,
                "{point:?}, not {wanted}"
            );
        }
        along.curve.iter().map(|point| point.deviation).sum::<f64>()
    };
    assert!(deviation(100) > 1.5 * deviation(2_000));
}

#[test]
fn what_a_condition_hides_counts_for_its_share() {
    let space = json!({
        "optimizer": {"choice": [{"kind": "sgd", "momentum": {"uniform": [0.0, 1.0]}}, {"kind": "adamw"}]},
        "other": {"uniform": [0.0, 1.0]},
    });
    let report = explained(space, 3_000, |point| {
        point[1].map_or(5.0, |momentum| momentum)
    });
    assert_eq!(report.params[0].pointer, "/optimizer");
    let momentum = share(&report, "/optimizer/momentum");
    assert!(momentum > 1e-4 && momentum < 0.05, "{momentum}");
}

#[test]
fn nothing_to_explain_is_said() {
    let space = Space::new(&Node::parse(&four()).unwrap());
    let point = |x: f64| vec![Some(x), Some(0.5), Some(0.5), Some(1.0)];
    let constant: Vec<_> = (0..20).map(|i| (point(f64::from(i) / 20.0), 1.0)).collect();
    assert_eq!(of(&space, &constant, 0), None);
    let few: Vec<_> = (0..5).map(|i| (point(0.1), f64::from(i))).collect();
    assert_eq!(of(&space, &few, 0), None);
    assert_eq!(of(&space, &[], 0), None);
}
