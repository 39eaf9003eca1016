//! `cultivar weights`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use cultivar_spec::trial::Interpolation;
use cultivar_spec::wire::WeightsEntry;
use cultivar_spec::{Sha256Digest, backbones};
use sha2::{Digest, Sha256};

use crate::session::Session;
use crate::table::{self, Column::{Number, Text}};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a safetensors file the pretrained weights of a backbone
    Add {
        /// timm's model name, such as efficientnet_lite0
        backbone: String,
        /// The file, under timm's parameter names
        file: PathBuf,
        /// Mean of the pixels the checkpoint was trained on, per channel in [0, 1]
        #[arg(long, value_delimiter = ',', num_args = 3, value_name = "R,G,B", default_value = "0.485,0.456,0.406")]
        mean: Vec<f64>,
        /// Standard deviation of those pixels
        #[arg(long, value_delimiter = ',', num_args = 3, value_name = "R,G,B", default_value = "0.229,0.224,0.225")]
        std: Vec<f64>,
        /// How its images were resized
        #[arg(long, value_enum, default_value_t = Resize::Bicubic)]
        interpolation: Resize,
        /// Share of the resized image that its evaluation crop covers
        #[arg(long, default_value_t = 0.875)]
        crop_pct: f64,
        /// SPDX identifier of the licence
        #[arg(long, default_value_t)]
        licence: String,
        /// Where the weights come from
        #[arg(long, default_value_t)]
        source: String,
    },
    /// List registered weights
    Ls,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Resize {
    Bilinear,
    Bicubic,
}

pub async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Ls => {
            let entries = session.client.weights().await?;
            session.print(&entries, |entries| list(entries))
        }
        Command::Add {
            backbone,
            file,
            mean,
            std,
            interpolation,
            crop_pct,
            licence,
            source,
        } => {
            if backbones::find(&backbone).is_none() {
                let known: Vec<&str> = backbones::BACKBONES.iter().map(|b| b.name).collect();
                bail!("there is no backbone {backbone}; known are {}", known.join(", "));
            }
            let sha256 = hash(&file)?;
            session
                .client
                .upload_file(sha256, &file, |_| ())
                .await
                .with_context(|| format!("cannot upload {}", file.display()))?;
            let channels = |list: Vec<f64>| <[f64; 3]>::try_from(list).expect("three are parsed");
            let entry = WeightsEntry {
                backbone,
                sha256,
                mean: channels(mean),
                std: channels(std),
                interpolation: match interpolation {
                    Resize::Bilinear => Interpolation::Bilinear,
                    Resize::Bicubic => Interpolation::Bicubic,
                },
                crop_pct,
                licence,
                source,
            };
            let entry = session.client.register_weights(&entry).await?;
            session.print(&entry, |entry| {
                let short = &entry.sha256.to_string()[..12];
                format!("pretrained weights of {} are now {short}", entry.backbone)
            })
        }
    }
}

fn hash(path: &PathBuf) -> anyhow::Result<Sha256Digest> {
    let read = || {
        let mut hasher = Sha256::new();
        std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        std::io::Result::Ok(Sha256Digest(hasher.finalize().into()))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn list(entries: &[WeightsEntry]) -> String {
    if entries.is_empty() {
        return "no weights yet: cultivar weights add BACKBONE FILE.safetensors".into();
    }
    let mut table = table::new(&[
        Text("Backbone"),
        Text("SHA-256"),
        Text("Mean"),
        Text("Std"),
        Text("Resize"),
        Number("Crop"),
        Text("Licence"),
        Text("Source"),
    ]);
    let channels = |list: [f64; 3]| list.map(|x| format!("{x:.3}")).join(" ");
    for entry in entries {
        table.add_row([
            entry.backbone.clone(),
            entry.sha256.to_string()[..12].to_owned(),
            channels(entry.mean),
            channels(entry.std),
            format!("{:?}", entry.interpolation).to_lowercase(),
            entry.crop_pct.to_string(),
            entry.licence.clone(),
            entry.source.clone(),
        ]);
    }
    table::render(&table)
}
