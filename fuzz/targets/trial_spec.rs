//! A trial spec of any text is refused or taken; taken, it comes through JSON the same, and so does what resolution makes
//! of it.
#![no_main]

use cultivar_fuzz::{again, document};
use cultivar_spec::resolve::{Dataset, imagenet_input, pin_dataset, pin_weights, pinned_random};
use cultivar_spec::{Sha256Digest, check, config_id, model_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(raw) = document(bytes) else { return };
    let Ok(spec) = check::trial(&raw) else { return };
    again(&spec, check::trial);

    let mut resolved = spec.clone();
    let found = Dataset {
        version: Sha256Digest::of(b"manifest"),
        n_val: 1,
    };
    assert_eq!(pin_dataset(&mut resolved, found), None);
    if pinned_random(&spec.backbone).is_none() {
        let file = Sha256Digest::of(b"weights");
        pin_weights(&mut resolved, Some(file), &imagenet_input());
    }
    again(&resolved, check::trial);

    let mut reseeded = resolved.clone();
    reseeded.fit.seed ^= 1;
    assert_eq!(config_id(&reseeded), config_id(&resolved));
    model_file::metadata(&resolved, &["a".to_owned(), "b".to_owned()]);
});
