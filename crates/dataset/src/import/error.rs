//! What can be wrong with a folder of images, and what is only odd about it.

use std::fmt;
use std::path::PathBuf;

use cultivar_spec::manifest::Split;

use crate::parquet::ParquetError;

/// Why a folder is not a dataset.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    #[error("{}: the name is not UTF-8; rename it", .0.display())]
    NotUtf8(PathBuf),
    #[error("{} is a link that leads out of the folder; put the file itself there", .0.display())]
    LinkOutside(PathBuf),
    #[error("{} is neither a file nor a folder; remove it", .0.display())]
    NotAFile(PathBuf),
    #[error("{} is nested too deep; is a link pointing back at a folder above it?", .0.display())]
    TooDeep(PathBuf),
    #[error("{} holds more files and folders than anybody has; do links multiply them?", .0.display())]
    TooMany(PathBuf),
    #[error(
        "no images in {}; want {}/CLASS/*.png, {}/SPLIT/CLASS/*.png or a metadata.csv that lists them",
        .0.display(), .0.display(), .0.display()
    )]
    Empty(PathBuf),
    #[error("{}: {what}", path.display())]
    Layout { path: PathBuf, what: String },
    #[error("{}: {what}", path.display())]
    Metadata { path: PathBuf, what: String },
    #[error("{}: {what}", path.display())]
    Card { path: PathBuf, what: String },
    #[error(
        "{name:?} cannot name a dataset: lower-case letters, digits, dots, dashes and underscores, at most 63, a letter or digit first; give another name"
    )]
    Name { name: String },
    #[error(
        "{} image(s) cannot be read; repair or remove them, or leave them out with --skip-broken:{}",
        .0.len(), Listed(.0)
    )]
    Broken(Vec<BrokenImage>),
    #[error("only one class, {0:?}; a classifier needs images of at least two")]
    OneClass(String),
    #[error("no image is in train; want a train split of its own beside val and test")]
    NoTrain,
    #[error(
        "class(es) without an image in train: {}; every class needs images to learn from",
        .0.join(", ")
    )]
    ClassWithoutTrain(Vec<String>),
    #[error(
        "{} group(s) lie in more than one split; images of one group must share a split:{}",
        .0.len(), Listed(.0)
    )]
    GroupAcrossSplits(Vec<StraddlingGroup>),
    #[error(
        "class {class:?} has {n_groups} group(s) of images outside the splits already made, too few to carve {} from; add images or assign the splits by hand",
        split.name()
    )]
    TooFewGroups {
        class: String,
        n_groups: usize,
        split: Split,
    },
    #[error("{} changed while it was being imported; import again", .0.display())]
    Changed(PathBuf),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
}

/// A file that is listed or named as an image and cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenImage {
    /// Relative to the folder.
    pub path: String,
    pub reason: String,
}

impl fmt::Display for BrokenImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// A group whose images were assigned to several splits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StraddlingGroup {
    pub group: String,
    pub splits: Vec<Split>,
}

impl fmt::Display for StraddlingGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let splits: Vec<_> = self.splits.iter().map(|split| split.name()).collect();
        write!(f, "{} in {}", self.group, splits.join(" and "))
    }
}

/// One a line, indented.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| write!(f, "\n  {item}"))
    }
}

/// An image that was left out because it repeats another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub path: String,
    /// The identical image that was kept.
    pub repeats: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.path, self.repeats)
    }
}

/// Something a person should know about an import that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Identical files in several splits: those outside the most held-out one were left out. Each with
    /// a copy that was kept.
    DuplicatesAcrossSplits(Vec<LeftOut>),
    /// Sets of identical files that stand under several labels, all kept.
    DuplicatesAcrossLabels(Vec<Vec<String>>),
    /// Identical files of one split and class, all kept as one group; counted, with the first pair.
    Duplicates { n_files: usize, first: [String; 2] },
    /// Files that are neither images nor metadata.
    NotImages { n_files: usize, first: String },
    /// Images that a metadata file does not list.
    NotListed {
        metadata: String,
        n_files: usize,
        first: String,
    },
    /// Columns of a metadata file that mean nothing here.
    UnusedColumns {
        metadata: String,
        columns: Vec<String>,
    },
    /// Classes that a held-out split has no image of.
    ClassesNotHeldOut { split: Split, classes: Vec<String> },
    /// The folder has no dataset card, or one without sources.
    NoSources,
    /// The card counts other images than can be read.
    CardCount {
        source: String,
        declared: u64,
        found: u64,
    },
}

/// Lines of a warning in brief.
const BRIEF_LINES: usize = 4;

impl Warning {
    /// The first lines of what may list hundreds of files.
    pub fn brief(&self) -> String {
        let text = self.to_string();
        let n_left = text.lines().count().saturating_sub(BRIEF_LINES);
        if n_left == 0 {
            return text;
        }
        let lines: Vec<&str> = text.lines().take(BRIEF_LINES).collect();
        format!("{}\n  and {n_left} more", lines.join("\n"))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicatesAcrossSplits(images) => write!(
                f,
                "{} image(s) repeat an image of a more held-out split byte for byte and were left out:{}",
                images.len(),
                Listed(images)
            ),
            Self::DuplicatesAcrossLabels(sets) => {
                let sets: Vec<_> = sets.iter().map(|paths| paths.join(", ")).collect();
                write!(
                    f,
                    "{} image(s) occur under several labels, all kept:{}",
                    sets.len(),
                    Listed(&sets)
                )
            }
            Self::Duplicates { n_files, first } => write!(
                f,
                "{n_files} file(s) repeat another byte for byte and share its group (first: {} and {})",
                first[0], first[1]
            ),
            Self::NotImages { n_files, first } => {
                write!(
                    f,
                    "{n_files} file(s) are not images and were ignored (first: {first})"
                )
            }
            Self::NotListed {
                metadata,
                n_files,
                first,
            } => write!(
                f,
                "{n_files} image(s) are not listed in {metadata} and were left out (first: {first})"
            ),
            Self::UnusedColumns { metadata, columns } => {
                write!(
                    f,
                    "{metadata}: columns not used: {} (used are file_name, label, group and split)",
                    columns.join(", ")
                )
            }
            Self::ClassesNotHeldOut { split, classes } => {
                write!(
                    f,
                    "{} has no image of {}",
                    split.name(),
                    classes.join(", ")
                )
            }
            Self::NoSources => f.write_str(
                "no source or licence is recorded; name them in a dataset.yaml (see docs/datasets.md)",
            ),
            Self::CardCount {
                source,
                declared,
                found,
            } => {
                write!(
                    f,
                    "the card counts {declared} image(s) of {source}, {found} can be read"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_warning_says_how_much_it_leaves_out() {
        let image = |n: usize| LeftOut {
            path: format!("{n}.png"),
            repeats: "0.png".into(),
        };
        let short = Warning::DuplicatesAcrossSplits((1..=3).map(image).collect());
        assert_eq!(short.brief(), short.to_string());
        let long = Warning::DuplicatesAcrossSplits((1..=9).map(image).collect());
        let brief = long.brief();
        assert_eq!(brief.lines().count(), 5);
        assert!(brief.ends_with("3.png is 0.png\n  and 6 more"), "{brief}");
    }
}
