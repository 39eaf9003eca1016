//! Parquet files in the Hugging Face convention, as others write them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cultivar_dataset::import::{ImportError, Imported, Importer, Options, dataset};
use cultivar_spec::manifest::Split;
use image::{ImageFormat, Rgb, RgbImage};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;
use tempfile::TempDir;

/// How a label is stored.
#[derive(Clone, Copy)]
enum Labels {
    Numbers,
    Texts,
}

/// A folder of Parquet files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("birds")
    }

    /// Writes rows of (colour, label) in row groups of three, the label column first, paths null in every other row.
    fn table(self, path: &str, labels: Labels, names: Option<&[&str]>, rows: &[(u8, u8)]) -> Self {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let label = match labels {
            Labels::Numbers => "optional int64 label",
            Labels::Texts => "required binary label (STRING)",
        };
        let schema = format!(
            "message schema {{ {label}; optional group image {{ optional binary bytes; optional binary path (STRING); }} }}"
        );
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        if let Some(names) = names {
            let features = json!({"info": {"features": {
                "image": {"_type": "Image"},
                "label": {"_type": "ClassLabel", "names": names},
            }}});
            let entry = KeyValue::new("huggingface".to_owned(), features.to_string());
            properties = properties.set_key_value_metadata(Some(vec![entry]));
        }
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let file = File::create(path).unwrap();
        let mut writer =
            SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
        for chunk in rows.chunks(3) {
            let mut group = writer.next_row_group().unwrap();
            match labels {
                Labels::Numbers => {
                    let values: Vec<i64> = chunk.iter().map(|row| row.1.into()).collect();
                    column::<Int64Type>(&mut group, &values, Some(&vec![1; chunk.len()]));
                }
                Labels::Texts => {
                    let values: Vec<ByteArray> = chunk
                        .iter()
                        .map(|row| ByteArray::from(format!("bird-{}", row.1).as_str()))
                        .collect();
                    column::<ByteArrayType>(&mut group, &values, None);
                }
            }
            let images: Vec<ByteArray> = chunk.iter().map(|row| png(row.0).into()).collect();
            column::<ByteArrayType>(&mut group, &images, Some(&vec![2; chunk.len()]));
            let levels: Vec<i16> = (0..chunk.len()).map(|idx| 1 + (idx as i16 % 2)).collect();
            let paths: Vec<ByteArray> = chunk
                .iter()
                .zip(&levels)
                .filter(|(_, level)| **level == 2)
                .map(|(row, _)| ByteArray::from(format!("{}.png", row.0).as_str()))
                .collect();
            column::<ByteArrayType>(&mut group, &paths, Some(&levels));
            group.close().unwrap();
        }
        writer.close().unwrap();
        self
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

type Group<'a> = parquet::file::writer::SerializedRowGroupWriter<'a, File>;

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: Option<&[i16]>) {
    let mut writer = group.next_column().unwrap().unwrap();
    let typed = writer.typed::<T>();
    typed.write_batch(values, levels, None).unwrap();
    writer.close().unwrap();
}

fn png(colour: u8) -> Vec<u8> {
    let image = RgbImage::from_pixel(8, 8, Rgb([colour, 9, 9]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn counts(imported: &Imported) -> [usize; 3] {
    [Split::Train, Split::Val, Split::Test].map(|split| imported.manifest.n_images(split))
}

/// `n` rows from a colour on, labels 0, 1, 2, 0, ...
fn rows(from: u8, n: u8) -> Vec<(u8, u8)> {
    (0..n).map(|idx| (from + idx, idx % 3)).collect()
}

const NAMES: [&str; 3] = ["wren", "owl", "crow"];

#[test]
fn splits_and_class_names_are_those_of_the_files() {
    let folder = Folder::new()
        .table(
            "data/train-00000-of-00002.parquet",
            Labels::Numbers,
            Some(&NAMES),
            &rows(0, 7),
        )
        .table(
            "data/train-00001-of-00002.parquet",
            Labels::Numbers,
            Some(&NAMES),
            &rows(20, 5),
        )
        .table(
            "data/validation-00000-of-00001.parquet",
            Labels::Numbers,
            Some(&NAMES),
            &rows(40, 4),
        )
        .table(
            "data/test-00000-of-00001.parquet",
            Labels::Numbers,
            Some(&NAMES),
            &rows(60, 6),
        );
    assert_eq!(Importer::detect(&folder.dir()).unwrap(), Importer::Parquet);
    let imported = folder.import().unwrap();
    // The order of the ClassLabel, not of the alphabet: labels mean what they meant.
    assert_eq!(imported.manifest.classes, NAMES);
    assert_eq!(counts(&imported), [12, 4, 6]);
    // Test comes first by name: its images are 60, 61, ... with labels 0, 1, ...
    for (idx, image) in imported.manifest.images.iter().take(6).enumerate() {
        assert_eq!(image.split, Split::Test);
        assert_eq!(image.label as usize, idx % 3);
        let bytes = png(60 + idx as u8);
        assert_eq!(image.sha256, cultivar_spec::Sha256Digest::of(&bytes));
    }
}

#[test]
fn text_labels_name_themselves_and_a_missing_val_is_carved() {
    let folder = Folder::new().table("train.parquet", Labels::Texts, None, &rows(0, 30));
    let imported = folder.import().unwrap();
    assert_eq!(imported.manifest.classes, ["bird-0", "bird-1", "bird-2"]);
    assert_eq!(counts(&imported), [24, 6, 0]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = Folder::new()
        .table("train.parquet", Labels::Numbers, Some(&NAMES), &rows(0, 9))
        .table(
            "test.parquet",
            Labels::Numbers,
            Some(&["wren", "owl"]),
            &rows(20, 3),
        );
    folder.refused("want one dataset a folder");

    let folder = Folder::new().table(
        "train.parquet",
        Labels::Numbers,
        Some(&["wren", "owl"]),
        &rows(0, 9),
    );
    folder.refused("row 2: label 2 has no name among the 2");

    let folder = Folder::new().table("train.parquet", Labels::Texts, None, &rows(0, 9));
    let path = folder.dir().join("train.parquet");
    fs::write(&path, b"PAR1 no such thing PAR1").unwrap();
    folder.refused("train.parquet");
}

/// What Cultivar writes is what it reads: the same images, labels and splits.
#[test]
fn our_own_files_come_back() {
    let folder = Folder::new().table("train.parquet", Labels::Texts, None, &rows(0, 30));
    let first = folder.import().unwrap();
    let again = Folder::new();
    fs::create_dir_all(again.dir()).unwrap();
    let to: &Path = &again.dir();
    fs::copy(&first.files[0], to.join("train.parquet")).unwrap();
    let second = again.import().unwrap();
    assert_eq!(second.manifest.classes, first.manifest.classes);
    let labels = |imported: &Imported| -> Vec<_> {
        let images = imported.manifest.images.iter();
        images.map(|image| (image.sha256, image.label)).collect()
    };
    assert_eq!(labels(&second), labels(&first));
}

/// The hub's copies of Stanford Cars: one table a split, class names in the header.
#[test]
fn stanford_cars_as_the_hub_has_it_keeps_the_official_split() {
    const CARS: [&str; 3] = [
        "AM General Hummer SUV 2000",
        "Ram C/V Cargo Van Minivan 2012",
        "smart fortwo Convertible 2012",
    ];
    let folder = Folder::new()
        .table(
            "data/train-00000-of-00001.parquet",
            Labels::Numbers,
            Some(&CARS),
            &rows(0, 18),
        )
        .table(
            "data/test-00000-of-00001.parquet",
            Labels::Numbers,
            Some(&CARS),
            &rows(100, 9),
        );
    let imported = folder.import().unwrap();
    assert_eq!(imported.manifest.classes, CARS);
    // As of the devkit: of six images a class, two are held out of train for val.
    assert_eq!(counts(&imported), [12, 6, 9]);
}
