//! The open-emoji dataset: every emoji as four vendors draw it, classed by what it shows.
//!
//! Built from four npm packages under open licences into an image folder that
//! [`crate::import::dataset`] imports. A group is one emoji across vendors, so that no split can
//! see a drawing of an emoji it is tested on.

mod draw;
mod table;
mod vendor;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use crate::import::card::{Card, CardSource};
use crate::progress::{Progress, Stage};
use crate::split::SplitError;
use table::{Emoji, EmojiRow};
pub use vendor::Vendor;

/// Images drawn at a time between two calls of the progress function.
const CHUNK: usize = 128;

/// Why the dataset cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "{} is not there; want the npm package {package} unpacked in {}",
        path.display(), packages.display()
    )]
    NoPackage {
        package: &'static str,
        packages: PathBuf,
        path: PathBuf,
    },
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{}: {reason}", path.display())]
    Drawing { path: PathBuf, reason: String },
    #[error("no emoji of {} belongs to a class of the dataset; is it the table of emoji-datasource?", .0.display())]
    NoEmoji(PathBuf),
    #[error(transparent)]
    Split(#[from] SplitError),
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    pub n_images: usize,
    pub n_classes: usize,
    pub n_groups: usize,
    /// Emoji that a vendor has not drawn.
    pub missing: Vec<(Vendor, String)>,
}

/// An image of the dataset.
struct Drawing<'a> {
    vendor: Vendor,
    emoji: &'a Emoji,
    source: PathBuf,
}

impl Drawing<'_> {
    /// Relative to the image folder.
    fn file_name(&self) -> String {
        let points = self.emoji.unified.to_lowercase();
        format!("images/{}/{points}.png", self.vendor.folder())
    }
}

/// Builds the image folder `out` from `packages`, a `node_modules` folder or the one around it, that
/// holds emoji-datasource-google, emoji-datasource-twitter, openmoji and @lobehub/fluent-emoji-3d.
///
/// Writes `images/VENDOR/CODEPOINTS.png`, the card `dataset.json`, and last `metadata.csv` with the
/// columns file_name, label, group and split (train or test; val is left to the importer).
///
/// # Errors
/// A package is missing or not what it should be, or the folder cannot be written.
pub fn build(
    packages: &Path,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let inner = packages.join("node_modules");
    let packages = if inner.is_dir() { &inner } else { packages };
    let sources = Vendor::ALL
        .into_iter()
        .map(|vendor| package_version(packages, vendor).map(|version| (vendor, version)))
        .collect::<Result<Vec<_>, _>>()?;
    let table = packages.join(Vendor::Noto.package()).join("emoji.json");
    let rows: Vec<EmojiRow> = read_json(&table)?;
    let emoji = table::select(rows)?;
    if emoji.is_empty() {
        return Err(BuildError::NoEmoji(table));
    }

    let mut drawings = Vec::new();
    let mut missing = Vec::new();
    for vendor in Vendor::ALL {
        for one in &emoji {
            match vendor.find(packages, one) {
                Some(source) => drawings.push(Drawing {
                    vendor,
                    emoji: one,
                    source,
                }),
                None => missing.push((vendor, one.unified.clone())),
            }
        }
        let folder = out.join("images").join(vendor.folder());
        std::fs::create_dir_all(&folder).map_err(|source| io_error(&folder, source))?;
    }
    drawings.sort_by_key(Drawing::file_name);

    draw_all(&drawings, out, progress)?;
    write_card(&drawings, &sources, out)?;
    write_metadata(&drawings, out)?;
    Ok(Built {
        n_images: drawings.len(),
        n_classes: count(emoji.iter().map(|one| &one.class)),
        n_groups: count(emoji.iter().map(|one| &one.group)),
        missing,
    })
}

fn draw_all(
    drawings: &[Drawing<'_>],
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let mut report = |done| {
        progress(Progress {
            stage: Stage::Draw,
            done,
            total: drawings.len() as u64,
        });
    };
    report(0);
    let mut done = 0;
    for chunk in drawings.chunks(CHUNK) {
        chunk.par_iter().try_for_each(|drawing| {
            let png = draw::draw(&drawing.source).map_err(|reason| BuildError::Drawing {
                path: drawing.source.clone(),
                reason,
            })?;
            let path = out.join(drawing.file_name());
            std::fs::write(&path, png).map_err(|source| io_error(&path, source))
        })?;
        done += chunk.len() as u64;
        report(done);
    }
    Ok(())
}

fn write_card(
    drawings: &[Drawing<'_>],
    sources: &[(Vendor, String)],
    out: &Path,
) -> Result<(), BuildError> {
    let sources = sources.iter().map(|(vendor, version)| {
        let n_images = drawings
            .iter()
            .filter(|drawing| drawing.vendor == *vendor)
            .count();
        CardSource {
            name: format!("{vendor:?}, from npm {} {version}", vendor.package()),
            licence: vendor.licence().to_owned(),
            url: vendor.url().to_owned(),
            folder: format!("images/{}", vendor.folder()),
            n_images: Some(n_images as u64),
        }
    });
    let card = Card {
        name: Some("open-emoji".to_owned()),
        title: "Open Emoji: what an emoji shows, across four vendors".to_owned(),
        sources: sources.collect(),
        split_rule: "A group is one emoji across vendors, sexes and skin tones. Test: within each class the first ceil(20%) of the groups by SHA-256 of the group, everywhere they occur.".to_owned(),
    };
    let path = out.join("dataset.json");
    let text = serde_json::to_string_pretty(&card).expect("a card always serializes");
    std::fs::write(&path, text + "\n").map_err(|source| io_error(&path, source))
}

fn write_metadata(drawings: &[Drawing<'_>], out: &Path) -> Result<(), BuildError> {
    let path = out.join("metadata.csv");
    let write = || -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_path(&path)?;
        writer.write_record(["file_name", "label", "group", "split"])?;
        for drawing in drawings {
            let Emoji {
                class,
                group,
                split,
                ..
            } = drawing.emoji;
            writer.write_record([&drawing.file_name(), class, group, split.name()])?;
        }
        Ok(writer.flush()?)
    };
    write().map_err(|error| io_error(&path, error.into()))
}

fn package_version(packages: &Path, vendor: Vendor) -> Result<String, BuildError> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let package = vendor.package();
    let path = packages.join(package).join("package.json");
    if !path.is_file() {
        let packages = packages.to_owned();
        return Err(BuildError::NoPackage {
            package,
            packages,
            path,
        });
    }
    read_json(&path).map(|Package { version }| version)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, BuildError> {
    let text = std::fs::read(path).map_err(|source| io_error(path, source))?;
    serde_json::from_slice(&text).map_err(|source| BuildError::Json {
        path: path.to_owned(),
        source,
    })
}

fn io_error(path: &Path, source: std::io::Error) -> BuildError {
    BuildError::Io {
        path: path.to_owned(),
        source,
    }
}

fn count<'a>(names: impl Iterator<Item = &'a String>) -> usize {
    names.collect::<std::collections::BTreeSet<_>>().len()
}
