//! `cultivar-worker export`: a trained model as TorchScript. `cultivar export --format torchscript` runs it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use cultivar_spec::model_file;
use cultivar_train::{torchscript, weights};
use serde_json::json;

/// Beside FILE, FILE.json gets the classes and how to prepare an image. Nothing is written unless the logits of both
/// models agree.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// A model that Cultivar trained: model.safetensors
    model: PathBuf,
    /// The TorchScript file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print what was written as JSON; an error is JSON too, on standard error
    #[arg(long)]
    pub json: bool,
}

/// Writes the file and the notes beside it.
///
/// # Errors
/// The model is none of ours, its trace gives other logits, or the files cannot be written.
pub fn run(args: &Export) -> anyhow::Result<()> {
    let max_error = torchscript::export(&args.model, &args.out)?;
    let file = args.out.display().to_string();
    let notes = format!("{file}.json");
    let metadata: BTreeMap<_, _> = weights::metadata(&args.model)?.into_iter().collect();
    fs::write(&notes, serde_json::to_string_pretty(&metadata)? + "\n")
        .with_context(|| format!("cannot write {notes}"))?;
    let snippet = model_file::torchscript_snippet(&file, &notes);
    if args.json {
        let answer = json!({
            "file": file, "notes": notes, "n_bytes": fs::metadata(&args.out)?.len(),
            "max_error": max_error, "snippet": snippet,
        });
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        println!(
            "{file}: logits within {max_error:.1e} of the model's; classes and preprocessing are in {notes}"
        );
        println!("\nIn Python, with torch and timm:\n\n{snippet}");
    }
    Ok(())
}
