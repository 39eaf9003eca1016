//! The scrambled Sobol sequence, which `auto` starts with too.

use std::collections::HashSet;

use cultivar_search::sampler::preview;
use serde_json::{Value, json};

use crate::lab::{sweep, unit};

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The first points of the six-dimensional unit cube.
fn first(kind: &str, seed: u64, n: usize) -> Vec<Value> {
    let space: serde_json::Map<String, Value> =
        KEYS.iter().map(|key| (key.to_string(), unit())).collect();
    let search = json!({"sampler": {"kind": kind}, "space": space});
    preview(&sweep(&search, seed), n).unwrap()
}

/// Which of `n` equal parts of its range a coordinate lies in.
fn part(overlay: &Value, key: &str, n: usize) -> usize {
    (overlay[key].as_f64().unwrap() * n as f64) as usize
}

#[test]
fn eight_points_hit_every_eighth_of_every_parameter() {
    for kind in ["sobol", "auto"] {
        for seed in 0..30 {
            for eight in first(kind, seed, 16).chunks(8) {
                for key in KEYS {
                    let mut parts: Vec<usize> = eight.iter().map(|o| part(o, key, 8)).collect();
                    parts.sort_unstable();
                    assert_eq!(
                        parts,
                        [0, 1, 2, 3, 4, 5, 6, 7],
                        "{kind}, seed {seed}: {key}"
                    );
                }
            }
        }
    }
}

/// As sets: a mere change of order would be no other scrambling.
#[test]
fn seeds_tell_point_sets_apart_and_give_them_again() {
    let set = |seed: u64| {
        let points = first("sobol", seed, 8);
        let mut texts: Vec<String> = points.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    // Those above 32 bits too.
    let seeds: Vec<u64> = (0..30).chain((1..10).map(|high| high << 32)).collect();
    let sets: HashSet<Vec<String>> = seeds.iter().map(|seed| set(*seed)).collect();
    assert_eq!(sets.len(), seeds.len());
    for seed in seeds {
        let (once, again) = (first("sobol", seed, 8), first("sobol", seed, 8));
        assert_eq!(once, again);
    }
}

#[test]
fn scrambling_sends_the_first_point_anywhere() {
    let points: Vec<Value> = (0..64).flat_map(|seed| first("sobol", seed, 1)).collect();
    for key in KEYS {
        for quarter in 0..4 {
            let n = points.iter().filter(|o| part(o, key, 4) == quarter).count();
            assert!(n >= 5, "{n} of 64 lie in quarter {quarter} of {key}");
        }
    }
}
