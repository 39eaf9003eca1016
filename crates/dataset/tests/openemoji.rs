//! The open-emoji dataset from the real packages: its counts are part of what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cultivar_dataset::decode::decode_rgb;
use cultivar_dataset::import::{Imported, Options, dataset};
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

/// Two classes of eight emoji; the first has a presentation selector that no vendor spells alike, and
/// only some are drawn by OpenMoji.
#[test]
fn drawings_are_joined_and_laid_out_as_an_image_folder() {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: String, content: &[u8]| {
        let path = dir.path().join("node_modules").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let mut rows = Vec::new();
    for idx in 0..16 {
        let points = format!("{:04X}", 0x00A9 + idx);
        let unified = if idx == 0 {
            format!("{points}-FE0F")
        } else {
            points.clone()
        };
        rows.push(serde_json::json!({
            "unified": unified, "non_qualified": null, "category": "Things",
            "subcategory": if idx < 8 { "round" } else { "square" },
        }));
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_pixel(64, 64, image::Rgb([idx as u8 * 10; 3]))
            .write_to(&mut png, image::ImageFormat::Png)
            .unwrap();
        let lower = unified.to_lowercase();
        put(
            format!("emoji-datasource-google/img/google/64/{lower}.png"),
            png.get_ref(),
        );
        let (short, _) = lower.split_once('-').unwrap_or((&lower, ""));
        let short = short.trim_start_matches('0');
        put(
            format!("@lobehub/fluent-emoji-3d/assets/{short}.webp"),
            png.get_ref(),
        );
        if idx < 3 {
            let svg = format!(
                "<svg viewBox='0 0 9 9' xmlns='http://www.w3.org/2000/svg'><path d='M{idx} 0h3v3z'/></svg>"
            );
            put(format!("openmoji/color/svg/{points}.svg"), svg.as_bytes());
        }
    }
    for vendor in Vendor::ALL {
        put(
            format!("{}/package.json", vendor.package()),
            br#"{"version": "1.2.3"}"#,
        );
    }
    let table = serde_json::to_vec(&rows).unwrap();
    put("emoji-datasource-google/emoji.json".to_owned(), &table);

    let folder = dir.path().join("folder");
    let built = build(dir.path(), &folder, &mut |_| {}).unwrap();
    assert_eq!(
        (built.n_images, built.n_classes, built.n_groups),
        (35, 2, 16)
    );
    assert_eq!(built.missing.len(), 16 + 13);

    let options = Options {
        out_dir: dir.path().join("out"),
        ..Options::default()
    };
    // Identical drawings by two vendors are one emoji here, so nothing is left out.
    let imported = dataset(&folder, &options, &mut |_| {}).unwrap();
    assert_eq!(imported.manifest.classes, ["round", "square"]);
    assert_eq!(imported.manifest.images.len(), 35);
    let sources: Vec<_> = imported
        .manifest
        .sources
        .iter()
        .map(|source| source.n_images)
        .collect();
    assert_eq!(sources, [16, 0, 3, 16]);
    let image = std::fs::read(folder.join("images/noto/00a9-fe0f.png")).unwrap();
    assert_eq!(decode_rgb(&image).unwrap().dimensions(), (128, 128));
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
    let imported = dataset(&folder, &options, &mut |_| {}).unwrap();
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
        assert!(groups.len() >= 8, "{class} has {} groups", groups.len());
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
