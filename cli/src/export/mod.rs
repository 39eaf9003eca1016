//! `cultivar export`: a trial's model as files that need nothing of Cultivar.

mod header;
mod hub;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use cultivar_spec::backbones::TORCHSCRIPT;
use cultivar_spec::wire::{LeaderboardRow, TrialDetail};
use cultivar_spec::{TrialId, model_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command as Process;

use header::{beside, rewrite};

use crate::numbers::bytes;
use crate::session::Session;
use crate::up;

/// Write a trial's model as files that need nothing of Cultivar
///
/// Prints the Python that loads it.
#[derive(Args, Debug)]
pub struct Export {
    /// The trial; it has completed
    trial: TrialId,
    /// The file to write; with --format hub, the folder
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value = "timm")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// safetensors that timm loads; its metadata say which model it is, its classes, and how to prepare an image
    Timm,
    /// A folder as on the Hugging Face hub: the same file, timm's config.json, preprocessor_config.json for
    /// transformers, and a model card with the spec and the scores
    Hub,
    /// The same of any model, those that timm cannot run included: for Cultivar, and for code of your own
    Safetensors,
    /// TorchScript, with the metadata beside it in FILE.json; refused unless its logits are the model's
    Torchscript,
}

/// # Errors
/// The trial has no model, timm cannot run it and was meant to, or the file cannot be written.
pub async fn run(args: Export, session: &Session) -> anyhow::Result<()> {
    let client = &session.client;
    let detail = client.trial(args.trial).await?;
    let Some(model) = detail.model else {
        bail!(
            "trial {} is {}; only a completed trial has a model",
            args.trial,
            detail.trial.state.name()
        );
    };
    if matches!(args.format, Format::Timm | Format::Hub)
        && let Some(why) = model_file::beyond_timm(&detail.spec)
    {
        let instead = match detail.spec.backbone.name == TORCHSCRIPT {
            true => "--format safetensors writes its tensors",
            false => {
                "--format torchscript writes one for PyTorch, --format safetensors one for `cultivar predict`"
            }
        };
        bail!(
            "timm cannot run the model of trial {}: {why}; {instead}",
            args.trial
        );
    }
    let part = beside(&args.out);
    client.download(model, &part).await?;
    let written = match args.format {
        Format::Hub => hub(&args.out, &part, detail, session).await,
        _ => write(&args, &part, detail).await,
    };
    // Gone already where it became the file.
    let _ = fs::remove_file(&part);
    let answer = written?;
    session.print(&answer, Exported::in_words)
}

/// What was written.
#[derive(Debug, Serialize, Deserialize)]
struct Exported {
    file: String,
    n_bytes: u64,
    /// Python that loads it; none for what Cultivar alone is sure to run.
    snippet: Option<String>,
    /// TorchScript: the file with the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    /// TorchScript: the largest difference of a logit.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_error: Option<f64>,
}

impl Exported {
    fn in_words(&self) -> String {
        let mut text = format!("{}: {}", self.file, bytes(self.n_bytes));
        if let Some(error) = self.max_error {
            text.push_str(&format!(", logits within {error:.1e} of the model's"));
        }
        if let Some(notes) = &self.notes {
            text.push_str(&format!(
                "\n{notes}: its classes, and how to prepare an image"
            ));
        }
        if let Some(snippet) = &self.snippet {
            text.push_str(&format!("\n\nIn Python:\n\n{snippet}"));
        }
        text
    }
}

/// Writes what was asked for from a trial's model file, which it may use up.
async fn write(args: &Export, model: &Path, detail: TrialDetail) -> anyhow::Result<Exported> {
    let described = match args.format {
        Format::Torchscript => model.with_extension("described"),
        _ => args.out.clone(),
    };
    let (from, to) = (model.to_owned(), described.clone());
    tokio::task::spawn_blocking(move || describe(&from, &to, &detail)).await??;
    if args.format == Format::Torchscript {
        let written = torchscript(&described, &args.out).await;
        let _ = fs::remove_file(&described);
        return written;
    }
    let file = args.out.display().to_string();
    Ok(Exported {
        n_bytes: fs::metadata(&args.out)?.len(),
        snippet: (args.format == Format::Timm).then(|| model_file::snippet(&file)),
        file,
        notes: None,
        max_error: None,
    })
}

/// Lays out the folder: the card last, so that one without a card is not whole.
async fn hub(
    out: &Path,
    model: &Path,
    detail: TrialDetail,
    session: &Session,
) -> anyhow::Result<Exported> {
    let row = row_of(&detail, session).await?;
    let at = || format!("cannot write to {}", out.display());
    fs::create_dir_all(out).with_context(at)?;
    let file = out.join(hub::MODEL);
    let classes = describe(model, &file, &detail)?;
    for (name, text) in hub::files(&detail, row.as_ref(), &classes) {
        fs::write(out.join(name), text).with_context(at)?;
    }
    Ok(Exported {
        file: out.display().to_string(),
        n_bytes: fs::metadata(&file)?.len(),
        snippet: Some(hub::snippet(&out.display().to_string())),
        notes: None,
        max_error: None,
    })
}

/// The configuration's row on the leaderboard, with all its seeds; none where the board does not show it.
async fn row_of(detail: &TrialDetail, session: &Session) -> anyhow::Result<Option<LeaderboardRow>> {
    let trial = &detail.trial;
    let board = session
        .client
        .leaderboard(&trial.dataset, None, None)
        .await?;
    let mut rows = board.rows.into_iter();
    Ok(rows.find(|row| row.trials.contains(&trial.id)))
}

/// Copies a trial's model and lets it say all of itself: also one of a version that wrote less, and where it came from.
/// Gives its classes.
fn describe(from: &Path, to: &Path, detail: &TrialDetail) -> anyhow::Result<Vec<String>> {
    let mut classes = Vec::new();
    rewrite(from, to, |metadata| {
        let written = metadata
            .get(model_file::CLASSES)
            .context("the model does not say its classes")?;
        classes = serde_json::from_str(written)?;
        metadata.extend(model_file::metadata(&detail.spec, &classes));
        let trial = &detail.trial;
        metadata.insert("trial".into(), trial.id.to_string());
        metadata.insert("dataset".into(), trial.dataset.clone());
        metadata.insert("metrics".into(), serde_json::to_string(&trial.metrics)?);
        Ok(())
    })?;
    Ok(classes)
}

/// Has the worker program write it: it alone has libtorch.
async fn torchscript(model: &Path, out: &Path) -> anyhow::Result<Exported> {
    let program = up::find_program("cultivar-worker", "CULTIVAR_WORKER_BIN")?;
    up::worker::check_loads(&program).await?;
    let mut process = Process::new(&program);
    up::worker::with_libtorch(&mut process);
    process.arg("export").arg(model).arg("--out").arg(out);
    let output = process.arg("--json").output().await;
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let problem: Value = serde_json::from_str(said.trim()).unwrap_or_default();
        bail!("{}", problem["error"].as_str().unwrap_or(said.trim()));
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} is of another version", program.display()))
}
