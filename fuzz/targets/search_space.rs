//! A sweep of any text is refused or taken; what is drawn from one that is taken lies in its space, no two draws alike.
#![no_main]

use std::collections::HashSet;

use cultivar_fuzz::{again, document};
use cultivar_search::sampler::{Study, preview};
use cultivar_search::space::{lay_over, size};
use cultivar_spec::space::Node;
use cultivar_spec::{canonical_json, check};
use libfuzzer_sys::fuzz_target;

const N_DRAWS: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let Some(raw) = document(bytes) else { return };
    let Ok(sweep) = check::sweep(&raw) else {
        return;
    };
    again(&sweep, check::sweep);

    let Ok(node) = Node::parse(&sweep.space) else {
        return;
    };
    let n_points = size(&node);
    let Ok(study) = Study::new(&sweep) else {
        return;
    };
    let drawn = preview(&sweep, N_DRAWS).expect("a study could be made of it");
    if let Some(n_points) = n_points {
        assert!(drawn.len() as u64 <= n_points, "{n_points} points only");
    }
    let mut seen = HashSet::new();
    for overlay in &drawn {
        if let Err(outside) = study.space().encode(overlay) {
            panic!("{overlay} was drawn and lies outside: {outside:?}");
        }
        assert!(
            seen.insert(canonical_json(overlay)),
            "{overlay} comes twice"
        );
        let spec = lay_over(&sweep.base, overlay);
        assert_eq!(lay_over(&spec, overlay), spec, "laid over twice");
        if let Ok(spec) = check::trial(&spec) {
            again(&spec, check::trial);
        }
    }
});
