//! `cultivar weights`.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use cultivar_client::Hub;
use cultivar_spec::backbones::{self, Checkpoint};
use cultivar_spec::trial::Interpolation;
use cultivar_spec::wire::WeightsEntry;
use cultivar_spec::{Sha256Digest, weights_file};

use crate::session::Session;
use crate::table::{
    self,
    Column::{Number, Text},
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Register the pretrained weights of a backbone: a file, or timm's from the Hugging Face hub
    ///
    /// Without a file, `model.safetensors` of the repository timm/NAME is downloaded, verified and kept
    /// in the data folder; HF_ENDPOINT and HF_HUB_OFFLINE are honoured. The options default to what timm
    /// says of the checkpoint or, for a file of an unnamed one, to ImageNet's usual values.
    Add(Add),
    /// List registered weights
    Ls,
}

#[derive(Args, Debug)]
pub struct Add {
    /// timm's name of a model, such as resnet50, or of a checkpoint, such as resnet50.a1_in1k
    name: String,
    /// A safetensors file under timm's parameter names
    file: Option<PathBuf>,
    /// Mean of the pixels the checkpoint was trained on, per channel in [0, 1]
    #[arg(long, value_name = "R,G,B")]
    mean: Option<Channels>,
    /// Standard deviation of those pixels
    #[arg(long, value_name = "R,G,B")]
    std: Option<Channels>,
    /// How its images were resized
    #[arg(long, value_enum)]
    interpolation: Option<Resize>,
    /// Share of the resized image that its evaluation crop covers
    #[arg(long)]
    crop_pct: Option<f64>,
    /// SPDX identifier of the licence
    #[arg(long)]
    licence: Option<String>,
    /// Where the weights come from
    #[arg(long)]
    source: Option<String>,
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

/// `hub_cache`: where downloads are kept.
pub async fn run(command: Command, session: &Session, hub_cache: &Path) -> anyhow::Result<()> {
    match command {
        Command::Ls => {
            let entries = session.client.weights().await?;
            session.print(&entries, |entries| list(entries))
        }
        Command::Add(add) => {
            let checkpoint = add.checkpoint()?;
            let (file, source) = match (&add.file, checkpoint) {
                (Some(file), _) => (file.clone(), String::new()),
                (None, Some(checkpoint)) => from_hub(checkpoint, hub_cache).await?,
                (None, None) => bail!(
                    "timm publishes no weights of {}: name a file, cultivar weights add {} FILE.safetensors",
                    add.name,
                    add.name
                ),
            };
            must_be_safetensors(&file)?;
            let sha256 = session.client.upload(&file).await?;
            let entry = add.entry(checkpoint, sha256, source);
            let entry = session.client.register_weights(&entry).await?;
            session.print(&entry, |entry| {
                let short = &entry.sha256.to_string()[..12];
                format!("pretrained weights of {} are now {short}", entry.backbone)
            })
        }
    }
}

impl Add {
    fn backbone(&self) -> &str {
        let cut = self.name.split_once('.');
        cut.map_or(self.name.as_str(), |(backbone, _)| backbone)
    }

    /// The checkpoint that is meant. A file under a bare model name may be anybody's.
    fn checkpoint(&self) -> anyhow::Result<Option<&'static Checkpoint>> {
        let backbone = self.backbone();
        if backbones::find(backbone).is_none() {
            let known: Vec<&str> = backbones::BACKBONES.iter().map(|b| b.name).collect();
            bail!(
                "there is no backbone {backbone}; known are {}",
                known.join(", ")
            );
        }
        let is_named = self.name != backbone;
        let found = backbones::checkpoint(&self.name);
        if is_named && found.is_none() {
            let all = backbones::checkpoints().iter();
            let known: Vec<&str> = all
                .filter(|known| known.backbone() == backbone)
                .map(|known| known.name)
                .collect();
            bail!(
                "timm has no checkpoint {}; of {backbone} it has {}",
                self.name,
                known.join(", ")
            );
        }
        Ok(found.filter(|_| is_named || self.file.is_none()))
    }

    /// What is registered: as the options say, else as the checkpoint does, else as for ImageNet.
    fn entry(
        &self,
        checkpoint: Option<&Checkpoint>,
        sha256: Sha256Digest,
        source: String,
    ) -> WeightsEntry {
        let convention = checkpoint.unwrap_or(&IMAGENET);
        let channels = |option: Option<Channels>, known| option.map_or(known, |given| given.0);
        WeightsEntry {
            backbone: self.backbone().to_owned(),
            sha256,
            mean: channels(self.mean, convention.mean),
            std: channels(self.std, convention.std),
            interpolation: match self.interpolation {
                Some(Resize::Bilinear) => Interpolation::Bilinear,
                Some(Resize::Bicubic) => Interpolation::Bicubic,
                None => convention.interpolation,
            },
            crop_pct: self.crop_pct.unwrap_or(convention.crop_pct),
            licence: self
                .licence
                .clone()
                .unwrap_or_else(|| convention.licence.to_owned()),
            source: self.source.clone().unwrap_or(source),
        }
    }
}

/// What most checkpoints trained on ImageNet share.
const IMAGENET: Checkpoint = Checkpoint {
    name: "",
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    interpolation: Interpolation::Bicubic,
    crop_pct: 0.875,
    resolution: 224,
    licence: "",
};

/// timm's file of a checkpoint, and where it came from.
async fn from_hub(checkpoint: &Checkpoint, cache: &Path) -> anyhow::Result<(PathBuf, String)> {
    let hub = Hub::from_env(cache, |name| env::var(name).ok())?;
    let repo = format!("timm/{}", checkpoint.name);
    let file = hub.file(&repo, "model.safetensors").await?;
    Ok((file.path, format!("{repo} on the Hugging Face hub")))
}

/// Looks at the beginning only: the trainer reads it all.
fn must_be_safetensors(path: &Path) -> anyhow::Result<()> {
    let mut head = [0; weights_file::N_MAGIC];
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let n_read = file
        .read(&mut head)
        .with_context(|| path.display().to_string())?;
    match weights_file::fault(&head[..n_read], &path.display().to_string()) {
        Some(fault) => bail!("{fault}"),
        None => Ok(()),
    }
}

fn list(entries: &[WeightsEntry]) -> String {
    if entries.is_empty() {
        return "no weights yet: cultivar weights add BACKBONE [FILE.safetensors]".into();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn add(name: &str, file: Option<&str>) -> Add {
        Add {
            name: name.into(),
            file: file.map(PathBuf::from),
            mean: None,
            std: None,
            interpolation: None,
            crop_pct: None,
            licence: None,
            source: None,
        }
    }

    #[test]
    fn a_named_checkpoint_brings_its_convention() {
        let entry = |add: &Add| {
            let checkpoint = add.checkpoint().expect("it is known");
            add.entry(checkpoint, Sha256Digest::of(b""), String::new())
        };
        let advprop = entry(&add("tf_efficientnet_b0.ap_in1k", Some("a.safetensors")));
        assert_eq!(advprop.backbone, "tf_efficientnet_b0");
        assert_eq!((advprop.mean, advprop.std), ([0.5; 3], [0.5; 3]));
        assert_eq!(advprop.licence, "apache-2.0");

        let default = entry(&add("resnet50", None));
        assert_eq!(default.crop_pct, 0.95, "resnet50.a1_in1k's");
        let unnamed = entry(&add("resnet50", Some("a.safetensors")));
        assert_eq!((unnamed.crop_pct, unnamed.licence.as_str()), (0.875, ""));

        let mut own = add("resnet50.tv_in1k", None);
        own.crop_pct = Some(1.0);
        own.interpolation = Some(Resize::Bicubic);
        let own = entry(&own);
        assert_eq!(own.crop_pct, 1.0);
        assert_eq!(own.interpolation, Interpolation::Bicubic);
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let says = |name| add(name, None).checkpoint().unwrap_err().to_string();
        assert!(says("resnet51").contains("known are efficientnet_b0"));
        assert!(says("resnet18.nonsense").contains("it has resnet18.a1_in1k, "));
        assert!(add("efficientnet_b7", None).checkpoint().unwrap().is_none());
    }

    #[test]
    fn a_pickle_is_refused_with_the_command_that_converts_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pth");
        std::fs::write(&path, b"PK\x03\x04 and a pickle inside").unwrap();
        let error = must_be_safetensors(&path).unwrap_err().to_string();
        let command = format!(
            "python tools/convert_weights.py --in {} --out ",
            path.display()
        );
        assert!(error.contains(&command), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}
