//! From a folder of images to a dataset version.

mod assign;
pub mod card;
mod check;
mod duplicates;
mod error;
mod layout;
mod metadata;
mod shards;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cultivar_spec::manifest::{ImageEntry, Manifest, Source, Split};

pub use error::{BrokenImage, ImportError, LeftOut, StraddlingGroup, Warning};

use crate::progress::Progress;
use card::{Card, CardSource};
use check::CheckedImage;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the Parquet files go; made if absent.
    pub out_dir: PathBuf,
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

/// Imports the images of `dir`: `SPLIT/CLASS/image`, `CLASS/image`, or listed by a `metadata.csv` or
/// `metadata.jsonl` (columns file_name, label, group, split). See `docs/datasets.md`.
///
/// The same folder and options give the same bytes and so the same version.
///
/// # Errors
/// [`ImportError`] says what is wrong, where, and what would be right. No version comes of a folder
/// that is half right; Parquet files already written may remain in the output folder.
pub fn image_folder(
    dir: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, ImportError> {
    if !dir.is_dir() {
        return Err(ImportError::NotAFolder(dir.to_owned()));
    }
    let mut warnings = Vec::new();
    let card = card::read(dir)?;
    let name = name_of(dir, options, &card)?;

    let listings = layout::scan(dir, &mut warnings)?;
    if listings.is_empty() {
        return Err(ImportError::Empty(dir.to_owned()));
    }
    let classes: BTreeSet<String> = listings.iter().map(|image| image.class.clone()).collect();
    let classes: Vec<String> = classes.into_iter().collect();
    if let [only] = classes.as_slice() {
        return Err(ImportError::OneClass(only.clone()));
    }

    let (images, broken) = check::check_images(dir, listings, progress);
    if !broken.is_empty() && !options.skip_broken {
        return Err(ImportError::Broken(broken));
    }
    assign::check_assigned(dir, &images)?;
    check_counts(&card, &images, &mut warnings);
    let images = duplicates::settle(images, &mut warnings);

    let labels: Vec<u32> = images
        .iter()
        .map(|image| label_of(image, &classes))
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
        dir,
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

fn label_of(image: &CheckedImage, classes: &[String]) -> u32 {
    let label = classes.binary_search(&image.listing.class);
    let label = label.expect("the classes are those of the images, sorted");
    u32::try_from(label).expect("fewer classes than images fit in memory")
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
