//! The spec of a local run: what the server does with a submitted one, over the data and the weights at hand.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cultivar_spec::document::{self, Change};
use cultivar_spec::manifest::Manifest;
use cultivar_spec::resolve::{
    Dataset, imagenet_input, pin_dataset, pin_weights, pinned_random, plain_input,
};
use cultivar_spec::trial::{Input, Weights};
use cultivar_spec::{Sha256Digest, TrialSpec, Violation, Violations, check};
use serde_json::Value;

/// A weights file given on the command line: what `pretrained` means for this run.
#[derive(Clone, Debug)]
pub struct WeightsFile {
    pub path: PathBuf,
    sha256: Sha256Digest,
    /// How its pixels were prepared.
    convention: Input,
}

impl WeightsFile {
    /// Reads a file: a model that Cultivar trained says how its pixels were prepared, any other has ImageNet's usual
    /// convention, as `cultivar weights add` assumes it.
    ///
    /// # Errors
    /// It cannot be read, or is neither a safetensors file nor called `.pt`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let at = || path.display().to_string();
        let bytes = fs::read(path).with_context(at)?;
        let trained: Option<TrialSpec> = match is_module(path) {
            true => None,
            false => cultivar_train::weights::metadata(path)?
                .get("spec")
                .and_then(|spec| serde_json::from_str(spec).ok()),
        };
        Ok(Self {
            path: std::path::absolute(path)?,
            sha256: Sha256Digest::of(&bytes),
            convention: trained.map_or_else(imagenet_input, |spec| spec.input),
        })
    }
}

/// By its name: a TorchScript module.
fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pt")
}

/// Reads a spec and applies the changes of the command line. `-` is standard input.
///
/// # Errors
/// It is not there or not YAML, or a change does not fit.
pub fn read(path: &Path, changes: &[Change]) -> anyhow::Result<Value> {
    let name = || path.display().to_string();
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    let mut raw = document::parse(&text).with_context(name)?;
    for change in changes {
        change.apply(&mut raw)?;
    }
    Ok(raw)
}

/// The dataset a spec names.
pub fn dataset_named(raw: &Value) -> Option<String> {
    let name = raw.pointer("/data/dataset")?.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Checks the spec and pins it. One that names no dataset means the one at hand.
///
/// # Errors
/// [`Violations`]: everything that is wrong with the spec itself or, if nothing is, with what it names.
pub fn resolve(
    mut raw: Value,
    manifest: &Manifest,
    weights: Option<&WeightsFile>,
) -> Result<TrialSpec, Violations> {
    if dataset_named(&raw).is_none()
        && let Some(fields) = raw.as_object_mut()
        && let Value::Object(data) = fields
            .entry("data")
            .or_insert_with(|| Value::Object(Default::default()))
    {
        data.insert("dataset".into(), manifest.name.as_str().into());
    }
    let mut spec = check::trial(&raw)?;
    let mut found: Vec<Violation> = data(&mut spec, manifest).into_iter().collect();
    match weights_of(&spec, weights) {
        Err(violation) => found.push(violation),
        Ok((sha256, convention)) => pin_weights(&mut spec, sha256, &convention),
    }
    match found.is_empty() {
        true => Ok(spec),
        false => Err(Violations(found)),
    }
}

fn data(spec: &mut TrialSpec, manifest: &Manifest) -> Option<Violation> {
    let found = Dataset::of(manifest);
    let data = &spec.data;
    if data.dataset != manifest.name {
        let expected = format!("{}, the dataset in the folder", manifest.name);
        return Some(Violation::new(
            "/data/dataset",
            data.dataset.as_str(),
            expected,
        ));
    }
    match data.version {
        Some(pinned) if pinned != found.version => Some(Violation::new(
            "/data/version",
            pinned.to_string(),
            format!("{}, the version in the folder", found.version),
        )),
        _ => pin_dataset(spec, found),
    }
}

type Pinned = (Option<Sha256Digest>, Input);

/// The hash to pin and the convention that goes with the spec's weights.
fn weights_of(spec: &TrialSpec, file: Option<&WeightsFile>) -> Result<Pinned, Violation> {
    let backbone = &spec.backbone;
    let wrong = |expected: &str| {
        let found = backbone.weights.to_string();
        Err(Violation::new("/backbone/weights", found, expected))
    };
    let fits = |wanted: Sha256Digest, pointer: &str, file: &WeightsFile| {
        (wanted != file.sha256).then(|| {
            let expected = format!("{}, the hash of {}", file.sha256, file.path.display());
            Violation::new(pointer, wanted.to_string(), expected)
        })
    };
    match (&backbone.weights, file) {
        (Weights::Random, _) => match pinned_random(backbone) {
            // As with a server: random weights see pixels as the backbone's registered weights would.
            None => Ok((
                None,
                file.map_or_else(plain_input, |file| file.convention.clone()),
            )),
            Some(violation) => Err(violation),
        },
        (Weights::Pretrained | Weights::File(_), Some(file)) => {
            let pinned = backbone.weights_sha256;
            let other = pinned.and_then(|pinned| fits(pinned, "/backbone/weights_sha256", file));
            other.map_or_else(|| Ok((Some(file.sha256), file.convention.clone())), Err)
        }
        (Weights::Artifact(wanted), Some(file)) => match fits(*wanted, "/backbone/weights", file) {
            None => Ok((Some(file.sha256), file.convention.clone())),
            Some(violation) => Err(violation),
        },
        (Weights::File(_), None) => wrong("that file as --weights FILE beside it"),
        (Weights::Pretrained | Weights::Artifact(_), None) => {
            wrong("random, or --weights FILE.safetensors beside it")
        }
        (Weights::Trial(_), _) => wrong(
            "pretrained with that trial's model as --weights FILE: only a server knows trials by id",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::manifest::{ImageEntry, Split};
    use serde_json::json;

    fn manifest() -> Manifest {
        let image = |split| ImageEntry {
            sha256: Sha256Digest::of(b"image"),
            label: 0,
            split,
            group: None,
        };
        Manifest {
            name: "pets".into(),
            title: String::new(),
            classes: vec!["cat".into(), "dog".into()],
            images: [Split::Train, Split::Val].map(image).into(),
            files: Vec::new(),
            sources: Vec::new(),
            split_rule: String::new(),
        }
    }

    fn file() -> WeightsFile {
        WeightsFile {
            path: "w.safetensors".into(),
            sha256: Sha256Digest::of(b"w"),
            convention: imagenet_input(),
        }
    }

    fn refused(raw: Value, file: Option<&WeightsFile>) -> Vec<String> {
        let Violations(found) = resolve(raw, &manifest(), file).unwrap_err();
        found.into_iter().map(|found| found.pointer).collect()
    }

    #[test]
    fn a_spec_is_pinned_to_what_is_at_hand() {
        let spec = resolve(json!({}), &manifest(), Some(&file())).unwrap();
        assert_eq!(spec.data.dataset, "pets");
        assert_eq!(spec.data.version, Some(manifest().version()));
        assert_eq!(spec.backbone.weights_sha256, Some(file().sha256));
        assert_eq!(spec.input, imagenet_input());
        let random = json!({"backbone": {"weights": "random"}});
        let spec = resolve(random, &manifest(), None).unwrap();
        assert_eq!(spec.input, plain_input());
        // What came out goes in again unchanged.
        let raw = serde_json::to_value(&spec).unwrap();
        assert_eq!(resolve(raw, &manifest(), None).unwrap(), spec);
    }

    #[test]
    fn what_is_not_at_hand_is_named_where_the_spec_names_it() {
        let other = Sha256Digest::of(b"other").to_string();
        assert_eq!(refused(json!({}), None), ["/backbone/weights"]);
        assert_eq!(
            refused(json!({"data": {"dataset": "birds"}}), None),
            ["/data/dataset", "/backbone/weights"]
        );
        assert_eq!(
            refused(json!({"data": {"version": other}}), Some(&file())),
            ["/data/version"]
        );
        let artifact = json!({"backbone": {"weights": format!("artifact:{other}")}});
        assert_eq!(refused(artifact, Some(&file())), ["/backbone/weights"]);
        let pinned = json!({"backbone": {"weights_sha256": other}});
        assert_eq!(refused(pinned, Some(&file())), ["/backbone/weights_sha256"]);
        let lr = json!({"optimizer": {"kind": "sgd", "lr": -1}, "epochs": 3});
        assert_eq!(refused(lr, None).len(), 2, "the spec's own mistakes first");
    }
}
