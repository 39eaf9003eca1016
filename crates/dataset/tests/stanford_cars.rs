//! The Stanford Cars devkit, both layouts. The annotation files are SciPy's: `fixtures/stanford-cars/make.py`.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use cultivar_dataset::import::{ImportError, Imported, Importer, Options, dataset};
use cultivar_spec::manifest::Split;
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

const CLASSES: [&str; 3] = [
    "AM General Hummer SUV 2000",
    "Ram C/V Cargo Van Minivan 2012",
    "smart fortwo Convertible 2012",
];

/// A devkit whose images are made here.
struct Devkit(TempDir);

impl Devkit {
    fn old() -> Self {
        let this = Self::with_annotations("old/devkit", "devkit");
        (1..=18).for_each(|n| this.image(&format!("cars_train/{n:05}.jpg"), n));
        (1..=9).for_each(|n| this.image(&format!("cars_test/{n:05}.jpg"), 100 + n));
        this
    }

    fn new() -> Self {
        let this = Self::with_annotations("new", "");
        (1..=27).for_each(|n| this.image(&format!("car_ims/{n:06}.jpg"), n));
        this
    }

    fn with_annotations(from: &str, to: &str) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/stanford-cars")
            .join(from);
        fs::create_dir_all(this.dir().join(to)).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = this.dir().join(to).join(entry.file_name());
            fs::copy(entry.path(), to).unwrap();
        }
        this
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("cars")
    }

    /// No two colours make the same file.
    fn image(&self, path: &str, n: u8) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = RgbImage::from_pixel(
            16,
            12,
            Rgb([37, 91, 53].map(|step: u8| n.wrapping_mul(step))),
        );
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        fs::write(path, bytes.into_inner()).unwrap();
    }

    fn import(&self) -> Result<Imported, ImportError> {
        let options = Options {
            out_dir: self.0.path().join("out"),
            ..Options::default()
        };
        dataset(&self.dir(), &options, &mut |_| {})
    }

    fn refused(&self, part: &str) {
        let error = self.import().unwrap_err().to_string();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

/// `group class split` of an official image.
fn entry(imported: &Imported, path: &str) -> (String, Split) {
    let manifest = &imported.manifest;
    let found = manifest.images.iter().find(|image| image.group() == path);
    let image = found.unwrap_or_else(|| panic!("no image {path}"));
    (manifest.classes[image.label as usize].clone(), image.split)
}

fn counts(imported: &Imported) -> [usize; 3] {
    [Split::Train, Split::Val, Split::Test].map(|split| imported.manifest.n_images(split))
}

#[test]
fn the_old_layout_keeps_the_official_split_names_and_classes() {
    let devkit = Devkit::old();
    assert_eq!(
        Importer::detect(&devkit.dir()).unwrap(),
        Importer::StanfordCars
    );
    let imported = devkit.import().unwrap();
    assert_eq!(imported.manifest.classes, CLASSES);
    assert_eq!(imported.manifest.title, "Stanford Cars");
    // Of six images a class, two are held out of train for val.
    assert_eq!(counts(&imported), [12, 6, 9]);
    // The second training image is of class 5 % 3 + 1, the second test image of class 2 % 3 + 1; both are 00002.jpg.
    let (class, split) = entry(&imported, "cars_train/00002.jpg");
    assert_eq!(class, CLASSES[2]);
    assert_ne!(split, Split::Test);
    assert_eq!(
        entry(&imported, "cars_test/00002.jpg"),
        (CLASSES[2].to_owned(), Split::Test)
    );
    assert_eq!(
        entry(&imported, "cars_test/00003.jpg"),
        (CLASSES[1].to_owned(), Split::Test)
    );
}

#[test]
fn the_new_layout_keeps_the_official_split() {
    let imported = Devkit::new().import().unwrap();
    assert_eq!(imported.manifest.classes, CLASSES);
    assert_eq!(counts(&imported), [12, 6, 9]);
    assert_eq!(
        entry(&imported, "car_ims/000007.jpg"),
        (CLASSES[0].to_owned(), Split::Test)
    );
    let (class, split) = entry(&imported, "car_ims/000006.jpg");
    assert_eq!(class, CLASSES[2]);
    assert_ne!(split, Split::Test);
}

#[test]
fn test_labels_may_lie_beside_the_devkit() {
    let devkit = Devkit::old();
    let name = "cars_test_annos_withlabels.mat";
    let within = devkit.dir().join("devkit").join(name);
    fs::rename(&within, devkit.dir().join(name)).unwrap();
    assert_eq!(counts(&devkit.import().unwrap()), [12, 6, 9]);
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let devkit = Devkit::old();
    let labels = devkit.dir().join("devkit/cars_test_annos_withlabels.mat");
    let unlabelled = devkit.dir().join("devkit/cars_test_annos.mat");
    fs::copy(&unlabelled, &labels).unwrap();
    devkit.refused("annotations have no field class; they have bbox_x1");
    fs::remove_file(&labels).unwrap();
    devkit.refused("no cars_test_annos_withlabels.mat");

    let devkit = Devkit::new();
    fs::remove_file(devkit.dir().join("car_ims/000003.jpg")).unwrap();
    devkit.refused("car_ims/000003.jpg: No such file");
    let annotations = devkit.dir().join("cars_annos.mat");
    let mut bytes = fs::read(&annotations).unwrap();
    bytes.truncate(bytes.len() - 20);
    fs::write(&annotations, bytes).unwrap();
    devkit.refused("cars_annos.mat: cut short");
}
