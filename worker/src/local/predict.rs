//! `cultivar-worker predict MODEL IMAGES...`: a trained model over image files and folders, into a CSV file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use cultivar_dataset::decode::decode_rgb;
use cultivar_dataset::import;
use cultivar_train::Predictor;

use super::screen::Screen;
use crate::options::PredictOptions;

/// Images of one forward pass.
const BATCH: usize = 64;
/// What the command line says of work that was done in part.
const SOME_FAILED: u8 = 3;

/// Predicts every image. Answers with 3 where some of them cannot be read.
///
/// # Errors
/// The model is not right, a path is not there or a folder without images, or the file cannot be written.
pub fn main(options: &PredictOptions) -> anyhow::Result<ExitCode> {
    let (device, _) = cultivar_train::device();
    let predictor = Predictor::open(&options.model, device)?;
    let images = listed(&options.images)?;
    let n_top = options.top.min(predictor.classes().len());
    let screen = Screen::new(false);
    let mut table = Table::create(options, n_top)?;
    let mut broken = Vec::new();
    let mut n_done = 0;
    for chunk in images.chunks(BATCH) {
        let mut names = Vec::new();
        let mut pixels = Vec::new();
        for Listed { name, path } in chunk {
            let decoded = std::fs::read(path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| decode_rgb(&bytes).map_err(|error| error.to_string()));
            match decoded {
                Ok(image) => {
                    names.push(name);
                    pixels.push(image);
                }
                Err(reason) => broken.push((name, reason)),
            }
        }
        if !pixels.is_empty() {
            for (name, top) in names.into_iter().zip(predictor.top(pixels, n_top)) {
                let named = top
                    .into_iter()
                    .map(|(class, probability)| (predictor.classes()[class].as_str(), probability));
                table.row(name, named)?;
            }
        }
        n_done += chunk.len();
        screen.moving(&format!("predicting {n_done}/{}", images.len()));
    }
    screen.close();
    table.end()?;
    for (name, reason) in &broken {
        eprintln!("{name} cannot be read: {reason}");
    }
    Ok(match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(SOME_FAILED),
    })
}

/// An image to predict.
#[derive(Debug, PartialEq)]
struct Listed {
    /// What the table calls it.
    name: String,
    path: PathBuf,
}

/// The images that paths stand for, in order. Those of a folder that stands alone are named relative to it, all others
/// by their path as it was given.
///
/// # Errors
/// A path is not there, or a folder has no images.
fn listed(paths: &[PathBuf]) -> anyhow::Result<Vec<Listed>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = import::image_files(path)?;
            if found.is_empty() {
                bail!("no images in {}", path.display());
            }
            all.extend(found.into_iter().map(|below| match paths.len() {
                1 => Listed {
                    path: path.join(&below),
                    name: below,
                },
                _ => Listed::by_path(&path.join(below)),
            }));
        } else if path.exists() {
            all.push(Listed::by_path(path));
        } else {
            bail!("{} is neither an image file nor a folder", path.display());
        }
    }
    Ok(all)
}

impl Listed {
    fn by_path(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            path: path.to_owned(),
        }
    }
}

/// The CSV file: `file,class_1,probability_1,class_2,...`, the likeliest class first.
struct Table {
    csv: csv::Writer<Box<dyn Write>>,
    name: String,
}

impl Table {
    fn create(options: &PredictOptions, n_top: usize) -> anyhow::Result<Self> {
        let (out, name): (Box<dyn Write>, String) = match &options.out {
            None => (Box::new(io::stdout().lock()), "standard output".into()),
            Some(path) => {
                let name = path.display().to_string();
                let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
                (Box::new(BufWriter::new(file)), name)
            }
        };
        let mut csv = csv::Writer::from_writer(out);
        let places = (1..=n_top).flat_map(|n| [format!("class_{n}"), format!("probability_{n}")]);
        csv.write_record(std::iter::once("file".to_owned()).chain(places))?;
        Ok(Self { csv, name })
    }

    fn row<'a>(
        &mut self,
        file: &str,
        top: impl Iterator<Item = (&'a str, f64)>,
    ) -> anyhow::Result<()> {
        let cells =
            top.flat_map(|(class, probability)| [class.to_owned(), format!("{probability:.6}")]);
        let cells = std::iter::once(file.to_owned()).chain(cells);
        let written = self.csv.write_record(cells);
        written.with_context(|| format!("cannot write {}", self.name))
    }

    fn end(mut self) -> anyhow::Result<()> {
        let flushed = self.csv.flush();
        flushed.with_context(|| format!("cannot write {}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(paths: &[PathBuf], expect: &[&str]) {
        let found = listed(paths).unwrap();
        let names: Vec<_> = found.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, expect);
        for image in &found {
            assert!(image.path.is_file(), "{image:?}");
        }
    }

    #[test]
    fn a_lone_folder_names_its_images_and_all_else_is_named_as_given() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("pets/cats")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        // What a file holds is found out when it is decoded, and what is named needs no ending.
        for name in ["pets/b.png", "pets/cats/a.jpg", "pets/notes.txt", "upload"] {
            fs::write(at(name), "").unwrap();
        }
        let text = |name: &str| at(name).display().to_string();
        check(&[at("pets")], &["b.png", "cats/a.jpg"]);
        check(&[at("upload")], &[&text("upload")]);
        check(
            &[at("upload"), at("pets")],
            &[
                &text("upload"),
                &text("pets/b.png"),
                &text("pets/cats/a.jpg"),
            ],
        );
        let refused = |name: &str| listed(&[at("pets"), at(name)]).unwrap_err().to_string();
        assert!(refused("empty").contains("no images in"));
        assert!(refused("nowhere").contains("neither an image file nor a folder"));
    }
}
