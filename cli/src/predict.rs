//! `cultivar predict`: a trained model over images, on this machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use cultivar_spec::TrialId;
use tokio::process::Command;

use crate::session::Global;
use crate::up::{self, find_program};

/// Predict images with a trained model
///
/// Writes a CSV file: the image, then its likeliest classes and their probabilities. The worker program that lies beside
/// this one computes them here; a trial's model is fetched from the server first.
#[derive(Args, Debug)]
pub struct Predict {
    /// A trial that has completed, or a model file
    model: String,
    /// Image files, and folders of them as deep as you like
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Classes listed for each image
    #[arg(long, value_name = "N", default_value = "5")]
    top: usize,
}

/// Answers with what the worker program answers.
///
/// # Errors
/// The trial has no model, or there is no worker program.
pub async fn run(args: Predict, global: &Global) -> anyhow::Result<ExitCode> {
    let worker = find_program("cultivar-worker", "CULTIVAR_WORKER_BIN")?;
    let model = match args.model.parse::<TrialId>() {
        Ok(trial) => fetched(trial, global).await?,
        Err(_) => PathBuf::from(&args.model),
    };
    if !model.is_file() {
        bail!(
            "{} is neither the id of a trial nor a model file",
            args.model
        );
    }
    up::worker::check_loads(&worker).await?;
    let mut command = Command::new(&worker);
    up::worker::with_libtorch(&mut command);
    command.arg("predict");
    command.arg("--top").arg(args.top.to_string());
    if let Some(out) = &args.out {
        command.arg("--out").arg(out);
    }
    // An image may be called like an option.
    command.arg("--").arg(&model).args(&args.images);
    let status = command.status().await;
    let status = status.with_context(|| format!("cannot run {}", worker.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The trial's model, kept under its hash below the data folder.
async fn fetched(trial: TrialId, global: &Global) -> anyhow::Result<PathBuf> {
    let client = global.connect()?.client;
    let detail = client.trial(trial).await?;
    let Some(model) = detail.model else {
        bail!(
            "trial {trial} is {}; only a completed trial has a model",
            detail.trial.state.name()
        );
    };
    let home = global.home()?;
    let folder: &Path = &home.path().join("models");
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{model}.safetensors"));
    if !path.is_file() {
        client.download(model, &path).await?;
    }
    Ok(path)
}
