//! From a folder of images to a dataset version.
//!
//! An importer says which images there are and what is known of each; what follows is the same for all: broken
//! images are named, duplicates kept together, missing splits carved, Parquet files written.

mod assign;
pub mod card;
mod check;
mod duplicates;
mod error;
mod fingerprint;
mod images;
mod layout;
pub mod mat;
mod metadata;
mod shards;
mod stanford_cars;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cultivar_spec::manifest::{ImageEntry, Manifest, Source, Split};

pub use error::{BrokenImage, ImportError, LeftOut, StraddlingGroup, Warning};
pub use fingerprint::fingerprint;

use crate::progress::Progress;
use card::{Card, CardSource};
use check::CheckedImage;
use images::Images;
use layout::Listing;

/// How a folder is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importer {
    /// Class folders, or a metadata table that lists files.
    ImageFolder,
    /// Parquet files in the Hugging Face convention.
    Parquet,
    /// The devkit of Stanford Cars, old or new layout.
    StanfordCars,
}

impl Importer {
    /// What a folder looks like: a devkit by its annotation files, Parquet where there are such files and no
    /// loose images, else a folder of images.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn detect(dir: &Path) -> Result<Self, ImportError> {
        if stanford_cars::is_devkit(dir) {
            return Ok(Self::StanfordCars);
        }
        let files = layout::files_below(dir)?;
        let in_tables = files.iter().any(|path| is_table(path));
        let in_files = files.iter().any(|path| layout::is_image(path));
        Ok(match in_tables && !in_files {
            true => Self::Parquet,
            false => Self::ImageFolder,
        })
    }
}

/// The images of a folder, by their names: sorted paths relative to it.
///
/// # Errors
/// A folder cannot be read.
pub fn image_files(dir: &Path) -> Result<Vec<String>, ImportError> {
    if !dir.is_dir() {
        return Err(ImportError::NotAFolder(dir.to_owned()));
    }
    let mut files = layout::files_below(dir)?;
    files.retain(|path| layout::is_image(path));
    Ok(files)
}

fn is_table(path: &str) -> bool {
    path.ends_with(".parquet")
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the Parquet files go; made if absent.
    pub out_dir: PathBuf,
    /// How the folder is read. Left out: as it looks.
    pub importer: Option<Importer>,
    /// Name of the dataset. Left out: the card's, else the folder's.
    pub name: Option<String>,
    /// Leave broken images out instead of refusing the folder.
    pub skip_broken: bool,
    /// Carve a test split from train where the folder has none.
    pub carve_test: bool,
    /// Which carved split; 0 is the one others mean.
    pub split_seed: u64,
}

/// A dataset version, ready to be uploaded.
#[derive(Clone, Debug)]
pub struct Imported {
    pub manifest: Manifest,
    /// The manifest's Parquet files, in its order.
    pub files: Vec<PathBuf>,
    /// What was odd, in no way fatal.
    pub warnings: Vec<Warning>,
    /// The images that were left out because they cannot be decoded.
    pub broken: Vec<BrokenImage>,
}

/// Images as an importer finds them.
struct Found {
    images: Images,
    /// In the order in which they are stored.
    listings: Vec<Listing>,
    /// Every class a listing names, in the order of their labels.
    classes: Vec<String>,
}

impl Found {
    /// Classes in alphabetical order.
    fn of_listings(images: Images, listings: Vec<Listing>) -> Self {
        let classes: BTreeSet<String> = listings.iter().map(|image| image.class.clone()).collect();
        Self {
            images,
            listings,
            classes: classes.into_iter().collect(),
        }
    }

    fn in_folder(
        dir: &Path,
        importer: Importer,
        card: &mut Card,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, ImportError> {
        let in_files = Images::in_files(dir);
        Ok(match importer {
            Importer::ImageFolder => Self::of_listings(in_files, layout::scan(dir, warnings)?),
            Importer::Parquet => {
                let mut files = layout::files_below(dir)?;
                files.retain(|path| is_table(path));
                let scanned = tables::scan(dir, &files)?;
                Self {
                    images: Images::in_tables(dir, scanned.tables),
                    listings: scanned.listings,
                    classes: scanned.classes,
                }
            }
            Importer::StanfordCars => {
                let (listings, classes) = stanford_cars::scan(dir)?;
                stanford_cars::describe(card);
                let occurs: BTreeSet<&str> = listings.iter().map(|image| &*image.class).collect();
                let classes = classes
                    .into_iter()
                    .filter(|class| occurs.contains(&**class));
                Self {
                    images: in_files,
                    classes: classes.collect(),
                    listings,
                }
            }
        })
    }
}

/// Imports the images of `dir`: `SPLIT/CLASS/image`, `CLASS/image`, listed by a `metadata.csv` or
/// `metadata.jsonl` (columns file_name, label, group, split), in Parquet files, or as the devkit of a published
/// dataset lists them. See `docs/datasets.md`.
///
/// The same folder and options give the same bytes and so the same version.
///
/// # Errors
/// [`ImportError`] says what is wrong, where, and what would be right. No version comes of a folder
/// that is half right; Parquet files already written may remain in the output folder.
pub fn dataset(
    dir: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, ImportError> {
    if !dir.is_dir() {
        return Err(ImportError::NotAFolder(dir.to_owned()));
    }
    let mut warnings = Vec::new();
    let mut card = card::read(dir)?;
    let name = name_of(dir, options, &card)?;
    let importer = match options.importer {
        Some(importer) => importer,
        None => Importer::detect(dir)?,
    };
    let Found {
        images: source,
        listings,
        classes,
    } = Found::in_folder(dir, importer, &mut card, &mut warnings)?;
    if listings.is_empty() {
        return Err(ImportError::Empty(dir.to_owned()));
    }
    if let [only] = classes.as_slice() {
        return Err(ImportError::OneClass(only.clone()));
    }

    let (images, broken) = check::check_images(&source, listings, progress);
    if !broken.is_empty() && !options.skip_broken {
        return Err(ImportError::Broken(broken));
    }
    assign::check_assigned(dir, &images)?;
    check_counts(&card, &images, &mut warnings);
    let images = duplicates::settle(images, &mut warnings);

    let label_of_class: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let labels: Vec<u32> = images
        .iter()
        .map(|image| label_of_class[image.listing.class.as_str()])
        .collect();
    let mut entries: Vec<ImageEntry> = images
        .iter()
        .zip(&labels)
        .map(|(image, &label)| ImageEntry {
            sha256: image.sha256,
            label,
            split: Split::Train,
            group: image.listing.group.clone(),
        })
        .collect();
    let groups: Vec<String> = entries.iter().map(ImageEntry::group).collect();
    let (splits, rule) = assign::assign(
        &images,
        &labels,
        &groups,
        &classes,
        options.carve_test,
        options.split_seed,
        &mut warnings,
    )?;
    for (entry, split) in entries.iter_mut().zip(splits) {
        entry.split = split;
    }

    let shards = shards::write_shards(
        &source,
        &options.out_dir,
        &images,
        &labels,
        &groups,
        &classes,
        progress,
    )?;
    let (files, data_files) = shards.into_iter().unzip();
    let manifest = Manifest {
        name,
        sources: sources(&card, &images),
        title: card.title,
        classes,
        images: entries,
        files: data_files,
        split_rule: [card.split_rule, rule].join(" ").trim().to_owned(),
    };
    Ok(Imported {
        manifest,
        files,
        warnings,
        broken,
    })
}

fn name_of(dir: &Path, options: &Options, card: &Card) -> Result<String, ImportError> {
    let folder = || {
        let full = dir.canonicalize().ok()?;
        let name = full.file_name()?.to_str()?;
        Some(name.to_lowercase().replace(' ', "-"))
    };
    let given = options.name.clone().or_else(|| card.name.clone());
    let name = given.or_else(folder).unwrap_or_default();
    let letter_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let valid = name.len() <= 63
        && name.starts_with(letter_or_digit)
        && name
            .chars()
            .all(|c| letter_or_digit(c) || "._-".contains(c));
    match valid {
        true => Ok(name),
        false => Err(ImportError::Name { name }),
    }
}

/// Says where the card and the folder differ.
fn check_counts(card: &Card, images: &[CheckedImage], warnings: &mut Vec<Warning>) {
    if card.sources.is_empty() {
        warnings.push(Warning::NoSources);
    }
    for source in &card.sources {
        let found = n_covered(source, images);
        if let Some(declared) = source.n_images.filter(|declared| *declared != found) {
            warnings.push(Warning::CardCount {
                source: source.name.clone(),
                declared,
                found,
            });
        }
    }
}

fn sources(card: &Card, images: &[CheckedImage]) -> Vec<Source> {
    let sources = card.sources.iter().map(|source| Source {
        name: source.name.clone(),
        licence: source.licence.clone(),
        url: source.url.clone(),
        n_images: n_covered(source, images),
    });
    sources.collect()
}

fn n_covered(source: &CardSource, images: &[CheckedImage]) -> u64 {
    let covered = images
        .iter()
        .filter(|image| source.covers(&image.listing.path));
    covered.count() as u64
}
