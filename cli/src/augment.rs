//! `cultivar augment`: what a training image goes through. The pictures are the worker's, since only it has
//! libtorch.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, anyhow, bail};
use clap::Subcommand;
use cultivar_spec::{canonical_json, check};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command as Process;

use crate::up;
use crate::yaml::{self, Change};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write a contact sheet of what the network will see: the evaluation crop, then training draws
    Preview {
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
        /// Change a field, such as fit.seed=2; may be repeated
        #[arg(long, value_name = "FIELD=VALUE")]
        set: Vec<Change>,
    },
}

/// Runs a subcommand.
///
/// # Errors
/// The spec is wrong, there is no worker program, or it cannot make the sheet.
pub async fn run(command: Command, as_json: bool) -> anyhow::Result<()> {
    let Command::Preview {
        spec,
        data,
        out,
        images,
        draws,
        set,
    } = command;
    let mut raw = yaml::read(&spec)?;
    // A sheet needs no registered dataset.
    if raw.pointer("/data/dataset").is_none() {
        let unnamed = "dataset=preview".parse::<Change>();
        unnamed.map_err(|error| anyhow!(error))?.apply(&mut raw)?;
    }
    for change in &set {
        change.apply(&mut raw)?;
    }
    let checked = check::trial(&raw).with_context(|| spec.display().to_string())?;

    let program = up::find_program("cultivar-worker", "CULTIVAR_WORKER_BIN")?;
    up::worker::check_loads(&program).await?;
    let mut process = Process::new(&program);
    up::worker::with_libtorch(&mut process);
    process
        .args(["preview", "-"])
        .arg("--data")
        .arg(&data)
        .arg("--out")
        .arg(&out)
        .args([
            "--images",
            &images.to_string(),
            "--draws",
            &draws.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = process
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut input = child.stdin.take().expect("standard input is piped");
    // A worker that ends early says why on standard error.
    let _ = input.write_all(canonical_json(&checked).as_bytes()).await;
    drop(input);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("the worker said nothing");
        bail!("{}", last.trim_start_matches("cultivar-worker: "));
    }
    if as_json {
        println!("{}", json!({"out": out}));
    } else {
        println!("{}", out.display());
    }
    Ok(())
}
