//! `cultivar weights`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use cultivar_spec::backbones;
use cultivar_spec::trial::Interpolation;
use cultivar_spec::wire::WeightsEntry;

use crate::session::Session;
use crate::table::{
    self,
    Column::{Number, Text},
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a safetensors file the pretrained weights of a backbone
    Add {
        /// timm's model name, such as efficientnet_lite0
        backbone: String,
        /// The file, under timm's parameter names
        file: PathBuf,
        /// Mean of the pixels the checkpoint was trained on, per channel in [0, 1]
        #[arg(long, value_name = "R,G,B", default_value = "0.485,0.456,0.406")]
        mean: Channels,
        /// Standard deviation of those pixels
        #[arg(long, value_name = "R,G,B", default_value = "0.229,0.224,0.225")]
        std: Channels,
        /// How its images were resized
        #[arg(long, value_enum, default_value_t = Resize::Bicubic)]
        interpolation: Resize,
        /// Share of the resized image that its evaluation crop covers
        #[arg(long, default_value_t = 0.875)]
        crop_pct: f64,
        /// SPDX identifier of the licence
        #[arg(long, default_value_t, hide_default_value = true)]
        licence: String,
        /// Where the weights come from
        #[arg(long, default_value_t, hide_default_value = true)]
        source: String,
    },
    /// List registered weights
    Ls,
}

/// A number per channel.
#[derive(Clone, Copy, Debug)]
pub struct Channels([f64; 3]);

impl FromStr for Channels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<f64> = text
            .split(',')
            .filter_map(|part| part.trim().parse().ok())
            .collect();
        let channels = <[f64; 3]>::try_from(numbers)
            .ok()
            .filter(|_| text.split(',').count() == 3);
        channels
            .map(Self)
            .ok_or_else(|| "want three numbers, such as 0.5,0.5,0.5".into())
    }
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
                bail!(
                    "there is no backbone {backbone}; known are {}",
                    known.join(", ")
                );
            }
            let sha256 = session.client.upload(&file).await?;
            let entry = WeightsEntry {
                backbone,
                sha256,
                mean: mean.0,
                std: std.0,
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
