//! The Stanford Cars devkit (Krause et al. 2013), in both layouts it was published in.
//!
//! | | images | annotations | classes |
//! | --- | --- | --- | --- |
//! | old | `cars_train/`, `cars_test/` | `devkit/cars_train_annos.mat`, `cars_test_annos_withlabels.mat`: `annotations` with `fname`, `class` | `devkit/cars_meta.mat`: `class_names` |
//! | new | `car_ims/` | `cars_annos.mat`: `annotations` with `relative_im_path`, `class`, `test` | the same file: `class_names` |
//!
//! Classes are numbered from 1 and keep their order. The bounding boxes (`bbox_x1`, ...) are not read: whole
//! images are what published results are about, and cropping to the boxes cost one careful baseline 10 points.

use std::path::{Path, PathBuf};

use cultivar_spec::manifest::Split;

use super::card::{Card, CardSource};
use super::error::ImportError;
use super::images::Place;
use super::layout::Listing;
use super::mat::{self, Value};

const NEW: &str = "cars_annos.mat";
const OLD_TRAIN: &str = "cars_train_annos.mat";
const OLD_TEST: &str = "cars_test_annos_withlabels.mat";
const OLD_CLASSES: &str = "cars_meta.mat";
/// The folder of the old layout's annotations. The test labels were a download of their own, which often lies
/// beside it.
const DEVKIT: &str = "devkit";

/// Whether this folder looks like a devkit.
pub fn is_devkit(dir: &Path) -> bool {
    find(dir, NEW).is_some() || find(dir, OLD_TRAIN).is_some()
}

/// The images a devkit lists, sorted by path, and the names of its classes in their order.
///
/// # Errors
/// A file of the devkit is missing or not as published.
pub fn scan(dir: &Path) -> Result<(Vec<Listing>, Vec<String>), ImportError> {
    let (mut listings, classes) = match find(dir, NEW) {
        Some(path) => new_layout(&path)?,
        None => old_layout(dir)?,
    };
    listings.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((listings, classes))
}

/// What the devkit says of itself where the owner's card says nothing.
pub fn describe(card: &mut Card) {
    if card.title.is_empty() {
        card.title = "Stanford Cars".into();
    }
    if card.sources.is_empty() {
        card.sources.push(CardSource {
            name: "Stanford Cars (Krause, Stark, Deng, Fei-Fei 2013)".into(),
            licence: String::new(),
            url: "https://ai.stanford.edu/~jkrause/cars/car_dataset.html".into(),
            folder: String::new(),
            n_images: None,
        });
    }
}

fn new_layout(path: &Path) -> Result<(Vec<Listing>, Vec<String>), ImportError> {
    let variables = Variables::read(path)?;
    let classes = variables.class_names()?;
    let annotations = variables.annotations(&["relative_im_path", "class", "test"])?;
    let listings = annotations.iter().enumerate().map(|(idx, fields)| {
        let row = variables.row(idx);
        let is_test = row.number(&fields[2], "test")?;
        let split = match is_test as u32 {
            0 if is_test == 0.0 => Split::Train,
            1 if is_test == 1.0 => Split::Test,
            _ => return row.wrong(format!("test is {is_test}, want 0 or 1")),
        };
        let path = row.text(&fields[0], "relative_im_path")?;
        Ok(listing(path, row.class(&fields[1], &classes)?, split))
    });
    Ok((listings.collect::<Result<_, _>>()?, classes))
}

fn old_layout(dir: &Path) -> Result<(Vec<Listing>, Vec<String>), ImportError> {
    let file = |name: &str| {
        find(dir, name).ok_or_else(|| ImportError::Layout {
            path: dir.to_owned(),
            what: format!(
                "no {name}, in {DEVKIT}/ or beside it; want {OLD_CLASSES}, {OLD_TRAIN} and {OLD_TEST}"
            ),
        })
    };
    let classes = Variables::read(&file(OLD_CLASSES)?)?.class_names()?;
    let mut listings = Vec::new();
    for (name, folder, split) in [
        (OLD_TRAIN, "cars_train", Split::Train),
        (OLD_TEST, "cars_test", Split::Test),
    ] {
        let variables = Variables::read(&file(name)?)?;
        let annotations = variables.annotations(&["fname", "class"])?;
        for (idx, fields) in annotations.iter().enumerate() {
            let row = variables.row(idx);
            let path = format!("{folder}/{}", row.text(&fields[0], "fname")?);
            listings.push(listing(path, row.class(&fields[1], &classes)?, split));
        }
    }
    Ok((listings, classes))
}

/// Every image is a draw of its own, named by its official path: both splits of the old layout count from
/// `00001.jpg`.
fn listing(path: String, class: String, split: Split) -> Listing {
    Listing {
        group: Some(path.clone()),
        path,
        place: Place::File,
        class,
        split: Some(split),
    }
}

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let places = [dir.join(DEVKIT).join(name), dir.join(name)];
    places.into_iter().find(|path| path.is_file())
}

/// The variables of one annotation file.
struct Variables {
    path: PathBuf,
    variables: Vec<(String, Value)>,
}

impl Variables {
    fn read(path: &Path) -> Result<Self, ImportError> {
        let bytes = std::fs::read(path).map_err(|source| ImportError::Io {
            path: path.to_owned(),
            source,
        })?;
        let variables = mat::read(&bytes).map_err(|error| ImportError::Metadata {
            path: path.to_owned(),
            what: error.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            variables,
        })
    }

    fn wrong<T>(&self, what: String) -> Result<T, ImportError> {
        let path = self.path.clone();
        Err(ImportError::Metadata { path, what })
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let mut variables = self.variables.iter();
        variables.find_map(|(found, value)| (found == name).then_some(value))
    }

    fn class_names(&self) -> Result<Vec<String>, ImportError> {
        let Some(Value::Cells(cells)) = self.get("class_names") else {
            return self.wrong("no cell array class_names".into());
        };
        let names: Option<Vec<String>> = cells
            .iter()
            .map(|cell| match cell {
                Value::Text(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            })
            .collect();
        match names {
            Some(names) => Ok(names),
            None => self.wrong("class_names holds something that is no name".into()),
        }
    }

    /// The values of `wanted` for each annotation, in that order.
    fn annotations(&self, wanted: &[&str]) -> Result<Vec<Vec<Value>>, ImportError> {
        let Some(Value::Structs { fields, elements }) = self.get("annotations") else {
            return self.wrong("no struct array annotations".into());
        };
        let mut columns = Vec::new();
        for name in wanted {
            match fields.iter().position(|field| field == name) {
                Some(column) => columns.push(column),
                None => {
                    return self.wrong(format!(
                        "annotations have no field {name}; they have {}",
                        fields.join(", ")
                    ));
                }
            }
        }
        let of_row = |row: &Vec<Value>| columns.iter().map(|&idx| row[idx].clone()).collect();
        Ok(elements.iter().map(of_row).collect())
    }

    fn row(&self, idx: usize) -> Row<'_> {
        Row { file: self, idx }
    }
}

/// An annotation, for messages.
struct Row<'a> {
    file: &'a Variables,
    idx: usize,
}

impl Row<'_> {
    fn wrong<T>(&self, what: String) -> Result<T, ImportError> {
        self.file
            .wrong(format!("annotation {}: {what}", self.idx + 1))
    }

    fn number(&self, value: &Value, field: &str) -> Result<f64, ImportError> {
        match value {
            Value::Numbers(numbers) if numbers.len() == 1 => Ok(numbers[0]),
            _ => self.wrong(format!("{field} is not one number")),
        }
    }

    /// A path below the folder.
    fn text(&self, value: &Value, field: &str) -> Result<String, ImportError> {
        let inside = |path: &str| {
            let mut parts = path.split('/');
            parts.all(|part| !matches!(part, "" | "." | ".."))
        };
        match value {
            Value::Text(text) if inside(text) => Ok(text.clone()),
            _ => self.wrong(format!("{field} is not the path of an image")),
        }
    }

    fn class(&self, value: &Value, classes: &[String]) -> Result<String, ImportError> {
        let class = self.number(value, "class")?;
        let name = (class >= 1.0 && class.fract() == 0.0)
            .then(|| classes.get(class as usize - 1))
            .flatten();
        match name {
            Some(name) => Ok(name.clone()),
            None => self.wrong(format!(
                "class is {class}, want a number from 1 to {}",
                classes.len()
            )),
        }
    }
}
