//! The open-emoji dataset from the real packages: its counts are part of what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cultivar_dataset::import::{Imported, Options, image_folder};
use cultivar_dataset::openemoji::{BuildError, Built, Vendor, build};
use cultivar_spec::manifest::Split;

#[test]
fn a_missing_package_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = build(dir.path(), &dir.path().join("out"), &mut |_| {}).unwrap_err();
    assert!(
        matches!(
            error,
            BuildError::NoPackage {
                package: "emoji-datasource-google",
                ..
            }
        ),
        "{error}"
    );
}

/// The folder of unpacked npm packages. `make test` sets it, and then it must be there.
fn packages() -> Option<PathBuf> {
    let packages = PathBuf::from(std::env::var_os("CULTIVAR_EMOJI_PACKAGES")?);
    assert!(
        packages.is_dir(),
        "CULTIVAR_EMOJI_PACKAGES is {}, which is no folder",
        packages.display()
    );
    Some(packages)
}

fn build_and_import(packages: PathBuf) -> (Built, Imported) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    let built = build(&packages, &folder, &mut |_| {}).unwrap();
    let options = Options {
        out_dir: dir.path().join("out"),
        ..Options::default()
    };
    let imported = image_folder(&folder, &options, &mut |_| {}).unwrap();
    (built, imported)
}

#[test]
fn the_dataset_is_what_its_description_says() {
    let Some(packages) = packages() else {
        eprintln!("skipped: CULTIVAR_EMOJI_PACKAGES is not set");
        return;
    };
    let (built, imported) = build_and_import(packages);
    assert_eq!((built.n_images, built.n_classes), (5137, 57));
    let by_vendor = |vendor| built.missing.iter().filter(|(by, _)| *by == vendor).count();
    assert_eq!(Vendor::ALL.map(by_vendor), [0, 0, 0, 35]);

    let manifest = &imported.manifest;
    assert_eq!(manifest.name, "open-emoji");
    let count = |split| manifest.n_images(split);
    // 4,038 before the drawings of train that some vendor also uses for an emoji of test are left out.
    assert_eq!(count(Split::Train) + count(Split::Val), 4016);
    assert_eq!((count(Split::Val), count(Split::Test)), (904, 1099));

    let mut split_of = BTreeMap::new();
    let mut groups_of: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let mut splits_of: BTreeMap<u32, BTreeSet<Split>> = BTreeMap::new();
    for image in &manifest.images {
        let split = split_of.entry(image.group()).or_insert(image.split);
        assert_eq!(*split, image.split, "group {} straddles", image.group());
        let split = split_of
            .entry(image.sha256.to_string())
            .or_insert(image.split);
        assert_eq!(*split, image.split, "image {} straddles", image.sha256);
        groups_of
            .entry(image.label)
            .or_default()
            .insert(image.group());
        splits_of
            .entry(image.label)
            .or_default()
            .insert(image.split);
    }
    for (label, groups) in groups_of {
        let class = &manifest.classes[label as usize];
        assert!(groups.len() >= 5, "{class} has {} groups", groups.len());
        assert_eq!(splits_of[&label].len(), 3, "{class} is in every split");
    }
    let licences: BTreeSet<_> = manifest
        .sources
        .iter()
        .map(|source| source.licence.as_str())
        .collect();
    assert_eq!(
        licences,
        BTreeSet::from(["Apache-2.0", "CC-BY-4.0", "CC-BY-SA-4.0", "MIT"])
    );
    let n_images: u64 = manifest.sources.iter().map(|source| source.n_images).sum();
    assert_eq!(n_images, manifest.images.len() as u64);
}
