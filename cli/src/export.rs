//! `cultivar export`: a trial's model as a file that needs nothing of Cultivar.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use cultivar_spec::wire::TrialDetail;
use cultivar_spec::{TrialId, model_file};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::process::Command as Process;

use crate::numbers::bytes;
use crate::session::Session;
use crate::up;

/// A header longer than this is none.
const MAX_HEADER: u64 = 100 << 20;

/// Write a trial's model to a file that needs nothing of Cultivar
///
/// Prints the Python that loads it.
#[derive(Args, Debug)]
pub struct Export {
    /// The trial; it has completed
    trial: TrialId,
    /// The file to write
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
    if args.format == Format::Timm
        && let Some(why) = model_file::beyond_timm(&detail.spec)
    {
        bail!(
            "timm cannot run the model of trial {}: {why}; --format torchscript writes one for PyTorch, \
             --format safetensors one for `cultivar predict`",
            args.trial
        );
    }
    let part = beside(&args.out);
    client.download(model, &part).await?;
    let written = write(&args, &part, detail).await;
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
        Format::Timm | Format::Safetensors => args.out.clone(),
        Format::Torchscript => model.with_extension("described"),
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

/// Copies a trial's model and lets it say all of itself: also one of a version that wrote less, and where it came from.
fn describe(from: &Path, to: &Path, detail: &TrialDetail) -> anyhow::Result<()> {
    rewrite(from, to, |metadata| {
        let classes = metadata
            .get(model_file::CLASSES)
            .context("the model does not say its classes")?;
        let classes: Vec<String> = serde_json::from_str(classes)?;
        metadata.extend(model_file::metadata(&detail.spec, &classes));
        let trial = &detail.trial;
        metadata.insert("trial".into(), trial.id.to_string());
        metadata.insert("dataset".into(), trial.dataset.clone());
        metadata.insert("metrics".into(), serde_json::to_string(&trial.metrics)?);
        Ok(())
    })
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

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// Copies a safetensors file and changes its metadata on the way; tensors are not touched.
///
/// # Errors
/// `from` is no safetensors file, `change` fails, or `to` cannot be written.
fn rewrite(
    from: &Path,
    to: &Path,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    const METADATA: &str = "__metadata__";
    let at = || from.display().to_string();
    let mut input = File::open(from).with_context(at)?;
    let mut length = [0; 8];
    input.read_exact(&mut length).with_context(at)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        bail!("{} is not a safetensors file", from.display());
    }
    let mut header = vec![0; length as usize];
    input.read_exact(&mut header).with_context(at)?;
    let mut header: Map<String, Value> = serde_json::from_slice(&header)
        .with_context(|| format!("{} is not a safetensors file", from.display()))?;
    let metadata = header.remove(METADATA).unwrap_or_else(|| json!({}));
    let mut metadata: BTreeMap<String, String> = serde_json::from_value(metadata)?;
    change(&mut metadata)?;
    header.insert(METADATA.into(), json!(metadata));
    let mut header = serde_json::to_vec(&header)?;
    // Tensors start at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');

    let written = beside(&to.with_extension("new"));
    let mut write = || -> io::Result<()> {
        let mut output = File::create(&written)?;
        output.write_all(&(header.len() as u64).to_le_bytes())?;
        output.write_all(&header)?;
        io::copy(&mut input, &mut output)?;
        output.sync_all()?;
        fs::rename(&written, to)
    };
    write().with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u64).to_le_bytes();
        [&length, header.as_bytes(), data].concat()
    }

    #[test]
    fn metadata_change_and_tensors_stay() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["a", "b"].map(|name| folder.path().join(name));
        let header =
            r#"{"__metadata__":{"old":"1"},"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#;
        fs::write(&from, file(header, &[7, 8, 9])).unwrap();
        rewrite(&from, &to, |metadata| {
            metadata.insert("new".into(), "2".into());
            Ok(())
        })
        .unwrap();
        let bytes = fs::read(&to).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert!(length.is_multiple_of(8));
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        assert_eq!(header["__metadata__"], json!({"old": "1", "new": "2"}));
        assert_eq!(header["w"]["data_offsets"], json!([0, 3]));
        assert_eq!(bytes[8 + length..], [7, 8, 9]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["a", "b"].map(|name| folder.path().join(name));
        for bytes in [
            file("no JSON", &[]),
            b"\xff\xff\xff\xff\xff\xff\xff\xffPK".to_vec(),
        ] {
            fs::write(&from, bytes).unwrap();
            let said = rewrite(&from, &to, |_| Ok(())).unwrap_err().to_string();
            assert!(said.contains("not a safetensors file"), "{said}");
            assert!(!to.exists());
        }
    }
}
