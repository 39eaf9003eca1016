//! The header of a safetensors file: 8 bytes of length, then JSON, then the tensors.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

/// A header longer than this is none.
const MAX_HEADER: u64 = 100 << 20;

/// Where `path` is written until it is whole.
pub fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// Copies a safetensors file and changes its metadata on the way; tensors are not touched.
///
/// # Errors
/// `from` is no safetensors file, `change` fails, or `to` cannot be written.
pub fn rewrite(
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
