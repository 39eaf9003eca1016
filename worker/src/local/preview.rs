//! `cultivar-worker preview`: what the network will see, as a picture. `cultivar augment preview` runs it.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use cultivar_spec::check;
use cultivar_spec::document::Change;
use cultivar_train::preview::{Sheet, preview};

use super::resolve;

#[derive(Args, Clone, Debug)]
pub struct Preview {
    /// A trial spec in YAML or JSON; `-` is standard input
    spec: PathBuf,
    /// A folder of images, however deep, or of a dataset's Parquet files
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Where the PNG goes
    #[arg(long, value_name = "FILE", default_value = "sheet.png")]
    out: PathBuf,
    /// Images, one a row
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    images: u16,
    /// Draws of each, beside its evaluation crop
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(u16).range(1..=256))]
    draws: u16,
}

/// Writes the sheet.
///
/// # Errors
/// The spec or the images cannot be read, or the sheet cannot be written.
pub fn run(args: &Preview) -> anyhow::Result<()> {
    let mut raw = resolve::read(&args.spec, &[])?;
    if resolve::dataset_named(&raw).is_none() {
        // A sheet needs no dataset of a name.
        "dataset=preview"
            .parse::<Change>()
            .map_err(|error| anyhow!(error))?
            .apply(&mut raw)?;
    }
    let spec = check::trial(&raw)?;
    let sheet = Sheet {
        n_images: args.images.into(),
        n_draws: args.draws.into(),
    };
    preview(&spec, &args.data, sheet, &args.out)?;
    Ok(())
}
