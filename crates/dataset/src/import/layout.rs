//! Which images a folder holds, and what the folders they lie in say about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cultivar_spec::manifest::Split;

use super::error::{ImportError, Warning};
use super::images::Place;
use super::{card, metadata};

/// Folders nested deeper than this are a loop of links.
const MAX_DEPTH: usize = 16;
/// Entries of all folders beyond which links must have multiplied them.
const MAX_ENTRIES: usize = 20_000_000;
/// Files that are meant to be images. Formats that cannot be read are here too: they are to be
/// reported as broken, not passed over.
const IMAGE_EXTENSIONS: [&str; 12] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic",
];

/// An image that is to be imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Relative to the folder, with `/` between the parts.
    pub path: String,
    pub place: Place,
    pub class: String,
    pub split: Option<Split>,
    pub group: Option<String>,
}

/// A file and what its place says.
#[derive(Debug)]
struct Placed {
    class: Option<String>,
    split: Option<Split>,
}

/// Finds the images of a folder: from `metadata.csv` or `metadata.jsonl` where there are any, else by
/// the layout `SPLIT/CLASS/image` or `CLASS/image`. Sorted by path.
///
/// # Errors
/// The folder holds no image, mixes layouts, or leaves the class of an image open.
pub fn scan(dir: &Path, warnings: &mut Vec<Warning>) -> Result<Vec<Listing>, ImportError> {
    let files = files_below(dir)?;
    let is_metadata = |path: &str| metadata::FILE_NAMES.contains(&file_name(path));
    let (images, others): (Vec<_>, Vec<_>) = files.iter().partition(|path| is_image(path));
    let tables: Vec<_> = others.iter().filter(|path| is_metadata(path)).collect();
    let strangers: Vec<_> = others
        .iter()
        .filter(|path| !is_metadata(path) && !card::FILE_NAMES.contains(&path.as_str()))
        .collect();
    if let Some(first) = strangers.first() {
        warnings.push(Warning::NotImages {
            n_files: strangers.len(),
            first: first.to_string(),
        });
    }
    if images.is_empty() && tables.is_empty() {
        return Err(ImportError::Empty(dir.to_owned()));
    }
    let placed = place(dir, &images)?;
    let mut listings = if tables.is_empty() {
        from_folders(dir, placed)?
    } else {
        from_tables(dir, &tables, placed, warnings)?
    };
    listings.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listings)
}

fn from_folders(dir: &Path, placed: BTreeMap<&str, Placed>) -> Result<Vec<Listing>, ImportError> {
    let n_unlabelled = placed.values().filter(|at| at.class.is_none()).count();
    placed
        .into_iter()
        .map(|(path, at)| match at.class {
            Some(class) => Ok(Listing {
                path: path.to_owned(),
                place: Place::File,
                class,
                split: at.split,
                group: None,
            }),
            None => Err(ImportError::Layout {
                path: dir.to_owned(),
                what: format!(
                    "{n_unlabelled} image(s) lie in no class folder (first: {path}); want CLASS/image, SPLIT/CLASS/image or a metadata.csv with a label column"
                ),
            }),
        })
        .collect()
}

fn from_tables(
    dir: &Path,
    tables: &[&&String],
    mut placed: BTreeMap<&str, Placed>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Listing>, ImportError> {
    let mut listings: BTreeMap<String, Listing> = BTreeMap::new();
    for table in tables {
        let file = dir.join(table);
        let wrong = |what| ImportError::Metadata {
            path: file.clone(),
            what,
        };
        let folder = table.rsplit_once('/').map(|(folder, _)| folder);
        for row in metadata::read(&file, table, warnings)? {
            let path = match folder {
                Some(folder) => format!("{folder}/{}", row.file_name),
                None => row.file_name,
            };
            let at = placed.remove(path.as_str());
            let (class, split) = at.map_or((None, None), |at| (at.class, at.split));
            let class = row.label.or(class).ok_or_else(|| {
                wrong(format!(
                    "{path} has no label; want a label column or class folders"
                ))
            })?;
            let listing = Listing {
                path: path.clone(),
                place: Place::File,
                class,
                split: row.split.or(split),
                group: row.group,
            };
            if listings.insert(path.clone(), listing).is_some() {
                return Err(wrong(format!(
                    "{path} is listed twice; want one row an image"
                )));
            }
        }
    }
    if let Some(first) = placed.keys().next() {
        warnings.push(Warning::NotListed {
            metadata: tables
                .iter()
                .map(|table| table.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            n_files: placed.len(),
            first: first.to_string(),
        });
    }
    Ok(listings.into_values().collect())
}

/// Reads class and split off the folders. The first folder is a split if all first folders are
/// named after splits, or if those that are hold folders of their own.
fn place<'a>(dir: &Path, images: &[&'a String]) -> Result<BTreeMap<&'a str, Placed>, ImportError> {
    let tops: BTreeMap<&str, bool> = images.iter().fold(BTreeMap::new(), |mut tops, path| {
        if let Some((top, rest)) = path.split_once('/') {
            *tops.entry(top).or_default() |= rest.contains('/');
        }
        tops
    });
    let (named, others): (Vec<_>, Vec<_>) = tops
        .iter()
        .partition(|(top, _)| split_of_folder(top).is_some());
    let by_split = !named.is_empty() && others.is_empty();
    if !by_split && named.iter().any(|(_, nested)| **nested) {
        return Err(ImportError::Layout {
            path: dir.to_owned(),
            what: format!(
                "split folders ({}) lie beside other folders ({}); want either splits or classes at the top",
                join(&named),
                join(&others)
            ),
        });
    }
    let placed = images.iter().map(|path| {
        let mut folders = path.split('/').rev().skip(1).collect::<Vec<_>>();
        let split = match folders.last() {
            Some(top) if by_split => split_of_folder(top),
            _ => None,
        };
        if split.is_some() {
            folders.pop();
        }
        let class = folders.last().map(|class| (*class).to_owned());
        (path.as_str(), Placed { class, split })
    });
    Ok(placed.collect())
}

fn join(tops: &[(&&str, &bool)]) -> String {
    let names: Vec<_> = tops.iter().map(|(top, _)| **top).collect();
    names.join(", ")
}

/// The split that a folder or a metadata cell names.
pub fn split_of_folder(name: &str) -> Option<Split> {
    match name {
        "train" => Some(Split::Train),
        "val" | "valid" | "validation" => Some(Split::Val),
        "test" => Some(Split::Test),
        _ => None,
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

pub fn is_image(path: &str) -> bool {
    let extension = file_name(path)
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| IMAGE_EXTENSIONS.contains(&extension.as_str()))
}

/// The files below `dir`, hidden ones left out, as sorted paths relative to it with `/` between the parts.
///
/// # Errors
/// A folder cannot be read, is nested too deep, or holds a name that is not UTF-8.
pub fn files_below(dir: &Path) -> Result<Vec<String>, ImportError> {
    let mut files = Vec::new();
    let root = std::fs::canonicalize(dir).map_err(|source| ImportError::Io {
        path: dir.to_owned(),
        source,
    })?;
    walk(&root, dir, "", 0, &mut 0, &mut files)?;
    files.sort();
    Ok(files)
}

/// Links are followed inside `root` only: a folder that came from elsewhere must not name this machine's files.
fn walk(
    root: &Path,
    dir: &Path,
    prefix: &str,
    depth: usize,
    n_seen: &mut usize,
    files: &mut Vec<String>,
) -> Result<(), ImportError> {
    if depth > MAX_DEPTH {
        return Err(ImportError::TooDeep(dir.to_owned()));
    }
    let io = |path: PathBuf| move |source| ImportError::Io { path, source };
    for entry in std::fs::read_dir(dir).map_err(io(dir.to_owned()))? {
        let entry = entry.map_err(io(dir.to_owned()))?;
        *n_seen += 1;
        if *n_seen > MAX_ENTRIES {
            return Err(ImportError::TooMany(dir.to_owned()));
        }
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name else {
            return Err(ImportError::NotUtf8(path));
        };
        if name.starts_with('.') {
            continue;
        }
        let relative = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(io(path.clone()))?;
        if kind.is_symlink() {
            match std::fs::canonicalize(&path) {
                Ok(target) if target.starts_with(root) => {}
                Ok(_) => return Err(ImportError::LinkOutside(path)),
                // It leads nowhere, which is reported with the other broken images.
                Err(_) => {
                    files.push(relative);
                    continue;
                }
            }
        }
        let metadata = std::fs::metadata(&path).map_err(io(path.clone()))?;
        if metadata.is_dir() {
            let prefix = format!("{relative}/");
            walk(root, &path, &prefix, depth + 1, n_seen, files)?;
        } else if metadata.is_file() {
            files.push(relative);
        } else {
            return Err(ImportError::NotAFile(path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays out empty files (or with content after `=`) and lists what is found.
    fn check(files: &[&str], expect: Result<&[&str], &str>) -> Vec<Warning> {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let (path, content) = file.split_once('=').unwrap_or((file, ""));
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let mut warnings = Vec::new();
        let found = scan(dir.path(), &mut warnings)
            .map(|listings| {
                let line = |l: Listing| {
                    let split = l.split.map_or("-", Split::name);
                    format!(
                        "{} {} {split} {}",
                        l.path,
                        l.class,
                        l.group.as_deref().unwrap_or("-")
                    )
                };
                listings.into_iter().map(line).collect::<Vec<_>>()
            })
            .map_err(|error| error.to_string());
        match expect {
            Ok(lines) => assert_eq!(found.unwrap(), lines),
            Err(part) => {
                let error = found.unwrap_err();
                assert!(error.contains(part), "{error:?} does not say {part:?}");
            }
        }
        warnings
    }

    #[test]
    fn links_cannot_multiply_a_folder_without_end() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let root = dir.path().canonicalize().unwrap();
        let walked = |mut n_seen: usize| walk(&root, &root, "", 0, &mut n_seen, &mut Vec::new());
        assert!(walked(MAX_ENTRIES - 3).is_ok());
        assert!(matches!(
            walked(MAX_ENTRIES - 2),
            Err(ImportError::TooMany(_))
        ));
    }

    #[test]
    fn links_stay_inside_and_devices_are_no_images() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("data");
        std::fs::create_dir_all(inside.join("cat")).unwrap();
        std::fs::write(inside.join("cat/a.png"), "").unwrap();
        std::fs::write(dir.path().join("secret.png"), "").unwrap();
        let scanned = || scan(&inside, &mut Vec::new());
        symlink("a.png", inside.join("cat/b.png")).unwrap();
        symlink("cat", inside.join("dog")).unwrap();
        let paths: Vec<_> = scanned().unwrap().into_iter().map(|l| l.path).collect();
        assert_eq!(paths, ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]);

        let refused = |target: &str, part: &str| {
            let link = inside.join("cat/c.png");
            symlink(target, &link).unwrap();
            let error = scanned().unwrap_err().to_string();
            assert!(error.contains(part), "{target}: {error}");
            std::fs::remove_file(link).unwrap();
        };
        refused("../../secret.png", "leads out of the folder");
        refused("/dev/zero", "leads out of the folder");
        let _socket = std::os::unix::net::UnixListener::bind(inside.join("cat/d.png")).unwrap();
        let error = scanned().unwrap_err().to_string();
        assert!(error.contains("neither a file nor a folder"), "{error}");
    }

    #[test]
    fn class_folders() {
        let files = [
            "cat/b.png",
            "cat/sub/a.JPG",
            "dog/.hidden.png",
            "dog/c.webp",
        ];
        let expect = [
            "cat/b.png cat - -",
            "cat/sub/a.JPG cat - -",
            "dog/c.webp dog - -",
        ];
        assert_eq!(check(&files, Ok(&expect)), []);
    }

    #[test]
    fn split_folders_under_every_usual_name() {
        check(
            &["train/a/1.png", "validation/a/2.png", "test/b/3.png"],
            Ok(&[
                "test/b/3.png b test -",
                "train/a/1.png a train -",
                "validation/a/2.png a val -",
            ]),
        );
    }

    #[test]
    fn a_class_may_be_called_train() {
        let expect = ["bus/1.png bus - -", "train/2.png train - -"];
        check(&["bus/1.png", "train/2.png"], Ok(&expect));
    }

    #[test]
    fn splits_beside_classes_are_refused() {
        let expect = "split folders (train) lie beside other folders (extra)";
        check(&["train/a/1.png", "extra/2.png"], Err(expect));
    }

    #[test]
    fn nothing_is_not_a_dataset() {
        check(&["readme.txt"], Err("no images in"));
    }

    #[test]
    fn images_without_a_class_are_refused() {
        check(
            &["a/1.png", "2.png"],
            Err("1 image(s) lie in no class folder (first: 2.png)"),
        );
    }

    #[test]
    fn a_table_lists_files_and_overrides_folders() {
        let table = "metadata.csv=file_name,label,group,split,photographer\nimages/1.png,cat,g1,train,me\nimages/2.png,dog,,test,me\n";
        let warnings = check(
            &[table, "images/1.png", "images/2.png", "images/3.png"],
            Ok(&["images/1.png cat train g1", "images/2.png dog test -"]),
        );
        assert_eq!(
            warnings,
            [
                Warning::UnusedColumns {
                    metadata: "metadata.csv".into(),
                    columns: vec!["photographer".into()]
                },
                Warning::NotListed {
                    metadata: "metadata.csv".into(),
                    n_files: 1,
                    first: "images/3.png".into()
                },
            ]
        );
    }

    #[test]
    fn a_table_in_each_split_folder() {
        check(
            &[
                "train/metadata.jsonl={\"file_name\": \"1.png\", \"label\": 3}\n",
                "train/1.png",
                "test/metadata.jsonl={\"file_name\": \"2.png\", \"label\": \"x\"}\n",
                "test/2.png",
            ],
            Ok(&["test/2.png x test -", "train/1.png 3 train -"]),
        );
    }

    #[test]
    fn a_file_listed_twice_is_refused() {
        let table = "metadata.csv=file_name,label\n1.png,a\n1.png,b\n";
        check(&[table, "1.png"], Err("1.png is listed twice"));
    }
}
