//! `cultivar-worker predict MODEL FOLDER`: a trained model over a folder of images, into a CSV file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
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

/// Predicts every image of a folder. Answers with 3 where some of them cannot be read.
///
/// # Errors
/// The model or the folder is not right, or the file cannot be written.
pub fn main(options: &PredictOptions) -> anyhow::Result<ExitCode> {
    let (device, _) = cultivar_train::device();
    let predictor = Predictor::open(&options.model, device)?;
    let paths = import::image_files(&options.folder)?;
    if paths.is_empty() {
        bail!("no images in {}", options.folder.display());
    }
    let n_top = options.top.min(predictor.classes().len());
    let screen = Screen::new(false);
    let mut table = Table::create(options, n_top)?;
    let mut broken = BTreeMap::new();
    let mut n_done = 0;
    for chunk in paths.chunks(BATCH) {
        let mut names = Vec::new();
        let mut images = Vec::new();
        for path in chunk {
            let decoded = std::fs::read(options.folder.join(path))
                .map_err(|error| error.to_string())
                .and_then(|bytes| decode_rgb(&bytes).map_err(|error| error.to_string()));
            match decoded {
                Ok(image) => {
                    names.push(path);
                    images.push(image);
                }
                Err(reason) => {
                    broken.insert(path, reason);
                }
            }
        }
        if !images.is_empty() {
            for (name, top) in names.into_iter().zip(predictor.top(images, n_top)) {
                let named = top
                    .into_iter()
                    .map(|(class, probability)| (predictor.classes()[class].as_str(), probability));
                table.row(name, named)?;
            }
        }
        n_done += chunk.len();
        screen.moving(&format!("predicting {n_done}/{}", paths.len()));
    }
    screen.close();
    table.end()?;
    for (path, reason) in &broken {
        eprintln!("{path} cannot be read: {reason}");
    }
    Ok(match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(SOME_FAILED),
    })
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
