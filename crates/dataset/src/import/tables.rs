//! Parquet files in the Hugging Face convention: an image column `{bytes, path}` and a label column.
//!
//! What the columns mean is taken from the key-value entry `huggingface` where there is one (an `Image` and a
//! `ClassLabel` with names), else from their names. The split is in the file's name (`train-00000-of-00002`)
//! or in that of its folder. A text column `group`, as our own files have it, says which images belong together.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cultivar_spec::manifest::Split;
use serde_json::Value;

use super::error::ImportError;
use super::images::Place;
use super::layout::{Listing, split_of_folder};
use crate::parquet::Table;

/// Names an image column may have where no feature says which it is.
const IMAGE_COLUMNS: [&str; 3] = ["image", "img", "jpg"];
/// The same for labels.
const LABEL_COLUMNS: [&str; 4] = ["label", "labels", "fine_label", "class"];
/// Where our own files keep what belongs together.
const GROUP_COLUMN: &str = "group";
/// Row groups kept in memory: images are read in order, by several threads around one place.
const KEPT_GROUPS: usize = 2;

type Group = Arc<Vec<Option<Bytes>>>;

/// Open Parquet files.
pub struct Tables {
    tables: Vec<Table>,
    image_column: String,
    /// The row groups read last, by (table, group), newest first.
    recent: Mutex<VecDeque<((usize, usize), Group)>>,
}

/// What Parquet files list.
pub struct Scanned {
    pub tables: Tables,
    pub listings: Vec<Listing>,
    /// In the order of their labels.
    pub classes: Vec<String>,
}

/// Reads the labels of `files`, which are relative to `dir` and in order.
///
/// # Errors
/// A file is damaged, has no image or label column, or means something else by it than the first.
pub fn scan(dir: &Path, files: &[String]) -> Result<Scanned, ImportError> {
    let mut tables = Vec::new();
    let mut columns: Option<Columns> = None;
    let mut labels: Vec<(usize, Vec<Label>)> = Vec::new();
    for (table_idx, file) in files.iter().enumerate() {
        let path = dir.join(file);
        let table = Table::open(&path)?;
        let found = Columns::of(&table, &path)?;
        let expected = columns.get_or_insert_with(|| found.clone());
        if *expected != found {
            return Err(ImportError::Layout {
                path,
                what: format!(
                    "its columns are {found}, those of {} are {expected}; want one dataset a folder",
                    files[0]
                ),
            });
        }
        labels.push((table_idx, read_labels(&table, &path, &expected.label)?));
        tables.push(table);
    }
    let Some(columns) = columns else {
        return Err(ImportError::Empty(dir.to_owned()));
    };
    let classes = classes(&columns, labels.iter().flat_map(|(_, labels)| labels));
    let mut listings = Vec::new();
    for (table_idx, labels) in labels {
        let file = &files[table_idx];
        let split = split_of(file);
        let table = &tables[table_idx];
        let names = table.texts(&format!("{}.path", columns.image))?;
        let groups = match table.is_text(GROUP_COLUMN) {
            true => table.texts(GROUP_COLUMN)?,
            false => Vec::new(),
        };
        let cell = |cells: &[Option<String>], row_idx: usize| cells.get(row_idx).cloned().flatten();
        for (row_idx, label) in labels.into_iter().enumerate() {
            let name = cell(&names, row_idx).unwrap_or_default();
            let class = label.class(&columns).ok_or_else(|| ImportError::Layout {
                path: dir.join(file),
                what: format!(
                    "row {row_idx}: label {label} has no name among the {} of the ClassLabel",
                    columns.names.len()
                ),
            })?;
            listings.push(Listing {
                path: format!("{file}/{row_idx}/{name}")
                    .trim_end_matches('/')
                    .to_owned(),
                place: Place::Row { table_idx, row_idx },
                class,
                split,
                group: cell(&groups, row_idx),
            });
        }
    }
    Ok(Scanned {
        tables: Tables {
            tables,
            image_column: columns.image,
            recent: Mutex::default(),
        },
        listings,
        classes,
    })
}

impl Tables {
    /// The encoded image in a row.
    ///
    /// # Errors
    /// The file cannot be read, or the row holds no bytes.
    pub fn image(&self, table_idx: usize, row_idx: usize) -> io::Result<Bytes> {
        let table = &self.tables[table_idx];
        let (group_idx, first_row) = table
            .group_of_row(row_idx)
            .ok_or_else(|| io::Error::other("the file has no such row"))?;
        let group = self.group(table, (table_idx, group_idx))?;
        match group.get(row_idx - first_row) {
            Some(Some(bytes)) => Ok(bytes.clone()),
            _ => Err(io::Error::other(
                "the row holds no image bytes; a path alone names a file elsewhere",
            )),
        }
    }

    fn group(&self, table: &Table, key: (usize, usize)) -> io::Result<Group> {
        // Held while reading: the others want the same group.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, group)) = recent.iter().find(|(found, _)| *found == key) {
            return Ok(group.clone());
        }
        let column = format!("{}.bytes", self.image_column);
        let group = table
            .byte_arrays(key.1, &column)
            .map_err(io::Error::other)?;
        let group = Arc::new(group);
        recent.push_front((key, group.clone()));
        recent.truncate(KEPT_GROUPS);
        Ok(group)
    }
}

/// Which columns mean what.
#[derive(Clone, Debug, PartialEq)]
struct Columns {
    image: String,
    label: String,
    /// Of the ClassLabel; empty where the labels are their own names.
    names: Vec<String>,
}

impl std::fmt::Display for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            image,
            label,
            names,
        } = self;
        write!(f, "{image} and {label} ({} class names)", names.len())
    }
}

impl Columns {
    fn of(table: &Table, path: &Path) -> Result<Self, ImportError> {
        let features = table.features();
        let of_type = |wanted: &str| {
            let features = features.as_ref()?.as_object()?;
            let named =
                |feature: &Value| feature.get("_type").and_then(Value::as_str) == Some(wanted);
            let mut found = features.iter().filter(|(_, feature)| named(feature));
            // Several of them (a coarse and a fine label) leave it to the names.
            let (name, _) = found.next()?;
            found.next().is_none().then(|| name.clone())
        };
        let by_name = |names: &[&str], leaf: &str| {
            let mut names = names.iter();
            let found = names.find(|name| table.has_column(&format!("{name}{leaf}")));
            found.map(|name| (*name).to_owned())
        };
        let image = of_type("Image").or_else(|| by_name(&IMAGE_COLUMNS, ".bytes"));
        let label = of_type("ClassLabel").or_else(|| by_name(&LABEL_COLUMNS, ""));
        let (Some(image), Some(label)) = (image, label) else {
            return Err(ImportError::Layout {
                path: path.to_owned(),
                what: format!(
                    "no image column (bytes, path) beside a label column; its columns are {}",
                    table.columns().join(", ")
                ),
            });
        };
        let names = features
            .as_ref()
            .and_then(|features| features.get(&label)?.get("names"))
            .and_then(|names| serde_json::from_value(names.clone()).ok());
        Ok(Self {
            image,
            label,
            names: names.unwrap_or_default(),
        })
    }
}

/// A label as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Label {
    /// Its class; none where a ClassLabel has no such number.
    fn class(&self, columns: &Columns) -> Option<String> {
        match self {
            Self::Number(number) if !columns.names.is_empty() => {
                let idx = usize::try_from(*number).ok()?;
                columns.names.get(idx).cloned()
            }
            label => Some(label.to_string()),
        }
    }
}

fn read_labels(table: &Table, path: &Path, column: &str) -> Result<Vec<Label>, ImportError> {
    let labels = match table.is_text(column) {
        true => {
            let texts = table.texts(column)?.into_iter();
            texts.map(|text| text.map(Label::Text)).collect()
        }
        false => {
            let numbers = table.integers(column)?.into_iter();
            numbers.map(Label::Number).map(Some).collect::<Vec<_>>()
        }
    };
    let missing = labels.iter().position(Option::is_none);
    if let Some(row_idx) = missing {
        return Err(ImportError::Layout {
            path: path.to_owned(),
            what: format!("row {row_idx} has no {column}"),
        });
    }
    Ok(labels.into_iter().flatten().collect())
}

/// A ClassLabel's classes in its order, as far as some image has them; else the labels in theirs.
fn classes<'a>(columns: &Columns, labels: impl Iterator<Item = &'a Label>) -> Vec<String> {
    let found: BTreeSet<&Label> = labels.collect();
    let classes = found.into_iter().filter_map(|label| label.class(columns));
    classes.collect()
}

/// The split that a file's name begins with, or one of its folders is called.
fn split_of(file: &str) -> Option<Split> {
    let mut parts = file.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let first_word = name.split(['-', '_', '.']).next().unwrap_or_default();
    split_of_folder(first_word).or_else(|| parts.find_map(split_of_folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_in_names() {
        let check = |file: &str, expect| assert_eq!(split_of(file), expect, "{file}");
        check("data/train-00000-of-00002.parquet", Some(Split::Train));
        check("data/validation-00000-of-00001.parquet", Some(Split::Val));
        check("default/test/0000.parquet", Some(Split::Test));
        check("test.parquet", Some(Split::Test));
        check("data/0000.parquet", None);
        check("training-data.parquet", None);
    }
}
