//! The decoded cache and the features: shared, verified, rebuilt when damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cultivar_spec::predictions::LOGITS;
use cultivar_spec::trial::Interpolation;
use cultivar_train::data::cache::{Cache, CacheKey, Shrink};
use serde_json::json;
use tch::Tensor;

use crate::train::mini::{Mini, N_IMAGES, complete, spec, tensors};

fn key(mini: &Mini, short_side: u32) -> CacheKey {
    CacheKey {
        version: mini.manifest.version(),
        shrink: Shrink {
            short_side,
            interpolation: Interpolation::Bicubic,
        },
    }
}

/// Opens the cache; also says whether any image was decoded for it.
fn open(mini: &Mini, short_side: u32) -> (Cache, bool) {
    let mut built = false;
    let files = [mini.path("data.parquet")];
    let cache = Cache::open(
        key(mini, short_side),
        &mini.cache_dir(),
        &files,
        N_IMAGES,
        &mut |done, _| {
            built |= done > 0;
            Ok(())
        },
    );
    (cache.expect("a cache"), built)
}

fn pixels(cache: &Cache) -> Vec<Vec<u8>> {
    (0..cache.len())
        .map(|idx| cache.image(idx).to_vec())
        .collect()
}

#[test]
fn a_damaged_cache_is_built_again() {
    let mini = Mini::new();
    let (cache, built) = open(&mini, 40);
    assert!(built);
    let whole = pixels(&cache);
    assert!(
        whole
            .iter()
            .all(|image| image.iter().any(|&level| level > 0))
    );
    drop(cache);
    assert!(!open(&mini, 40).1, "a whole cache is used as it is");

    let path = key(&mini, 40).path(&mini.cache_dir());
    let bytes = fs::read(&path).unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("a flipped pixel", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("a flipped place", |bytes| bytes[30] ^= 1),
        ("another magic", |bytes| bytes[0] ^= 1),
        ("cut short", |bytes| bytes.truncate(bytes.len() - 1)),
        ("empty", Vec::clear),
    ];
    for (damage, inflict) in damages {
        let mut damaged = bytes.clone();
        inflict(&mut damaged);
        // As a torn disk would: beside, then into place, so that no open map sees it change.
        let beside = path.with_extension("damaged");
        fs::write(&beside, damaged).unwrap();
        fs::rename(&beside, &path).unwrap();
        let (cache, built) = open(&mini, 40);
        assert!(built, "{damage} went unseen");
        assert_eq!(pixels(&cache), whole, "{damage}");
    }
}

#[test]
fn images_are_shrunk_to_the_short_side_and_never_enlarged() {
    let mini = Mini::new();
    let (original, _) = open(&mini, 1000);
    let (cache, _) = open(&mini, 36);
    for idx in 0..N_IMAGES {
        let (height, width) = original.size(idx);
        let (h, w) = cache.size(idx);
        if height.min(width) <= 36 {
            assert_eq!((h, w), (height, width));
            assert_eq!(cache.image(idx), original.image(idx));
        } else {
            assert_eq!(h.min(w), 36);
            let ratio = f64::from(w) / f64::from(h) * f64::from(height) / f64::from(width);
            assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
        }
    }
}

#[test]
fn two_trainers_build_a_cache_once() {
    let mini = Mini::new();
    let n_built = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (cache, built) = open(&mini, 40);
                assert_eq!(cache.len(), N_IMAGES);
                n_built.fetch_add(usize::from(built), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(n_built.into_inner(), 1);
}

#[test]
fn features_are_computed_once_and_again_when_damaged() {
    let mini = Mini::new();
    let spec = |lr: f64, seed: u64| {
        spec(json!({
            "adaptation": {"mode": "head_only"},
            "optimizer": {"kind": "adamw", "lr": lr},
            "fit": {"epochs": 2, "seed": seed},
        }))
    };
    let logits = |tag: &str, lr, seed| -> (Tensor, Vec<String>) {
        let (result, said) = complete(&mini.job(tag, &spec(lr, seed)));
        let found = tensors(&result.predictions.expect("predictions"))[LOGITS].shallow_clone();
        (
            found,
            said.phases()
                .iter()
                .map(|&phase| phase.to_owned())
                .collect(),
        )
    };
    let decodes = |phases: &[String]| phases.iter().any(|phase| phase == "decoding");

    let (fresh, phases) = logits("fresh", 0.01, 1);
    assert!(decodes(&phases));
    let (cached, phases) = logits("cached", 0.01, 1);
    assert!(!decodes(&phases), "a hit touches no pixel: {phases:?}");
    assert!(cached.equal(&fresh));
    let (_, phases) = logits("other-lr", 0.02, 1);
    assert!(!decodes(&phases), "all head-only trials share them");
    assert_eq!(feature_files(&mini.cache_dir()).len(), 1);
    let _ = logits("other-seed", 0.01, 2);
    assert_eq!(
        feature_files(&mini.cache_dir()).len(),
        2,
        "random weights have a seed"
    );

    for path in feature_files(&mini.cache_dir()) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let (again, phases) = logits("again", 0.01, 1);
    assert!(decodes(&phases), "a damaged file is not used");
    assert!(again.equal(&fresh));
}

fn feature_files(cache_dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(cache_dir.join("features"))
        .expect("a features folder")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "safetensors"))
        .collect()
}
