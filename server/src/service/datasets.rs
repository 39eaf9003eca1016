//! Registering datasets and pretrained weights.

use std::collections::{HashMap, HashSet};

use axum::body::Bytes;
use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::wire::{DatasetDetail, DatasetView, Event, WeightsEntry};
use cultivar_spec::{Sha256Digest, Violation, Violations, backbones, canonical_json};
use futures::stream;

use crate::error::ApiError;
use crate::service::artifacts;
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// Registers a dataset version whose files are uploaded, and makes it the newest of its name.
///
/// # Errors
/// 422 with everything that is wrong with the manifest or missing of its files.
pub async fn register(state: &AppState, manifest: Manifest) -> Result<DatasetView, ApiError> {
    let mut found = manifest_rules(&manifest);
    found.extend(missing_files(state, &manifest).await?);
    if !found.is_empty() {
        return Err(ApiError::Invalid(Violations(found)));
    }
    let text = canonical_json(&manifest);
    let version = Sha256Digest::of(text.as_bytes());
    let body = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(text))]);
    artifacts::store(state, version, body).await?;

    let view = summarize(&manifest, version);
    let name = manifest.name.clone();
    let blobs = blobs_of(version, manifest.files.iter().map(|file| file.sha256));
    run_tx("register_dataset", &state.pool, move |conn| {
        Box::pin(async move {
            store::artifact::pin(conn, &blobs, &holder(version)).await?;
            store::dataset::insert(conn, &view).await?;
            let event = Event::Dataset {
                name: view.name.clone(),
            };
            store::event::append(conn, &[event]).await?;
            Ok(())
        })
    })
    .await?;
    newest(state, &name).await
}

/// What a dataset version needs: its manifest and its files.
pub fn blobs_of(
    version: Sha256Digest,
    files: impl Iterator<Item = Sha256Digest>,
) -> Vec<Sha256Digest> {
    std::iter::once(version).chain(files).collect()
}

/// As whose a version's blobs are pinned.
pub fn holder(version: Sha256Digest) -> String {
    format!("dataset:{version}")
}

/// The newest version of a dataset and its manifest.
///
/// # Errors
/// There is no such dataset.
pub async fn detail(state: &AppState, name: &str) -> Result<DatasetDetail, ApiError> {
    let dataset = newest(state, name).await?;
    let known = state.manifests.get(&dataset.version).await?;
    Ok(DatasetDetail {
        dataset,
        manifest: known.manifest.clone(),
    })
}

async fn newest(state: &AppState, name: &str) -> Result<DatasetView, ApiError> {
    let found = store::dataset::newest(&state.pool, name).await?;
    found.ok_or_else(|| ApiError::no_such("dataset", name))
}

/// Makes an artifact the `pretrained` weights of a backbone.
///
/// # Errors
/// The backbone is unknown, the artifact missing, or a standard deviation not positive.
pub async fn register_weights(
    state: &AppState,
    entry: WeightsEntry,
) -> Result<WeightsEntry, ApiError> {
    if backbones::find(&entry.backbone).is_none() {
        let names: Vec<_> = backbones::BACKBONES
            .iter()
            .map(|backbone| backbone.name)
            .collect();
        let expected = format!("one of {}", names.join(", "));
        return Err(ApiError::violation("/backbone", entry.backbone, expected));
    }
    if let Some(idx) = entry.std.iter().position(|std| *std <= 0.0) {
        return Err(ApiError::violation(
            format!("/std/{idx}"),
            entry.std[idx],
            "a number above 0",
        ));
    }
    artifacts::must_exist(state, &[("/sha256", entry.sha256)]).await?;
    store::weights::upsert(&state.pool, &entry).await?;
    Ok(entry)
}

/// What the schema cannot say of a manifest.
fn manifest_rules(manifest: &Manifest) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut split_of_group = HashMap::new();
    for (idx, image) in manifest.images.iter().enumerate() {
        if image.label as usize >= manifest.classes.len() {
            found.push(Violation::new(
                format!("/images/{idx}/label"),
                image.label,
                format!("an index into the {} classes", manifest.classes.len()),
            ));
        }
        let split = *split_of_group.entry(image.group()).or_insert(image.split);
        if split != image.split {
            found.push(Violation::new(
                format!("/images/{idx}/split"),
                image.split.name(),
                format!(
                    "{}, where the rest of its group {:?} is",
                    split.name(),
                    image.group()
                ),
            ));
        }
    }
    let mut seen = HashSet::new();
    for (idx, class) in manifest.classes.iter().enumerate() {
        if !seen.insert(class) {
            found.push(Violation::new(
                format!("/classes/{idx}"),
                class.as_str(),
                "a name no other class has",
            ));
        }
    }
    let n_rows: u64 = manifest.files.iter().map(|file| file.n_rows).sum();
    if n_rows != manifest.images.len() as u64 {
        found.push(Violation::new(
            "/files",
            n_rows,
            format!(
                "as many rows in all files as there are images: {}",
                manifest.images.len()
            ),
        ));
    }
    if manifest.n_images(Split::Train) == 0 {
        found.push(Violation::new(
            "/images",
            manifest.images.len(),
            "at least one image in split train",
        ));
    }
    found
}

async fn missing_files(state: &AppState, manifest: &Manifest) -> Result<Vec<Violation>, ApiError> {
    let digests: Vec<_> = manifest.files.iter().map(|file| file.sha256).collect();
    let sizes: HashMap<_, _> = store::artifact::sizes(&state.pool, &digests)
        .await?
        .into_iter()
        .collect();
    let check =
        |(idx, file): (usize, &cultivar_spec::manifest::DataFile)| match sizes.get(&file.sha256) {
            None => Some(Violation::new(
                format!("/files/{idx}/sha256"),
                file.sha256.to_string(),
                "an artifact uploaded before it is named here",
            )),
            Some(n_bytes) if *n_bytes != file.n_bytes => Some(Violation::new(
                format!("/files/{idx}/n_bytes"),
                file.n_bytes,
                n_bytes.to_string(),
            )),
            Some(_) => None,
        };
    Ok(manifest
        .files
        .iter()
        .enumerate()
        .filter_map(check)
        .collect())
}

fn summarize(manifest: &Manifest, version: Sha256Digest) -> DatasetView {
    let groups: HashSet<_> = manifest.images.iter().map(|image| image.group()).collect();
    DatasetView {
        name: manifest.name.clone(),
        title: manifest.title.clone(),
        version,
        n_classes: manifest.classes.len() as u64,
        n_train: manifest.n_images(Split::Train) as u64,
        n_val: manifest.n_images(Split::Val) as u64,
        n_test: manifest.n_images(Split::Test) as u64,
        n_groups: groups.len() as u64,
        n_bytes: manifest.files.iter().map(|file| file.n_bytes).sum(),
        sources: manifest.sources.clone(),
        // Overwritten by the row's own time when it is read.
        created_at: chrono::DateTime::UNIX_EPOCH,
    }
}
