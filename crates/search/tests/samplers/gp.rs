//! The Gaussian process: what is pending is imagined.

use cultivar_search::sampler::ask;
use serde_json::json;

use crate::lab::{Xy, apart, at, even, mean, pending, square, sweep, told};

/// Several hills, of which a few results show the one or other flank.
fn hilly([x, y]: Xy) -> f64 {
    (9.0 * x).sin() * (8.0 * y).cos()
}

#[test]
fn a_pending_configuration_sends_the_next_one_elsewhere() {
    let past = told(&even(30), hilly);
    let (mut moved, mut stayed) = (Vec::new(), Vec::new());
    for seed in 0..10 {
        let spec = sweep(&square(json!({"kind": "gp"})), seed);
        let first = ask(&spec, &past, 30).unwrap().unwrap();
        let unaware = ask(&spec, &past, 31).unwrap().unwrap();
        let mut seen = past.clone();
        seen.push(pending(30, first.clone()));
        let aware = ask(&spec, &seen, 31).unwrap().unwrap();
        stayed.push(apart(at(&first), at(&unaware)));
        moved.push(apart(at(&first), at(&aware)));
    }
    let (moved, stayed) = (mean(moved), mean(stayed));
    assert!(moved > stayed + 0.25, "{moved} against {stayed}");
}

/// Mean distance of any two.
fn spread(points: &[Xy]) -> f64 {
    let pairs = points
        .iter()
        .enumerate()
        .flat_map(|(n, a)| points[..n].iter().map(move |b| apart(*a, *b)));
    mean(pairs)
}

#[test]
fn proposals_asked_for_at_once_spread_over_the_hills() {
    let past = told(&even(30), hilly);
    for kind in ["gp", "auto"] {
        let batch = |seed: u64, is_told: bool| {
            let spec = sweep(&square(json!({"kind": kind})), seed);
            let mut seen = past.clone();
            let mut points = Vec::new();
            for number in 30..35 {
                let overlay = ask(&spec, &seen, number).unwrap().unwrap();
                points.push(at(&overlay));
                if is_told {
                    seen.push(pending(number, overlay));
                }
            }
            spread(&points)
        };
        let aware = mean((0..5).map(|seed| batch(seed, true)));
        let unaware = mean((0..5).map(|seed| batch(seed, false)));
        assert!(aware > unaware + 0.25, "{kind}: {aware} against {unaware}");
    }
}
