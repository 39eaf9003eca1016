//! Weights that lie on this machine: `file:NAME` is NAME below the folder that the worker's owner gave with `--files`,
//! and nothing outside it.

use std::path::{Path, PathBuf};

use cultivar_client::digest_of_file;
use cultivar_spec::trial::{Backbone, Weights};

/// The folder, if its owner opened one.
pub struct OwnFiles(Option<PathBuf>);

impl OwnFiles {
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// The file of a backbone whose weights are one, with the content that the spec pins.
    ///
    /// # Errors
    /// In words: no folder was opened, the file is not in it, or its content is another.
    pub async fn find(&self, backbone: &Backbone) -> Result<Option<PathBuf>, String> {
        let Weights::File(name) = &backbone.weights else {
            return Ok(None);
        };
        let Some(folder) = self.0.clone() else {
            return Err(format!(
                "weights file:{name} lie in a folder that the worker's owner opens with --files, and this worker has none"
            ));
        };
        let path = within(&folder, name)?;
        let found = digest_of_file(&path)
            .await
            .map_err(|error| error.to_string())?;
        match backbone.weights_sha256 {
            Some(pinned) if pinned == found => Ok(Some(path)),
            pinned => Err(format!(
                "weights file:{name} have the SHA-256 {found}, and the spec wants {}",
                pinned.map_or("none".into(), |pinned| pinned.to_string())
            )),
        }
    }
}

fn within(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let real = |path: &Path| {
        let found = path.canonicalize();
        found.map_err(|error| format!("weights file:{name}: {}: {error}", path.display()))
    };
    let folder = real(folder)?;
    // Links are followed first, so that none leads out.
    let path = real(&folder.join(name))?;
    match path.starts_with(&folder) {
        true => Ok(path),
        false => Err(format!(
            "weights file:{name} lead out of the worker's folder"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cultivar_spec::Sha256Digest;

    use super::*;

    fn backbone(name: &str, content: &[u8]) -> Backbone {
        Backbone {
            weights: Weights::File(name.into()),
            weights_sha256: Some(Sha256Digest::of(content)),
            ..Backbone::default()
        }
    }

    #[tokio::test]
    async fn a_file_is_found_in_the_opened_folder_alone() {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("opened");
        fs::create_dir_all(folder.join("nets")).unwrap();
        fs::write(folder.join("nets/a.pt"), b"a").unwrap();
        fs::write(all.path().join("outside.pt"), b"a").unwrap();
        std::os::unix::fs::symlink(all.path().join("outside.pt"), folder.join("link.pt")).unwrap();
        let files = OwnFiles::new(Some(folder.clone()));
        let found = files
            .find(&backbone("nets/a.pt", b"a"))
            .await
            .unwrap()
            .unwrap();
        assert!(found.ends_with("opened/nets/a.pt"), "{found:?}");
        for (name, content, said) in [
            ("nets/a.pt", &b"b"[..], "have the SHA-256 ca978112"),
            ("nets/b.pt", b"a", "No such file"),
            ("link.pt", b"a", "lead out"),
        ] {
            let error = files.find(&backbone(name, content)).await.unwrap_err();
            assert!(error.contains(said), "{name}: {error}");
        }
        let none = OwnFiles::new(None).find(&backbone("nets/a.pt", b"a")).await;
        assert!(none.unwrap_err().contains("--files"));
        let random = Backbone {
            weights: Weights::Random,
            ..Backbone::default()
        };
        assert_eq!(OwnFiles::new(None).find(&random).await, Ok(None));
    }
}
