//! Documents people write, from wherever they lie.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use cultivar_spec::document;
use serde_json::Value;

pub use cultivar_spec::document::Change;

/// Reads a YAML (or JSON) file; `-` is standard input.
///
/// # Errors
/// The file is not there, or not YAML; the message names the line.
pub fn read(path: &Path) -> anyhow::Result<Value> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        ("standard input".to_owned(), text)
    } else {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        (name, text)
    };
    document::parse(&text).with_context(|| name)
}
