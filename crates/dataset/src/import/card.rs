//! The dataset card: `dataset.yaml`, `dataset.yml` or `dataset.json` in the folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ImportError;

/// The names a card goes by, one of which may be there.
pub const FILE_NAMES: [&str; 3] = ["dataset.yaml", "dataset.yml", "dataset.json"];

/// What the owner of a folder says about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// Lower-case letters, digits and dashes; what specs refer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub title: String,
    pub sources: Vec<CardSource>,
    /// How the splits came about, in words.
    pub split_rule: String,
}

/// Where some of the images came from and what may be done with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardSource {
    pub name: String,
    /// SPDX identifier where there is one.
    pub licence: String,
    #[serde(default)]
    pub url: String,
    /// The folder of these images, relative to the card; empty for all.
    #[serde(default)]
    pub folder: String,
    /// Number of these images as the owner counted them; compared with what is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_images: Option<u64>,
}

impl CardSource {
    /// Whether the image at this relative path came from here.
    pub fn covers(&self, path: &str) -> bool {
        let folder = self.folder.trim_end_matches('/');
        folder.is_empty()
            || path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Reads the card of a folder; a default one where there is none.
///
/// # Errors
/// Two cards, or one that is no valid YAML or JSON or has an unknown field.
pub fn read(dir: &Path) -> Result<Card, ImportError> {
    let present: Vec<PathBuf> = FILE_NAMES
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| path.is_file())
        .collect();
    let path = match present.as_slice() {
        [] => return Ok(Card::default()),
        [path] => path,
        [_, second, ..] => {
            let what = "a second dataset card; keep one".to_owned();
            let path = second.clone();
            return Err(ImportError::Card { path, what });
        }
    };
    let text = std::fs::read_to_string(path).map_err(|source| ImportError::Io {
        path: path.clone(),
        source,
    })?;
    // JSON is YAML.
    serde_norway::from_str(&text).map_err(|error| ImportError::Card {
        path: path.clone(),
        what: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> Result<Card, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let error_text = |error: ImportError| {
            error
                .to_string()
                .replace(&format!("{}/", dir.path().display()), "")
        };
        read(dir.path()).map_err(error_text)
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "name: pets\nsources: [{name: mine, licence: CC0-1.0, n_images: 3}]\n";
        let json = r#"{"name": "pets", "sources": [{"name": "mine", "licence": "CC0-1.0", "n_images": 3}]}"#;
        let card = read_text("dataset.yaml", yaml).unwrap();
        assert_eq!(card.sources[0].licence, "CC0-1.0");
        assert_eq!(card, read_text("dataset.json", json).unwrap());
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = read_text("dataset.yaml", "name: pets\nlicense: MIT\n").unwrap_err();
        assert!(
            error.starts_with("dataset.yaml: ") && error.contains("license"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_covers_what_lies_in_it() {
        let card = read_text(
            "dataset.yaml",
            "sources: [{name: a, licence: b, folder: images/a}]",
        );
        let source = &card.unwrap().sources[0];
        assert!(source.covers("images/a/1.png"));
        assert!(!source.covers("images/ab/1.png"));
    }
}
