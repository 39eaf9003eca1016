//! Importing image folders, good and bad.

use std::path::Path;

use cultivar_dataset::import::{ImportError, Imported, LeftOut, Options, Warning, dataset};
use cultivar_dataset::parquet::{ParquetError, read_rows};
use cultivar_spec::Sha256Digest;
use cultivar_spec::manifest::Split;
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

/// A folder of small images, made up as a test needs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> std::path::PathBuf {
        self.0.path().join("Some Pets")
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// An image whose content follows from `colour`.
    fn image(self, path: &str, colour: u32) -> Self {
        let image = RgbImage::from_pixel(4, 4, Rgb(colour.to_be_bytes()[1..].try_into().unwrap()));
        let mut png = std::io::Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).unwrap();
        self.file(path, png.into_inner())
    }

    /// `n` different images in a folder.
    fn images(self, folder: &str, n: u32) -> Self {
        let salt = Sha256Digest::of(folder.as_bytes()).0[0];
        (0..n).fold(self, |this, idx| {
            this.image(
                &format!("{folder}/{idx:03}.png"),
                u32::from(salt) << 16 | idx,
            )
        })
    }

    fn import(&self, change: impl FnOnce(&mut Options)) -> Result<Imported, ImportError> {
        let mut options = Options {
            out_dir: self.0.path().join("out"),
            ..Options::default()
        };
        change(&mut options);
        dataset(&self.dir(), &options, &mut |_| {})
    }

    fn refused(&self, part: &str) {
        let error = self.import(|_| {}).unwrap_err().to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

fn counts(imported: &Imported) -> [usize; 3] {
    [Split::Train, Split::Val, Split::Test].map(|split| imported.manifest.n_images(split))
}

#[test]
fn class_folders_become_a_version_with_a_carved_val() {
    let folder = Folder::new().images("dog", 10).images("cat", 6);
    let imported = folder.import(|_| {}).unwrap();
    let manifest = &imported.manifest;
    assert_eq!(manifest.name, "some-pets");
    assert_eq!(manifest.classes, ["cat", "dog"]);
    assert_eq!(counts(&imported), [12, 4, 0]);
    assert_eq!(imported.warnings, [Warning::NoSources]);
    assert!(
        manifest.split_rule.starts_with("Carved from train (val)"),
        "{}",
        manifest.split_rule
    );

    let with_test = folder.import(|options| options.carve_test = true).unwrap();
    assert_eq!(counts(&with_test), [9, 3, 4]);
    let reseeded = folder.import(|options| options.split_seed = 1).unwrap();
    assert_ne!(reseeded.manifest.images, manifest.images);
}

#[test]
fn the_parquet_files_are_the_manifest_in_pixels() {
    let folder = Folder::new().images("a", 200).images("b", 200);
    let imported = folder.import(|_| {}).unwrap();
    let mut idx = 0;
    for (path, file) in imported.files.iter().zip(&imported.manifest.files) {
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(
            (Sha256Digest::of(&bytes), bytes.len() as u64),
            (file.sha256, file.n_bytes)
        );
        let start = idx;
        read_rows(path, |_, row| {
            let entry = &imported.manifest.images[idx];
            assert_eq!(Sha256Digest::of(&row.bytes), entry.sha256);
            assert_eq!((row.label, row.group), (entry.label, entry.group()));
            idx += 1;
            Ok::<_, ParquetError>(())
        })
        .unwrap();
        assert_eq!((idx - start) as u64, file.n_rows);
    }
    assert_eq!(idx, imported.manifest.images.len());
}

#[test]
fn the_same_folder_is_the_same_version_wherever_it_lies() {
    let version = || {
        let folder = Folder::new().images("a", 8).images("b", 8);
        folder.import(|_| {}).unwrap().manifest.version()
    };
    assert_eq!(version(), version());
    let other = Folder::new().images("a", 8).images("b", 9);
    assert_ne!(other.import(|_| {}).unwrap().manifest.version(), version());
}

#[test]
fn assigned_splits_are_kept() {
    let folder = Folder::new()
        .images("train/a", 5)
        .images("train/b", 5)
        .images("validation/a", 2)
        .images("validation/b", 1)
        .images("test/a", 3);
    let imported = folder.import(|options| options.carve_test = true).unwrap();
    assert_eq!(counts(&imported), [10, 3, 3]);
    let warning = Warning::ClassesNotHeldOut {
        split: Split::Test,
        classes: vec!["b".into()],
    };
    assert!(
        imported.warnings.contains(&warning),
        "{:?}",
        imported.warnings
    );
}

#[test]
fn a_card_names_the_sources_and_their_images_are_counted() {
    let card = "name: pets\ntitle: Pets\nsources:\n  - {name: mine, licence: CC0-1.0, folder: a}\n  - {name: hers, licence: MIT, folder: b, n_images: 9}\n";
    let folder = Folder::new()
        .images("a", 5)
        .images("b", 6)
        .file("dataset.yaml", card);
    let imported = folder.import(|_| {}).unwrap();
    let manifest = imported.manifest;
    assert_eq!(
        (manifest.name.as_str(), manifest.title.as_str()),
        ("pets", "Pets")
    );
    let found: Vec<_> = manifest
        .sources
        .iter()
        .map(|s| (s.name.as_str(), s.n_images))
        .collect();
    assert_eq!(found, [("mine", 5), ("hers", 6)]);
    let warning = Warning::CardCount {
        source: "hers".into(),
        declared: 9,
        found: 6,
    };
    assert_eq!(imported.warnings, [warning]);

    let renamed = folder
        .import(|options| options.name = Some("other".into()))
        .unwrap();
    assert_eq!(renamed.manifest.name, "other");
}

#[test]
fn broken_images_are_named_and_counted() {
    let folder = Folder::new()
        .images("a", 5)
        .images("b", 5)
        .file("a/empty.png", "")
        .file("b/page.jpg", "<html>");
    let error = folder.import(|_| {}).unwrap_err().to_string();
    assert!(error.starts_with("2 image(s) cannot be read"), "{error}");
    assert!(
        error.contains(
            "\n  a/empty.png: the file is empty\n  b/page.jpg: the content is not an image"
        ),
        "{error}"
    );
    assert!(
        !folder.0.path().join("out").exists(),
        "nothing is written for a folder that is refused"
    );

    let imported = folder.import(|options| options.skip_broken = true).unwrap();
    let names: Vec<_> = imported
        .broken
        .iter()
        .map(|image| image.path.as_str())
        .collect();
    assert_eq!(names, ["a/empty.png", "b/page.jpg"]);
    assert_eq!(imported.manifest.images.len(), 10);
}

#[test]
fn a_class_with_only_broken_images_is_not_dropped_in_silence() {
    let folder = Folder::new()
        .images("a", 5)
        .images("b", 5)
        .file("c/1.png", "");
    let error = folder
        .import(|options| options.skip_broken = true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("without an image in train: c"), "{error}");
}

#[test]
fn a_listed_file_that_is_not_there_is_broken() {
    let table = "file_name,label\n1.png,a\n2.png,b\n";
    let folder = Folder::new().image("1.png", 1).file("metadata.csv", table);
    folder.refused("1 image(s) cannot be read");
}

#[test]
fn identical_images_share_a_group_and_so_a_split() {
    let mut folder = Folder::new();
    for idx in 0..20 {
        folder = folder
            .image(&format!("a/{idx}.png"), idx)
            .image(&format!("a/copy-{idx}.png"), idx);
    }
    let folder = folder.images("b", 5);
    let imported = folder.import(|options| options.carve_test = true).unwrap();
    let mut split_of = std::collections::BTreeMap::new();
    for image in &imported.manifest.images {
        let split = split_of.entry(image.sha256).or_insert(image.split);
        assert_eq!(*split, image.split);
    }
    assert!(
        imported
            .warnings
            .iter()
            .any(|warning| matches!(warning, Warning::Duplicates { n_files: 20, .. }))
    );
}

#[test]
fn a_train_image_that_is_also_in_test_is_left_out() {
    let folder = Folder::new()
        .images("train/a", 5)
        .images("train/b", 5)
        .image("train/a/leak.png", 7)
        .image("test/a/1.png", 7)
        .image("test/b/2.png", 8);
    let imported = folder.import(|_| {}).unwrap();
    assert_eq!(counts(&imported), [8, 2, 2]);
    let left_out = LeftOut {
        path: "train/a/leak.png".into(),
        repeats: "test/a/1.png".into(),
    };
    let warning = Warning::DuplicatesAcrossSplits(vec![left_out]);
    assert!(
        imported.warnings.contains(&warning),
        "{:?}",
        imported.warnings
    );
}

#[test]
fn what_is_wrong_is_said() {
    Folder::new()
        .images("only", 3)
        .refused("only one class, \"only\"");
    Folder::new()
        .file("notes.txt", "hello")
        .refused("no images in");
    Folder::new()
        .images("test/a", 3)
        .images("test/b", 3)
        .refused("no image is in train");
    Folder::new()
        .images("train/a", 3)
        .images("train/b", 3)
        .images("test/c", 1)
        .refused("class(es) without an image in train: c");
    Folder::new()
        .images("a", 5)
        .images("b", 1)
        .refused("class \"b\" has 1 group(s)");
    Folder::new()
        .images("a", 5)
        .images("b", 5)
        .file("dataset.yaml", "name: Not A Name")
        .refused("\"Not A Name\" cannot name a dataset");

    let table = "file_name,label,group,split\n1.png,a,g,train\n2.png,b,g,test\n3.png,b,h,train\n";
    let listed = |table: &str| {
        let folder = Folder::new()
            .image("1.png", 1)
            .image("2.png", 2)
            .image("3.png", 3);
        folder.file("metadata.csv", table)
    };
    listed(table).refused("1 group(s) lie in more than one split; images of one group must share a split:\n  g in train and test");
    listed(&table.replace(",test", ",")).refused("1 of 3 images have no split (first: 2.png)");

    let missing = Path::new("no/such/folder");
    let error = dataset(missing, &Options::default(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("no/such/folder"), "{error}");
}

#[test]
fn progress_counts_to_the_end_in_each_stage() {
    let folder = Folder::new().images("a", 200).images("b", 100);
    let options = Options {
        out_dir: folder.0.path().join("out"),
        ..Options::default()
    };
    let mut seen = Vec::new();
    dataset(&folder.dir(), &options, &mut |progress| seen.push(progress)).unwrap();
    let stages: Vec<_> = seen.chunk_by(|a, b| a.stage == b.stage).collect();
    assert_eq!(stages.len(), 2);
    for stage in stages {
        assert!(stage.is_sorted_by_key(|progress| progress.done));
        assert!(
            stage
                .last()
                .is_some_and(|last| last.done == 300 && last.total == 300)
        );
    }
}
